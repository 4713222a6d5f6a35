"""How long a run may go on: until its own longest time, or what is left of the day's hours, is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from check_queue.daily_cap import DailyCap
from shared.run_record import RunRecord


@dataclass(frozen=True)
class TimeLeft:
    """Seconds: of the run, and of the day's cap, which is None without one. Negative: so much too long."""

    run: int
    day: float | None

    @property
    def least(self) -> int:
        """Seconds until either of them ends the run."""
        return self.run if self.day is None else min(self.run, int(self.day))


def time_left(record: RunRecord, longest_run: timedelta, cap: DailyCap, instant: datetime) -> TimeLeft:
    """Return what is left for a run to label; what its model took to start is not counted."""
    began = record.model_running_at or record.started_at or instant
    return TimeLeft(int((began + longest_run - instant).total_seconds()), cap.seconds_left(record, instant))
