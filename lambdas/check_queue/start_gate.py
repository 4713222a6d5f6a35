"""Whether a backlog is worth a start, or waits for company, and never longer than promised.

A run costs the same overhead for one image as for a thousand. Nobody knows when an image came without receiving its
message, but every look at an empty queue bounds it: what is there now came later.
"""

from dataclasses import dataclass

# SQS's counts may be a minute old, so an image may have been there when the queue was counted empty; and EventBridge
# Scheduler may come up to a minute late.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
SLACK_SECONDS = 120


@dataclass(frozen=True)
class Gate:
    """`min_backlog` images are worth a start at once; fewer wait, but no image longer than `max_wait_seconds`.

    `schedule_seconds` is the time from one look to the next; None where the schedule does not tell, as with cron.
    """

    min_backlog: int
    max_wait_seconds: float
    schedule_seconds: float | None = None


@dataclass(frozen=True)
class Known:
    """What is known at a look, in epoch seconds; None: never yet.

    `looked_after` is how many seconds lay between the look before this one and the one before that.
    """

    now: float
    queue_empty_at: float | None
    looked_at: float | None
    looked_after: float | None = None

    @property
    def pause(self) -> float | None:
        """Seconds since the look before; None at the first."""
        return None if self.looked_at is None else self.now - self.looked_at


def reason_to_wait(backlog: int, known: Known, gate: Gate) -> str | None:
    """Return why these images wait for the next look, as a sentence for the receipt; None: start now.

    They wait only if the next look still comes in time. Where nothing tells when that is, the longer of the last two
    pauses stands for it: one of them may have been cut short by a run that somebody started by hand.
    """
    if backlog >= gate.min_backlog or known.queue_empty_at is None:
        return None
    waited = known.now - known.queue_empty_at
    next_look = gate.schedule_seconds
    if next_look is None:
        next_look = max(waited if known.pause is None else known.pause, known.looked_after or 0)
    if waited + next_look + SLACK_SECONDS > gate.max_wait_seconds:
        return None
    return (
        f"{backlog} images wait, fewer than min_backlog ({gate.min_backlog}), for {waited / 60:.0f} minutes at "
        f"the most; the next look, in about {next_look / 60:.0f} minutes, is in time for max_wait_minutes "
        f"({gate.max_wait_seconds / 60:g})"
    )
