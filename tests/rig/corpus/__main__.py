"""Writes the corpus into a folder and says what has to become of it: python -m tests.rig.corpus FOLDER.

`make demo IMAGES=FOLDER` then takes it through the pipeline.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.rig.corpus.pictures import NOT_NOTIFIED, ODD_PICTURES, PROCESSED, write
from tools.terminal import complain, say


def expected() -> list[str]:
    """Return the ends in a line each, with how many pictures come to it."""
    counts = Counter(odd.end for odd in ODD_PICTURES)
    good, ignored = counts.pop(PROCESSED), counts.pop(NOT_NOTIFIED)
    failed = ", ".join(f"{count} {code}" for code, count in counts.most_common())
    return [
        f"images labelled  {good}",
        f"images failed    {counts.total()} ({failed})",
        f"left out         {ignored} (S3 is asked to tell of other suffixes only)",
    ]


def main() -> int:
    """Write the files and print their ends."""
    parser = argparse.ArgumentParser("python -m tests.rig.corpus", description="Write the odd pictures into a folder.")
    parser.add_argument("folder", type=Path, help="made if need be; files of the same names are overwritten")
    folder = parser.parse_args().folder
    try:
        write(folder)
    except OSError as error:
        complain(f"{folder}: cannot be written to ({error.strerror}); name another folder")
        return 1
    say(f"{len(ODD_PICTURES)} files written. What has to become of them:", *(f"  {line}" for line in expected()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
