"""How long a run may go on: until max_run_minutes or what is left of the daily cap is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from check_queue.daily_cap import DailyCap
from shared.run_record import RunRecord


@dataclass(frozen=True)
class TimeLeft:
    """Seconds left for the run, and for the daily cap, None without one. Negative: overrun by so much."""

    run: int
    day: float | None

    @property
    def least(self) -> int:
        """Seconds until either of them ends the run."""
        return self.run if self.day is None else min(self.run, int(self.day))


def time_left(record: RunRecord, max_run: timedelta, cap: DailyCap, instant: datetime) -> TimeLeft:
    """Return what is left for a run to label; the time that its model took to start is not counted."""
    began = record.model_running_at or record.started_at or instant
    return TimeLeft(int((began + max_run - instant).total_seconds()), cap.seconds_left(record, instant))
