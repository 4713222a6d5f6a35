"""The other step of a reconcile, once for each batch of the listing: queue the orphans among its objects.

A batch that is repeated, or that two reconciles share, sends messages twice. That does no harm: S3 itself delivers
events more than once, and the analysis finds an upload that is done gone, or its name claimed by that same upload.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from reconcile.files import Files
from reconcile.listing import Counts, Listed, Refused, Sieve
from reconcile.message import Origin, Version, event_body
from reconcile.records import Records
from reconcile.source_bucket import SourceBucket
from shared.image_queue import ImageQueue
from shared.telemetry import logger

# As many as the client has connections. With the state machine's MaxConcurrency this stays below the 5,500 reads a
# second that S3 serves under one prefix.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
HEADS_AT_ONCE = 10
TOKEN_CHARACTERS = 36


@dataclass(frozen=True)
class Batch:
    """What the Distributed Map hands to a child: some objects of the listing, and what holds for all of them."""

    run_id: str
    uploaded_before: int
    dry_run: bool
    set_aside_key: str | None
    objects: tuple[Listed, ...]

    @classmethod
    def from_map(cls, document: dict[str, Any]) -> "Batch":
        """Return the batch of a child's input.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
        """
        common = document["BatchInput"]
        return cls(
            run_id=common["run_id"],
            uploaded_before=int(common["uploaded_before"]),
            dry_run=common["dry_run"],
            set_aside_key=common["set_aside_key"],
            objects=tuple(Listed.from_map(item) for item in document["Items"]),
        )

    @property
    def token(self) -> str:
        """The same for each attempt at this batch, and for no other batch."""
        identity = json.dumps([self.run_id, *([listed.key, listed.etag] for listed in self.objects)])
        return hashlib.sha256(identity.encode()).hexdigest()[:TOKEN_CHARACTERS]


class Batches:
    """Queues the orphans of one batch after another."""

    def __init__(
        self,
        source: SourceBucket,
        queue: ImageQueue,
        files: Files,
        records: Records,
        image_suffixes: tuple[str, ...],
        origin: Origin,
    ) -> None:
        self._source = source
        self._queue = queue
        self._files = files
        self._records = records
        self._image_suffixes = image_suffixes
        self._origin = origin
        # The reconciles that are known to have examples enough, and of what.
        self._exemplified: set[tuple[str, str]] = set()

    def queue(self, batch: Batch) -> Counts:
        """Queue the batch's orphans, or only count them in a dry run. Error: MessagesNotSent."""
        set_aside = self._files.set_aside(batch.set_aside_key) if batch.set_aside_key else frozenset()
        orphans, counts = Sieve(self._image_suffixes, batch.uploaded_before, set_aside).sort(batch.objects)
        versions, refused, seen = self._versions(orphans, batch.uploaded_before)
        if not batch.dry_run:
            not_taken = self._queue.send_all([event_body(version, self._origin) for version in versions])
            refused += [Refused(versions[place].key, reason) for place, reason in not_taken.items()]
            versions = [version for place, version in enumerate(versions) if place not in not_taken]
        counts += seen + Counts(
            refused=len(refused), orphans=len(versions), queued=0 if batch.dry_run else len(versions)
        )
        # Counted when all is done, for a batch that fails is repeated from the start.
        self._tell_examples(batch.run_id, "examples", [version.key for version in versions])
        self._tell_examples(batch.run_id, "refused", refused)
        self._records.add_batch(batch.run_id, batch.token, counts)
        logger.info("went through a batch", counts=asdict(counts))
        return counts

    def _versions(self, orphans: Sequence[Listed], uploaded_before: int) -> tuple[list[Version], list[Refused], Counts]:
        """Look at each orphan itself; return those that still are, those that S3 refuses, the counts of the others.

        A message has to name the version, which the listing does not tell, and the listing is some time ago. A dry run
        looks too, or it would promise what cannot be queued.
        """
        if not orphans:
            return [], [], Counts()
        with ThreadPoolExecutor(HEADS_AT_ONCE) as threads:
            found = list(threads.map(self._source.version, [listed.key for listed in orphans]))
        refused = [answer for answer in found if isinstance(answer, Refused)]
        versions = [answer for answer in found if isinstance(answer, Version)]
        # An upload of the meantime has an event of its own.
        old = [version for version in versions if version.last_modified.timestamp() < uploaded_before]
        readable = [version for version in old if not version.is_archived]
        return (
            readable,
            refused,
            Counts(gone=found.count(None), too_young=len(versions) - len(old), archived=len(old) - len(readable)),
        )

    def _tell_examples(self, run_id: str, name: str, examples: Sequence[str | Refused]) -> None:
        if not examples or (run_id, name) in self._exemplified:
            return
        if not self._records.add_examples(run_id, name, examples):
            self._exemplified.add((run_id, name))
