"""What the end-to-end tests leave for the check: each stack's calls, and the policies that it was applied with."""

import json
import os
from pathlib import Path
from typing import Any

from tests.permissions import definitions
from tests.stack.local_stack import REPOSITORY, LocalStack

FOLDER = REPOSITORY / "build" / "permissions"


def keep(stack: LocalStack) -> None:
    """Write the stack's record; another worker writes beside it, also about a stack of the same name."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = stack.record()
    record["applied"] = [definitions.read(resources) for resources in record["applied"]]
    (FOLDER / f"{stack.name}-{os.getpid()}.json").write_text(json.dumps(record, indent=1))


def read(path: Path) -> dict[str, Any]:
    """Return a record."""
    return json.loads(path.read_text())
