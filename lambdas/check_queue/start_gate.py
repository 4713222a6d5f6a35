"""Whether the images that wait are worth a start, or wait for more of them, and never longer than max_wait_minutes.

A run has the same overhead for one image as for a thousand. When each image was uploaded is in the bucket's listing.
"""

from dataclasses import dataclass

# EventBridge Scheduler may start a run up to a minute late.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
SLACK_SECONDS = 60


@dataclass(frozen=True)
class Gate:
    """`min_backlog` images are worth a start at once; fewer wait, but no image longer than `max_wait_seconds`.

    `schedule_seconds` is the interval between checks. None: the schedule does not tell, as with cron. Then an image
    waits longer by as much as the next check comes late.
    """

    min_backlog: int
    max_wait_seconds: float
    schedule_seconds: float | None = None


def reason_to_defer_start(images: int, waited_seconds: float | None, gate: Gate) -> str | None:
    """Return why these images wait for the next check, as a sentence for the receipt; None: start now.

    `waited_seconds` is how long the oldest has waited, at most; None: nobody knows. Images wait only if the next check
    is still in time. Where the schedule does not tell when that comes, they wait until one has waited for long enough.
    """
    if images >= gate.min_backlog or waited_seconds is None:
        return None
    latest = waited_seconds if gate.schedule_seconds is None else waited_seconds + gate.schedule_seconds + SLACK_SECONDS
    if latest >= gate.max_wait_seconds:
        return None
    so_far = (
        f"{images} images, fewer than min_backlog ({gate.min_backlog}), have waited for at most "
        f"{waited_seconds / 60:.0f} minutes"
    )
    limit = f"max_wait_minutes ({gate.max_wait_seconds / 60:g})"
    if gate.schedule_seconds is None:
        return f"{so_far}; the first check after {limit} starts the model, however few they are"
    return f"{so_far}; the next check, in about {gate.schedule_seconds / 60:.0f} minutes, is in time for {limit}"
