"""Writes a small record out of large ones, for the tests: one call of each kind that permissions tell apart.

Usage: python -m tests.permissions.sample build/permissions/*.json > tests/permissions/sample.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.permissions import check, needs, record
from tests.permissions.definitions import Applied

Json = Any


def reduce(full: Json) -> Json:
    """Return the first apply, with the fewest calls that use as much of its policies."""
    alone = check.Evidence()
    alone.add(full | {"calls": [], "applied": full["applied"][:1]})
    place, [allowed] = check.place_of(full), alone.grants
    hash_keys = Applied(full["applied"][0], place).hash_keys()
    asked = [list(needs.of_calls([call], place, hash_keys)) for call in full["calls"]]
    every = [need for own in asked for need in own]
    about: dict[needs.Need, set[int]] = {need: set() for need in every}
    for grant, need in check.match(allowed, every):
        about[every[need]].add(grant)
    calls: dict[tuple[Any, ...], Json] = {}
    for call, own in zip(full["calls"], asked, strict=True):
        # What the first apply's policies do not allow, a later one's did.
        if all(about[need] for need in own):
            kind = (call["role"], call["operation"], *sorted((need.action, *sorted(about[need])) for need in own))
            calls.setdefault(kind, call)
    for resource in full["applied"][0]:
        if definition := resource["values"].get("definition"):
            resource["values"]["definition"] = json.dumps(json.loads(definition), separators=(",", ":"))
    return {"name": full["name"], "calls": list(calls.values()), "applied": full["applied"][:1]}


if __name__ == "__main__":
    small = [reduce(record.read(Path(name))) for name in sys.argv[1:]]
    print(json.dumps(small, indent=1, ensure_ascii=False))
