"""The page of faults says what the tests show."""

import re

from tests.rig.stack.local_stack import REPOSITORY

FAULTS = REPOSITORY / "tests" / "e2e" / "faults"
# What shows that the matrix itself holds, and is no fault.
NO_FAULTS = {"the_desk_shows_what_goes_on"}


def table() -> dict[str, set[str]]:
    """The tests that the table of faults names, by their file."""
    section = (REPOSITORY / "docs" / "faults.md").read_text()
    named: dict[str, set[str]] = {}
    for name in re.findall(r"\| `(\w+(?:\.py)?)` \|$", section, re.MULTILINE):
        if name.endswith(".py"):
            named[name] = set()
        else:
            named[list(named)[-1]].add(name)
    return named


def test_the_table_of_faults_names_every_test_of_a_fault_and_no_other() -> None:
    found = {
        path.name: set(re.findall(r"^def test_(\w+)\(", path.read_text(), re.MULTILINE)) - NO_FAULTS
        for path in FAULTS.glob("test_*.py")
    }
    assert table() == found
