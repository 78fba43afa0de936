"""`python -m rawllm` is the command `rawllm`. Nothing else."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
