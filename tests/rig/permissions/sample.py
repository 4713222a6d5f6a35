"""Writes a small record out of large ones, for the tests: one call of each kind that permissions tell apart.

Usage: python -m tests.rig.permissions.sample > tests/permissions/sample.json
"""

import json
import re
from typing import Any

from tests.rig.permissions import check, needs, record
from tests.rig.permissions.__main__ import STACKS
from tests.rig.permissions.definitions import Applied

Json = Any

MAPPING = re.compile(r"event-source-mappings/[0-9a-f-]{36}")


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


def as_one(records: list[Json]) -> Json:
    """Return several stacks' records as the first's: the same functions did it all."""
    first = records[0]
    [mapping] = {found[0] for found in MAPPING.finditer(json.dumps(first["calls"]))}
    for other in records[1:]:
        text = re.sub(rf"\b{other['name']}-", f"{first['name']}-", json.dumps(other["calls"]))
        first["calls"] += json.loads(MAPPING.sub(mapping, text))
    return first


def lines(value: Json) -> str:
    """One call and one resource a line, for a diff that can be read."""
    records = []
    for each in value:
        applied = [",\n".join(f"  {json.dumps(resource)}" for resource in resources) for resources in each["applied"]]
        calls = ",\n".join(f"  {json.dumps(call)}" for call in each["calls"])
        name, inner = json.dumps(each["name"]), "\n ], [\n".join(applied)
        records.append(f'{{"name": {name},\n "calls": [\n{calls}\n ],\n "applied": [[\n{inner}\n ]]}}')
    return "[\n" + ",\n".join(records) + "\n]"


if __name__ == "__main__":
    kept = {name: list(map(record.read, sorted(record.FOLDER.glob(f"{name}-[0-9]*.json")))) for name in STACKS}
    main_one, faults, *examples = kept.values()
    small = [as_one([*main_one, *faults]), *(each for [each] in examples)]
    print(lines([reduce(each) for each in small]))
