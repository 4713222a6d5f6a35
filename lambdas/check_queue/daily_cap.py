"""What is left of the hours that the model may run on a day."""

from datetime import UTC, datetime

from shared.model_hours import ModelHours, day_of, spread
from shared.run_record import RunRecord

# A run that may not last longer than this would pay for its first image and its end, and label next to nothing.
LEAST_SECONDS_WORTH_A_START = 180


def is_worth_a_start(seconds_left: float | None) -> bool:
    """Whether a model that may run for so long today, None for without a cap, should be started."""
    return seconds_left is None or seconds_left >= LEAST_SECONDS_WORTH_A_START


class DailyCap:
    """`hours` a day at the most; None: no cap, and nothing is read."""

    def __init__(self, hours: float | None, model_hours: ModelHours) -> None:
        self.hours = hours
        self._model_hours = model_hours

    def seconds_left(self, record: RunRecord, instant: datetime) -> float | None:
        """Return the seconds that the model may still run today, this run's own time counted; None without a cap.

        Negative when the day's hours are more than used up. A model that somebody else runs is not counted.
        """
        if self.hours is None:
            return None
        today = day_of(instant)
        used = self._model_hours.used_seconds(today)
        if record.model_running_at is not None and record.model_is_ours:
            used += spread(record.model_running_at, instant.astimezone(UTC)).get(today, 0.0)
        return self.hours * 3600 - used
