"""The items of reconciles in the runs table, beside the items of the same model's runs:

    reconcile                   when a reconcile last queued images, and which one it was
    reconcile#<ID>              one reconcile: its input, and its counters, to which each batch adds
    reconcile#<ID>#examples     the first orphans that it found, and the first images that were refused

All but the first are deleted after some time; the report in the final bucket stays.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from reconcile.listing import Counts, Refused
from reconcile.request import LastQueueing
from shared.clients import error_code
from shared.items import ConditionFailed, Items, Update
from shared.run_record import KEPT_DAYS
from shared.timestamps import format_rfc3339, now, parse_rfc3339

LAST_QUEUEING_ITEM = "reconcile"
MAX_EXAMPLES = 10

# Batches that end together write to one item, and DynamoDB cancels all but one of the transactions.
COUNT_ATTEMPTS = 10
MAX_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class ReconcileRecord:
    """What is known of a reconcile. All but the counts is None when its input was refused."""

    started_at: datetime | None = None
    prefix: str | None = None
    uploaded_before: datetime | None = None
    dry_run: bool | None = None
    note: str | None = None
    counts: Counts = field(default_factory=Counts)


class ReconcileRecords:
    """The items of the reconciles for one model."""

    def __init__(self, items: Items, pause: Callable[[float], None] = time.sleep) -> None:
        self._items = items
        self._pause = pause

    def open(
        self, reconcile_id: str, *, prefix: str, uploaded_before: datetime | None, dry_run: bool, note: str | None
    ) -> None:
        """Record what the reconcile is about. A repeated attempt keeps the first `started_at`."""
        self._items.update(
            Update(
                _item(reconcile_id),
                "SET started_at = if_not_exists(started_at, :now), delete_after = :delete_after, key_prefix = :prefix, "
                "uploaded_before = :uploaded_before, dry_run = :dry_run, note = :note",
                {
                    "now": format_rfc3339(now()),
                    "delete_after": _delete_after(),
                    "prefix": prefix,
                    "uploaded_before": format_rfc3339(uploaded_before) if uploaded_before else None,
                    "dry_run": dry_run,
                    "note": note,
                },
            )
        )

    def set_counts(self, reconcile_id: str, counts: Counts) -> None:
        """Record the counts of a bucket whose first page showed that nothing is to be done."""
        values = asdict(counts)
        expression = "SET " + ", ".join(f"{name} = :{name}" for name in values)
        self._items.update(Update(_item(reconcile_id), expression, values))

    def add_batch(self, reconcile_id: str, token: str, counts: Counts) -> None:
        """Add a batch to the counters, once in ten minutes however often it is repeated with the same `token`.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        values = asdict(counts)
        update = Update(_item(reconcile_id), "ADD " + ", ".join(f"{name} :{name}" for name in values), values)
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            try:
                self._items.transact([update], token=token)
            except ClientError as error:
                if error_code(error) == "IdempotentParameterMismatchException":
                    # The same batch was counted before, and this time it found a little less.
                    return
                if not _is_conflict(error) or attempt == COUNT_ATTEMPTS:
                    raise
                self._pause(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 - keeps batches apart
            else:
                return

    def add_examples(self, reconcile_id: str, name: str, examples: Sequence[str | Refused]) -> bool:
        """Add to the `examples` or the `refused` unless there are enough; return whether there was room."""
        new = [asdict(example) if isinstance(example, Refused) else example for example in examples[:MAX_EXAMPLES]]
        try:
            self._items.update(
                Update(
                    f"{_item(reconcile_id)}#examples",
                    f"SET {name} = list_append(if_not_exists({name}, :none), :new), delete_after = :delete_after",
                    {"none": [], "new": new, "delete_after": _delete_after(), "enough": MAX_EXAMPLES},
                    f"attribute_not_exists({name}) OR size({name}) < :enough",
                )
            )
        except ConditionFailed:
            return False
        return True

    def read(self, reconcile_id: str) -> ReconcileRecord:
        """Return what is known of a reconcile; an empty record when there is none."""
        item = self._items.read(_item(reconcile_id))
        started_at, uploaded_before = item.get("started_at"), item.get("uploaded_before")
        return ReconcileRecord(
            started_at=parse_rfc3339(started_at) if started_at else None,
            prefix=item.get("key_prefix"),
            uploaded_before=parse_rfc3339(uploaded_before) if uploaded_before else None,
            dry_run=item.get("dry_run"),
            note=item.get("note"),
            counts=Counts(*(item.get(count.name, 0) for count in fields(Counts))),
        )

    def examples(self, reconcile_id: str) -> tuple[list[str], list[Refused]]:
        """Return the first orphans and the first refused; a repeated batch may have recorded some twice."""
        item = self._items.read(f"{_item(reconcile_id)}#examples")
        orphans = dict.fromkeys(item.get("examples", []))
        refused = {one["key"]: Refused(**one) for one in item.get("refused", [])}
        return list(orphans)[:MAX_EXAMPLES], list(refused.values())[:MAX_EXAMPLES]

    def record_queueing(self, reconcile_id: str) -> None:
        """Record that this reconcile queues images now."""
        self._items.update(
            Update(
                LAST_QUEUEING_ITEM,
                "SET queued_by = :me, queued_at = :now",
                {"me": reconcile_id, "now": format_rfc3339(now())},
            )
        )

    def last_queueing(self) -> LastQueueing | None:
        """Return when a reconcile last queued images; None when none ever did."""
        item = self._items.read(LAST_QUEUEING_ITEM)
        return LastQueueing(item["queued_by"], parse_rfc3339(item["queued_at"])) if item else None


def _item(reconcile_id: str) -> str:
    return f"reconcile#{reconcile_id}"


def _delete_after() -> int:
    return int((now() + timedelta(days=KEPT_DAYS)).timestamp())


def _is_conflict(error: ClientError) -> bool:
    reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
    return error_code(error) == "TransactionCanceledException" and "TransactionConflict" in reasons
