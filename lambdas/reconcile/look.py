"""The first step of a reconcile: whether there is anything to go through the bucket for, and with what in mind."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconcile.dead_letter_queue import DeadLetterQueue
from reconcile.files import Files
from reconcile.listing import ImageId, Sieve
from reconcile.records import Records
from reconcile.request import cutoff, parse, within
from reconcile.source_bucket import SourceBucket
from shared.model_state import ModelState
from shared.telemetry import logger


class Look:
    """Looks at the first page of the bucket and at the dead-letter queue."""

    def __init__(
        self,
        source: SourceBucket,
        dead_letters: DeadLetterQueue,
        files: Files,
        records: Records,
        image_suffixes: tuple[str, ...],
        read_state: Callable[[], ModelState],
        now: Callable[[], datetime],
    ) -> None:
        """`read_state` returns the state of the model."""
        self._source = source
        self._dead_letters = dead_letters
        self._files = files
        self._records = records
        self._image_suffixes = image_suffixes
        self._read_state = read_state
        self._now = now

    def look(self, run_id: str, document: Any) -> dict[str, Any]:  # noqa: ANN401
        """Say whether to `list` the bucket or that there is `nothing_to_do`, and what each batch has to know.

        A repeated attempt comes to the same. Errors: InputInvalid, TooManyDeadLetters, DeadLetterQueueBusy.
        """
        request = within(parse(document), self._source.prefix)
        queued = self._records.last_queueing()
        if queued is not None and queued.run_id == run_id:
            # An earlier attempt of this very step, which came this far.
            queued = None
        limit = cutoff(request, self._read_state().queue_empty_at, queued, self._now())
        self._records.open(
            run_id,
            prefix=request.prefix,
            uploaded_before=limit.instant,
            dry_run=request.dry_run,
            note=limit.note,
        )
        answer = {
            "verdict": "nothing_to_do",
            "prefix": request.prefix,
            "uploaded_before": None,
            "dry_run": request.dry_run,
            "set_aside_key": None,
        }
        if limit.instant is not None:
            uploaded_before = int(limit.instant.timestamp())
            set_aside = self._set_aside(run_id, request.prefix, Sieve(self._image_suffixes, uploaded_before))
            if set_aside is not None:
                if not request.dry_run:
                    # Before the first batch, so that no later reconcile queues the same images meanwhile.
                    self._records.note_queueing(run_id)
                set_aside_key = self._files.write_set_aside(run_id, set_aside) if set_aside else None
                answer |= {"verdict": "list", "uploaded_before": uploaded_before, "set_aside_key": set_aside_key}
        logger.info("looked for images without a message", note=limit.note, **answer)
        return answer

    def _set_aside(self, run_id: str, prefix: str, sieve: Sieve) -> frozenset[ImageId] | None:
        """Return the images to leave alone; None when one page was enough to see that there is no orphan."""
        page = self._source.first_page(prefix)
        orphans, counts = sieve.sort(page.objects)
        set_aside: frozenset[ImageId] = frozenset()
        if orphans or not page.is_all:
            set_aside = self._dead_letters.images()
            orphans, counts = replace(sieve, set_aside=set_aside).sort(page.objects)
        if orphans or not page.is_all:
            return set_aside
        self._records.set_counts(run_id, counts)
        return None
