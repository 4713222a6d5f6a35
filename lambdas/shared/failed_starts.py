"""Starts of the model that finished no image: what lasts must not be paid for at every tick of the schedule (I5).

After each, the schedule's runs wait longer before the next start. A run that finishes an image ends the waiting, and so
do a run that a person starts and a change that Terraform applies. One item per model in the runs table:

    failed_starts, last_run, last_started_at, last_error    whoever writes a run's receipt
    fingerprint                                             check_queue: what Terraform last applied
"""

from dataclasses import dataclass
from datetime import datetime

from shared.items import ConditionFailed, Items, Update
from shared.outcome import Outcome
from shared.run_record import RunRecord

# Then a day, again and again: ten starts in the first week of a fault, and seven in each week after it.
FIRST_WAITS_SECONDS = (3600, 3 * 3600, 9 * 3600)
MAX_WAIT_SECONDS = 24 * 3600
# EventBridge Scheduler may start a run up to a minute late, and the next one in time.
SLACK_SECONDS = 120

FAILURES = frozenset({Outcome.FAILED, Outcome.ABORTED, Outcome.STOP_NOT_CONFIRMED})
# Rekognition refused the start, so no model ran.
COSTS_NOTHING = frozenset({"ModelNotStartable", "ModelStartRefused"})

FAILED_STARTS_ITEM = "failed_starts"


@dataclass(frozen=True)
class FailedStarts:
    """The starts that finished no image since one last did; `started_at` is the newest's, in epoch seconds."""

    count: int = 0
    started_at: int = 0
    run_id: str = ""
    error: str = ""
    fingerprint: str | None = None

    @property
    def next_start_at(self) -> int:
        """Epoch seconds from which on the schedule may start the model again."""
        if self.count == 0:
            return 0
        wait = FIRST_WAITS_SECONDS[self.count - 1] if self.count <= len(FIRST_WAITS_SECONDS) else MAX_WAIT_SECONDS
        return self.started_at + wait - SLACK_SECONDS


def is_failed_start(record: RunRecord, outcome: Outcome, error_code: str | None) -> bool:
    """Whether a run that ended like this paid for a start, and no image came of it."""
    return (
        outcome in FAILURES
        and record.start_asked_at is not None
        and record.processed + record.failed == 0
        and error_code not in COSTS_NOTHING
    )


class FailedStartsStore:
    """What is remembered of the failed starts of one model.

    A run without the lease closes too, and writes nothing but that it finished images.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def read(self) -> FailedStarts:
        """Return what is remembered (a consistent read)."""
        item = self._items.read(FAILED_STARTS_ITEM)
        return FailedStarts(
            count=item.get("failed_starts", 0),
            started_at=item.get("last_started_at", 0),
            run_id=item.get("last_run", ""),
            error=item.get("last_error", ""),
            fingerprint=item.get("fingerprint"),
        )

    def learn(self, run_id: str, record: RunRecord, outcome: Outcome, error_code: str | None) -> None:
        """Add how a run ended: once, if repeated for the newest run."""
        if record.processed + record.failed > 0:
            if self.read().count:
                self._items.update(Update(FAILED_STARTS_ITEM, "REMOVE failed_starts, last_run", {}))
        elif is_failed_start(record, outcome, error_code):
            self._add(run_id, record.started_at or record.start_asked_at, error_code or outcome.value)

    def _add(self, run_id: str, started_at: datetime | None, error: str) -> None:
        expression = "SET last_run = :run, last_started_at = :at, last_error = :error ADD failed_starts :one"
        values = {"run": run_id, "at": int(started_at.timestamp()) if started_at else 0, "error": error, "one": 1}
        condition = "attribute_not_exists(last_run) OR last_run <> :run"
        try:
            self._items.update(Update(FAILED_STARTS_ITEM, expression, values, condition))
        except ConditionFailed:
            return

    def forget(self, fingerprint: str) -> None:
        """Let the next start be tried at once; `fingerprint` is of what Terraform applied."""
        expression = "SET fingerprint = :fingerprint REMOVE failed_starts, last_run"
        self._items.update(Update(FAILED_STARTS_ITEM, expression, {"fingerprint": fingerprint}))
