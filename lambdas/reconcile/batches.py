"""The second step of a reconcile, once for each batch of the listing: queues the orphans among its objects.

A batch that is repeated, or that two reconciles share, sends messages twice. That does no harm: S3 itself delivers
events more than once, and the analysis recognizes an upload that is finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from reconcile.listing import Counts, OrphanFilter, Refused
from reconcile.message import Origin, Version, event_body
from reconcile.records import ReconcileRecords
from reconcile.report_store import ReportStore
from reconcile.source_bucket import SourceBucket
from shared.image_queue import ImageQueue
from shared.source_listing import ImageId, ListedObject
from shared.telemetry import logger

# As many as the client has connections. With the state machine's MaxConcurrency this stays below the 5,500 reads per
# second that S3 serves for one prefix.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
HEADS_AT_ONCE = 10
TOKEN_CHARACTERS = 36


@dataclass(frozen=True)
class ListingBatch:
    """What the Distributed Map hands to a child: some objects of the listing, and what the plan says for all."""

    reconcile_id: str
    uploaded_before: int
    dry_run: bool
    dead_lettered_key: str | None
    objects: tuple[ListedObject, ...]

    @classmethod
    def from_map(cls, document: dict[str, Any]) -> ListingBatch:
        """Return the batch of a child's input.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
        """
        common = document["BatchInput"]
        return cls(
            reconcile_id=common["reconcile_id"],
            uploaded_before=int(common["uploaded_before"]),
            dry_run=common["dry_run"],
            dead_lettered_key=common["dead_lettered_key"],
            objects=tuple(ListedObject.from_map(item) for item in document["Items"]),
        )

    @property
    def token(self) -> str:
        """A text that is the same for each attempt at this batch, and different for every other batch."""
        identity = json.dumps([self.reconcile_id, *([listed.key, listed.etag] for listed in self.objects)])
        return hashlib.sha256(identity.encode()).hexdigest()[:TOKEN_CHARACTERS]


@dataclass(frozen=True)
class Heads:
    """The orphans that can be queued, those that S3 refuses to describe, and the counts of the others."""

    versions: list[Version]
    refused: list[Refused]
    others: Counts


class Batches:
    """Queues the orphans of one batch after another."""

    def __init__(
        self,
        source: SourceBucket,
        queue: ImageQueue,
        store: ReportStore,
        records: ReconcileRecords,
        image_suffixes: tuple[str, ...],
        origin: Origin,
    ) -> None:
        self._source = source
        self._queue = queue
        self._store = store
        self._records = records
        self._image_suffixes = image_suffixes
        self._origin = origin
        # The reconciles that have enough examples, and of which kind.
        self._has_enough_examples: set[tuple[str, str]] = set()

    def queue(self, batch: ListingBatch) -> Counts:
        """Queue the batch's orphans, or only count them in a dry run. Error: MessagesNotSent."""
        key = batch.dead_lettered_key
        dead_lettered = self._store.dead_lettered(key) if key else frozenset[ImageId]()
        orphans, counts = OrphanFilter(self._image_suffixes, batch.uploaded_before, dead_lettered).sort(batch.objects)
        heads = self._heads(orphans, batch.uploaded_before)
        versions, refused = heads.versions, heads.refused
        if not batch.dry_run:
            not_taken = self._queue.send_all([event_body(version, self._origin) for version in versions])
            refused += [Refused(versions[place].key, reason) for place, reason in not_taken.items()]
            versions = [version for place, version in enumerate(versions) if place not in not_taken]
        counts += heads.others + Counts(
            refused=len(refused), orphans=len(versions), queued=0 if batch.dry_run else len(versions)
        )
        # Counted last, because a batch that fails is repeated from the start.
        self._add_examples(batch.reconcile_id, "examples", [version.key for version in versions])
        self._add_examples(batch.reconcile_id, "refused", refused)
        self._records.add_batch(batch.reconcile_id, batch.token, counts)
        logger.info("reconciled a batch", counts=asdict(counts))
        return counts

    def _heads(self, orphans: Sequence[ListedObject], uploaded_before: int) -> Heads:
        """Read the head of each orphan of the listing.

        A message has to name the version, which the listing does not contain, and the listing may be hours old. A dry
        run reads the heads too, or it would promise images that cannot be queued.
        """
        if not orphans:
            return Heads([], [], Counts())
        with ThreadPoolExecutor(HEADS_AT_ONCE) as threads:
            found = list(threads.map(self._source.version, [listed.key for listed in orphans]))
        refused = [answer for answer in found if isinstance(answer, Refused)]
        versions = [answer for answer in found if isinstance(answer, Version)]
        # A newer upload has its own event.
        old = [version for version in versions if version.last_modified.timestamp() < uploaded_before]
        readable = [version for version in old if not version.is_archived]
        return Heads(
            readable,
            refused,
            Counts(gone=found.count(None), too_young=len(versions) - len(old), archived=len(old) - len(readable)),
        )

    def _add_examples(self, reconcile_id: str, name: str, examples: Sequence[str | Refused]) -> None:
        if not examples or (reconcile_id, name) in self._has_enough_examples:
            return
        if not self._records.add_examples(reconcile_id, name, examples):
            self._has_enough_examples.add((reconcile_id, name))
