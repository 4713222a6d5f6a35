"""The first step of a reconcile: decides whether the bucket has to be listed, and what each batch must know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from reconcile.dead_letters import DeadLetterImages
from reconcile.listing import OrphanFilter
from reconcile.records import ReconcileRecords
from reconcile.report_store import ReportStore
from reconcile.request import cutoff, parse_request, within
from reconcile.source_bucket import SourceBucket
from shared.model_state import ModelState
from shared.source_listing import ImageId
from shared.telemetry import logger


@dataclass(frozen=True)
class Plan:
    """What the workflow does next, and what it hands to each batch: `uploaded_before` in epoch seconds."""

    decision: Literal["list", "nothing_to_do"]
    prefix: str
    dry_run: bool
    uploaded_before: int | None = None
    dead_lettered_key: str | None = None


class Planner:
    """Reads the first page of the bucket, and the dead-letter queue if that page may hold orphans."""

    def __init__(
        self,
        source: SourceBucket,
        dead_letters: DeadLetterImages,
        store: ReportStore,
        records: ReconcileRecords,
        image_suffixes: tuple[str, ...],
        read_state: Callable[[], ModelState],
        now: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._dead_letters = dead_letters
        self._store = store
        self._records = records
        self._image_suffixes = image_suffixes
        self._read_state = read_state
        self._now = now

    def plan(self, reconcile_id: str, document: Any) -> Plan:  # noqa: ANN401 - whatever the execution was started with
        """Return the plan; a repeated attempt returns the same.

        Errors: InputInvalid, TooManyDeadLetters, DeadLetterQueueBusy.
        """
        request = within(parse_request(document), self._source.prefix)
        last = self._records.last_queueing()
        if last is not None and last.reconcile_id == reconcile_id:
            # An earlier attempt of this step recorded it.
            last = None
        limit = cutoff(request, self._read_state().queue_empty_at, last, self._now())
        self._records.open(
            reconcile_id,
            prefix=request.prefix,
            uploaded_before=limit.instant,
            dry_run=request.dry_run,
            note=limit.note,
        )
        plan = Plan("nothing_to_do", request.prefix, request.dry_run)
        if limit.instant is not None:
            plan = self._listing_plan(reconcile_id, plan, int(limit.instant.timestamp()))
        logger.info("planned the reconcile", note=limit.note, **asdict(plan))
        return plan

    def _listing_plan(self, reconcile_id: str, plan: Plan, uploaded_before: int) -> Plan:
        """Return the plan to list the bucket, or `plan` when its first page shows that there is no orphan."""
        orphan_filter = OrphanFilter(self._image_suffixes, uploaded_before)
        dead_lettered = self._dead_lettered(reconcile_id, plan.prefix, orphan_filter)
        if dead_lettered is None:
            return plan
        if not plan.dry_run:
            # Before the first batch, so that no later reconcile queues the same images meanwhile.
            self._records.record_queueing(reconcile_id)
        key = self._store.write_dead_lettered(reconcile_id, dead_lettered) if dead_lettered else None
        return replace(plan, decision="list", uploaded_before=uploaded_before, dead_lettered_key=key)

    def _dead_lettered(self, reconcile_id: str, prefix: str, orphan_filter: OrphanFilter) -> frozenset[ImageId] | None:
        """Return the images in the dead-letter queue; None when the first page shows that there is no orphan."""
        page = self._source.first_page(prefix)
        orphans, counts = orphan_filter.sort(page.objects)
        dead_lettered: frozenset[ImageId] = frozenset()
        if orphans or not page.is_all:
            dead_lettered = self._dead_letters.read_all()
            orphans, counts = replace(orphan_filter, dead_lettered=dead_lettered).sort(page.objects)
        if orphans or not page.is_all:
            return dead_lettered
        self._records.set_counts(reconcile_id, counts)
        return None
