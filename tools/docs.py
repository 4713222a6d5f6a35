"""Writes the tables of inputs and outputs into the READMEs of Terraform's folders, or checks that they are current.

Usage: python -m tools.docs [--check]

What stands between the two marks of a README is made from the folder's variables and outputs. The modules under
terraform/modules/ are internal: nobody but the root module calls them, and they have no tables. Everywhere, each
variable and output must have a description.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

from tools.terminal import complain, say

Json = Any

TERRAFORM = Path(__file__).resolve().parents[1] / "terraform"
BEGIN = "<!-- Made by `make docs` from the variables and outputs. -->"
END = "<!-- End of what `make docs` makes. -->"
BETWEEN = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)

Block = dict[str, Any]


class DocsError(Exception):
    """A README cannot be written; the message says why."""


def folders(root: Path) -> list[Path]:
    """Return the folders with variables or outputs."""
    found = {path.parent for path in root.rglob("*.tf") if ".terraform" not in path.parts}
    return sorted(folder for folder in found if list(blocks(folder, "variable")) or list(blocks(folder, "output")))


def is_internal(folder: Path) -> bool:
    """Whether only the root module calls what is in the folder."""
    return folder.parent.name == "modules"


def blocks(folder: Path, kind: str) -> Iterator[tuple[str, Block]]:
    """Yield the variables or outputs of a folder with their names, in the order of the sources."""
    for path in sorted(folder.glob("*.tf")):
        for block in _parsed(path.read_text()).get(kind, []):
            for name, body in block.items():
                yield name.strip('"'), body


# It takes a tenth of a second for a file, and each is looked at for its variables, its outputs and its table.
@cache
def _parsed(text: str) -> dict[str, list[Block]]:
    return hcl2.loads(text)


def tables(folder: Path) -> str:
    """Return the tables of a folder. DocsError: something has no description."""
    inputs = [
        (f"`{name}`", f"`{_type(body['type'])}`", _default(body), _description(folder, name, body))
        for name, body in blocks(folder, "variable")
    ]
    outputs = [(f"`{name}`", _description(folder, name, body)) for name, body in blocks(folder, "output")]
    made = [_table(("input", "type", "default", "meaning"), inputs), _table(("output", "meaning"), outputs)]
    return "\n".join(table for table in made if table)


def current(readme: Path) -> str:
    """Return the README as it should be. DocsError."""
    if is_internal(readme.parent):
        tables(readme.parent)
        return readme.read_text()
    if not readme.exists() or not BETWEEN.search(text := readme.read_text()):
        raise DocsError(f"{readme} has no place for the tables: put these two lines there\n{BEGIN}\n{END}")
    made = f"\n{tables(readme.parent)}\n"
    return BETWEEN.sub(lambda _: made, text)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows] if rows else []
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- |", "|---|").replace(" --- |", "---|")


def _type(expression: str) -> str:
    return " ".join(expression.removeprefix("${").removesuffix("}").strip('"').split())


def _default(variable: Block) -> str:
    if "default" not in variable:
        return "required"
    return f"`{json.dumps(_plain(variable['default']), ensure_ascii=False)}`"


def _plain(value: object) -> object:
    """Take off the quotes that python-hcl2 leaves on strings."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name.strip('"'): _plain(item) for name, item in value.items()}
    return json.loads(value) if isinstance(value, str) and value.startswith('"') else value


def _description(folder: Path, name: str, block: Block) -> str:
    if not block.get("description"):
        raise DocsError(f"{name} in {folder} has no description")
    return str(json.loads(block["description"])).replace("|", "\\|")


def main() -> int:
    """Write the tables, or say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a table is not current")
    is_check = parser.parse_args().check
    try:
        wanted = {folder / "README.md": current(folder / "README.md") for folder in folders(TERRAFORM)}
    except DocsError as error:
        complain(error)
        return 1
    stale = {path: text for path, text in wanted.items() if path.read_text() != text}
    if is_check and stale:
        names = ", ".join(str(path.relative_to(TERRAFORM.parent)) for path in stale)
        complain(f"run `make docs`, for these are not what the variables and outputs say: {names}")
        return 1
    for path, text in stale.items():
        path.write_text(text)
        say(f"wrote {path.relative_to(TERRAFORM.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
