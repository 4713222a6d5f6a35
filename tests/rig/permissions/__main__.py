"""Checks the records of the end-to-end tests; exit code 1 when a permission is missing or too much."""

import sys

from tests.rig.permissions import check, record, review
from tests.rig.permissions.definitions import UnknownDefinitionError
from tests.rig.permissions.needs import UnknownCallError
from tools.terminal import complain, say

# A check over half of what the tests do would call the other half's permissions too much. Of the examples one has a
# bucket without versions, whose objects are asked for in another way, and one has keys and a VPC.
STACKS = ("e2e", "e2e-external", "e2e-house")


def main() -> int:
    """Print what was found."""
    records = [record.read(path) for path in sorted(record.FOLDER.glob("*.json"))]
    if missing := [stack for stack in STACKS if stack not in {each["name"] for each in records}]:
        complain(f"no record of {', '.join(missing)}: run all of tests/e2e first (make test)")
        return 1
    try:
        evidence = check.Evidence.of(records)
    except (UnknownCallError, UnknownDefinitionError) as error:
        complain(error)
        return 1
    found = check.findings(evidence, check.EXCUSES, check.match)
    for subject, document in evidence.documents:
        found += [*review.lint(subject, document), *review.open_grants(subject, document)]
    if found:
        say("Permissions that are missing, too much or unsound:", *(f"  {each}" for each in found), file=sys.stderr)
        return 1
    excused = sum(len(excuse.actions) for excuse in check.EXCUSES)
    say(
        "Least privilege: every call was allowed, and everything that is allowed was asked for, but for "
        f"{excused} actions that no test can show to be needed (EXCUSES in tests/rig/permissions/check.py)."
    )
    say(*check.summary(evidence))
    return 0


if __name__ == "__main__":
    sys.exit(main())
