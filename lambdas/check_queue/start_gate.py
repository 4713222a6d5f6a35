"""Whether a backlog is worth a start, or waits for more images, and never longer than max_wait_minutes.

A run has the same overhead for one image as for a thousand. SQS does not reveal a message's age without a receive. But
a check that found the queue empty bounds it: what is there now came later.
"""

from dataclasses import dataclass

# SQS's counts may lag by a minute, so an image may have been there when the queue was counted empty. EventBridge
# Scheduler may start a run up to a minute late.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
SLACK_SECONDS = 120


@dataclass(frozen=True)
class Gate:
    """`min_backlog` images are worth a start at once; fewer wait, but no image longer than `max_wait_seconds`.

    `schedule_seconds` is the interval between checks; None where the schedule does not tell, as with cron.
    """

    min_backlog: int
    max_wait_seconds: float
    schedule_seconds: float | None = None


@dataclass(frozen=True)
class GateInputs:
    """What is known at a check, in epoch seconds; None: it never happened.

    `previous_interval_seconds` is the interval between the last check and the one before it.
    """

    now: float
    queue_empty_at: float | None
    last_check_at: float | None
    previous_interval_seconds: float | None = None

    @property
    def since_last_check(self) -> float | None:
        """Seconds since the last check; None at the first."""
        return None if self.last_check_at is None else self.now - self.last_check_at


def reason_to_defer_start(backlog: int, inputs: GateInputs, gate: Gate) -> str | None:
    """Return why these images wait for the next check, as a sentence for the receipt; None: start now.

    They wait only if the next check is still in time. Where the schedule does not tell, the longer of the last two
    intervals is the estimate, because a run that somebody started by hand may have shortened one of them.
    """
    if backlog >= gate.min_backlog or inputs.queue_empty_at is None:
        return None
    waited = inputs.now - inputs.queue_empty_at
    interval = gate.schedule_seconds
    if interval is None:
        since_last_check = waited if inputs.since_last_check is None else inputs.since_last_check
        interval = max(since_last_check, inputs.previous_interval_seconds or 0)
    if waited + interval + SLACK_SECONDS > gate.max_wait_seconds:
        return None
    return (
        f"{backlog} images, fewer than min_backlog ({gate.min_backlog}), have waited for at most {waited / 60:.0f} "
        f"minutes; the next check, in about {interval / 60:.0f} minutes, is in time for max_wait_minutes "
        f"({gate.max_wait_seconds / 60:g})"
    )
