"""What the end-to-end tests leave for the check: each stack's calls, and the policies that it was applied with."""

import json
import uuid
from pathlib import Path
from typing import Any

from tests.rig.permissions import definitions
from tests.rig.stack.local_stack import REPOSITORY, LocalStack

FOLDER = REPOSITORY / "build" / "permissions"


def keep(stack: LocalStack, name: str = "", module: str = "") -> None:
    """Write the stack's record beside those of others, also of the same name.

    `name` and `module` are those of LocalStack.record.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = stack.record(name, module)
    record["applied"] = [definitions.read(resources) for resources in record["applied"]]
    (FOLDER / f"{record['name']}-{uuid.uuid4().hex}.json").write_text(json.dumps(record, indent=1))


def read(path: Path) -> dict[str, Any]:
    """Return a record."""
    record: dict[str, Any] = json.loads(path.read_text())
    return record
