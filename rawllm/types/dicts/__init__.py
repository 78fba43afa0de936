"""What requests are made of, as typed dicts: nothing checks them at run time."""
