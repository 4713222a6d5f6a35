"""What is left of the hours that the model may run on a day."""

from datetime import UTC, datetime

from shared.model_usage import DailyModelUsage, day_of, split_by_utc_day
from shared.run_record import RunRecord

# A shorter run would pay for its first image and its end, and label next to nothing.
MIN_RUN_SECONDS = 180


def leaves_time_for_a_run(seconds_left: float | None) -> bool:
    """Whether a run is worth a start when the model may run for so long today; None: there is no cap."""
    return seconds_left is None or seconds_left >= MIN_RUN_SECONDS


class DailyCap:
    """At most `hours` a day; None: no cap, and nothing is read."""

    def __init__(self, hours: float | None, usage: DailyModelUsage) -> None:
        self.hours = hours
        self._usage = usage

    def seconds_left(self, record: RunRecord, instant: datetime) -> float | None:
        """Return the seconds that the model may still run today, this run's own time counted; None without a cap.

        Negative when the model ran for longer than the cap. A model that someone else runs is not counted.
        """
        if self.hours is None:
            return None
        today = day_of(instant)
        used = self._usage.used_seconds(today)
        if record.model_running_at is not None and record.model_is_ours:
            used += split_by_utc_day(record.model_running_at, instant.astimezone(UTC)).get(today, 0.0)
        return self.hours * 3600 - used
