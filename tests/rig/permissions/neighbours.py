"""What lies beside each need: requests that nobody made, of which a role may be allowed none."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

from tests.rig.permissions.needs import ITEM_OPERATIONS, Need

OTHER = "zz-neighbour"
SUFFIX = "-neighbour"
# What follows is named by nobody in advance: an execution of the state machine, a stream of the log group.
NAMED = re.compile(r"arn:.*?:(?:execution:[^:/]+|log-group:[^:]+)")
# A listing's prefix names all that begins with it.
BEGINS = "s3:prefix"
# An item is always asked for by its key: a request without any is one for all items.
OF_ITEMS = {f"dynamodb:{operation}" for operation in (*ITEM_OPERATIONS, "ConditionCheckItem")}
OF_ALL_ITEMS = "dynamodb:Scan"


@dataclass(frozen=True)
class Neighbour:
    """A request that differs from a need in one thing: the resource, the principal or a condition key."""

    need: Need
    differs: str

    def __str__(self) -> str:
        values = dict(self.need.context).get(self.differs, ())
        of_condition = f", {self.differs} {', '.join(values) or 'absent'}"
        of_others = f", {self.differs} {self.need.principal}" if self.differs == "principal" else ""
        return self.need.resource + (of_others if self.differs in {"principal", "resource"} else of_condition)


@dataclass(frozen=True)
class Folders:
    """What the ARNs of a stack's uploads begin with, and of its results: as applied, whatever policies say."""

    uploads: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()

    def is_upload(self, resource: str) -> bool:
        """Whether the object is one that the stack takes."""
        return resource.startswith(tuple(self.uploads))

    def around(self, resource: str) -> tuple[str, str]:
        """Return what is before an object's own folder, which is all that it may share, and that folder's name.

        Of uploads it is the prefix, of results the folder below final_prefix; of a whole bucket it has no name.
        """
        for begins in sorted(self.uploads, key=len):
            if resource.startswith(begins):
                parent, _, name = begins.rstrip("/").rpartition("/")
                return (f"{parent}/", name) if parent else (begins, "")
        for begins in sorted(self.results, key=len, reverse=True):
            if resource.startswith(begins):
                return begins, resource.removeprefix(begins).partition("/")[0]
        return resource.split("/")[0] + "/", ""


@dataclass(frozen=True)
class Asked:
    """What the roles asked for in any stack: a role may have touched more of its folders in one than in another."""

    # The folders below final_prefix, and how the keys end, by role and action.
    folders: dict[tuple[str, str], set[str]]
    endings: dict[tuple[str, str], set[str]]

    @classmethod
    def of(cls, stacks: Iterable[tuple[list[Need], Folders]]) -> Self:
        """Return what was asked for of the results."""
        found = cls(defaultdict(set), defaultdict(set))
        for needs, folders in stacks:
            for need in needs:
                if _is_object(need) and need.resource.startswith(tuple(folders.results)):
                    found.folders[need.subject, need.action].add(folders.around(need.resource)[1])
                    found.endings[need.subject, need.action].add(_ending(need.resource))
        return found

    def elsewhere(self, need: Need) -> set[str]:
        """Return the folders that others asked for and this role did not."""
        return {name for names in self.folders.values() for name in names} - self.folders[need.subject, need.action]


def of_needs(needs: Iterable[Need], folders: Folders, asked: Asked) -> list[Neighbour]:
    """Return the neighbours of all needs, each once."""
    found: dict[Neighbour, None] = {}
    seen: set[tuple[str, ...]] = set()
    for need in needs:
        if _is_object(need):
            # One object stands for all of its folder that end like it.
            kind = (need.subject, need.action, *folders.around(need.resource), _ending(need.resource))
            if kind not in seen:
                seen.add(kind)
                resources = _beside_object(need, folders, asked)
                found.update((_with(need, resource), None) for resource in resources)
        found.update(dict.fromkeys(_whatever_else_is_asked(need)))
    return list(found)


@cache
def _whatever_else_is_asked(need: Need) -> tuple[Neighbour, ...]:
    """Return the neighbours that do not depend on what others ask for."""
    beside = () if _is_object(need) else of_arn(need.resource)
    return (*(_with(need, resource) for resource in beside), *_of_caller(need))


def of_arn(arn: str) -> Iterator[str]:
    """Yield the same ARN with another name, for each name in it: the last one first."""
    if not arn.startswith("arn:"):
        return
    known = match.end() if (match := NAMED.match(arn)) else len(arn)
    for part in reversed(list(re.finditer(r"[^:/]+", arn[:known]))[3:]):
        yield arn[: part.end()] + SUFFIX + arn[part.end() :]


def _with(need: Need, resource: str) -> Neighbour:
    return Neighbour(replace(need, resource=resource, because=""), "resource")


def _of_caller(need: Need) -> Iterator[Neighbour]:
    """Yield who else could call, and what else the request could say."""
    plain = replace(need, because="")
    if need.principal:
        yield Neighbour(replace(plain, principal=f"{OTHER}.amazonaws.com"), "principal")
    for key, values in need.context:
        rest = tuple(pair for pair in need.context if pair[0] != key)
        if values == ("",):
            # A listing of the whole bucket: there is none beside it.
            continue
        for value in values:
            others = list(of_arn(value)) or [f"{OTHER}-{value}", *([] if key == BEGINS else [value + SUFFIX])]
            for other in others:
                yield Neighbour(replace(plain, context=(*rest, (key, (other,)))), key)
        action = OF_ALL_ITEMS if need.action in OF_ITEMS else need.action
        yield Neighbour(replace(plain, action=action, context=rest), key)


def _beside_object(need: Need, folders: Folders, asked: Asked) -> Iterator[str]:
    bucket, key = need.resource.split("/", 1)
    before, folder = folders.around(need.resource)
    name = key.rsplit("/", 1)[-1]
    beside = [f"{bucket}/{OTHER}/{name}", f"{before}{OTHER}/{name}"]
    if folder:
        beside.append(f"{before}{folder}{SUFFIX}/{name}")
    is_upload = folders.is_upload(need.resource)
    if folder and not is_upload:
        beside += [f"{before}{other}/{OTHER}/{name}" for other in sorted(asked.elsewhere(need))]
        # A role that takes back what it wrote knows how that ends, and an image is not among it.
        if need.action.startswith("s3:DeleteObject") and len(asked.endings[need.subject, need.action]) == 1:
            beside.append(f"{before}{folder}/{OTHER}/{name}{SUFFIX}")
    # Without a source_prefix the whole bucket is uploads.
    yield from (each for each in beside if not (is_upload and folders.is_upload(each)))
    yield f"{bucket}{SUFFIX}/{key}"


def _is_object(need: Need) -> bool:
    return need.action.startswith("s3:") and "/" in need.resource


def _ending(resource: str) -> str:
    return resource.rsplit("/", 1)[-1].rpartition(".")[2]
