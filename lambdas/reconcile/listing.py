"""What an object in the listing of the source bucket means to a reconcile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum, auto

from shared.source_listing import ImageId, ListedObject


class Kind(StrEnum):
    """What an object in the listing is, by the name of its counter in `Counts`."""

    OTHER_SUFFIX = auto()
    TOO_YOUNG = auto()
    ARCHIVED = auto()
    IN_DEAD_LETTER_QUEUE = auto()
    ORPHAN = auto()


@dataclass(frozen=True)
class OrphanFilter:
    """Finds the orphans in a listing: images from before `uploaded_before` (epoch seconds) that are not dead-lettered.

    S3 dates a multipart upload by its start, which may be hours before its event.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """

    image_suffixes: tuple[str, ...]
    uploaded_before: int
    dead_lettered: frozenset[ImageId] = frozenset()

    def kind_of(self, listed: ListedObject) -> Kind:
        """Return what the object is, as far as the listing shows."""
        if not listed.key.endswith(self.image_suffixes):
            return Kind.OTHER_SUFFIX
        if listed.last_modified >= self.uploaded_before:
            return Kind.TOO_YOUNG
        if listed.is_archived:
            return Kind.ARCHIVED
        if listed.image in self.dead_lettered:
            return Kind.IN_DEAD_LETTER_QUEUE
        return Kind.ORPHAN

    def sort(self, objects: Iterable[ListedObject]) -> tuple[list[ListedObject], Counts]:
        """Return the orphans, and the counts of all other objects."""
        orphans: list[ListedObject] = []
        others: Counter[str] = Counter()
        for listed in objects:
            kind = self.kind_of(listed)
            if kind is Kind.ORPHAN:
                orphans.append(listed)
            else:
                others[kind.value] += 1
        return orphans, Counts(objects_seen=len(orphans) + others.total(), **others)


@dataclass(frozen=True)
class Refused:
    """An image that S3 or SQS refuses, with their reason: it stays in the bucket, and a later reconcile tries again."""

    key: str
    reason: str


@dataclass(frozen=True)
class Counts:
    """What became of the listed objects. `queued` are some of the `orphans`; the others sum up to `objects_seen`."""

    objects_seen: int = 0
    other_suffix: int = 0
    too_young: int = 0
    archived: int = 0
    in_dead_letter_queue: int = 0
    gone: int = 0
    refused: int = 0
    orphans: int = 0
    queued: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*(getattr(self, count.name) + getattr(other, count.name) for count in fields(self)))
