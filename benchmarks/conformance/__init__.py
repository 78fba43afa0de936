"""What clients make of the quirks of real servers, side by side."""
