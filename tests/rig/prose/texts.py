"""What people read, as Markdown with the lines where they are: so a line that the linter names is the source's line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tools.docs import BETWEEN

PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "terraform/README.md", "terraform/*/*/README.md")
SOURCES = ("terraform/*.tf", "terraform/*/*/*.tf")

# A description of a variable, an output or a resource, and the text of an alarm: a string on one line, perhaps as the
# first argument of format().
_TEXT = re.compile(r'^\s*(?:alarm_)?description\s*=\s*(?:format\()?("(?:[^"\\]|\\.)*")')
_INTERPOLATION = re.compile(r"\$\{[^}]*\}|%[sdgf]")


def all_of(repository: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path of each file, relative to the repository, with what is to be read of it."""
    for pattern in PAGES:
        for path in sorted(repository.glob(pattern)):
            yield path.relative_to(repository), written_by_hand(path.read_text())
    for pattern in SOURCES:
        for path in sorted(repository.glob(pattern)):
            yield path.relative_to(repository), descriptions(path.read_text())


def written_by_hand(page: str) -> str:
    """Return a page without the tables that `make docs` makes: their texts are read where they are written."""
    return BETWEEN.sub(lambda made: "\n" * made.group().count("\n"), page)


def descriptions(source: str) -> str:
    """Return the descriptions in a Terraform source, each in its line and a paragraph of its own."""
    found = (_TEXT.match(line) for line in source.splitlines())
    # What Terraform puts in counts as one word.
    return "\n".join(_INTERPOLATION.sub("X", json.loads(text[1])) if text else "" for text in found)
