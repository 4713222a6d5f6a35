"""A yes or a no on the command line: `--keep`, `--keep=1`, and `make demo KEEP=0`."""

import argparse

YES = frozenset({"1", "yes", "y", "true", "on"})
# Empty is what make passes on when the variable was not given.
NO = frozenset({"", "0", "no", "n", "false", "off"})


def yes_or_no(text: str) -> bool:
    """Return what a switch says; for argparse, with `nargs="?"` and `const=True`. Error: argparse.ArgumentTypeError."""
    said = text.strip().lower()
    if said not in YES | NO:
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no: write 1 or 0")
    return said in YES
