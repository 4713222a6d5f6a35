"""What the counts of the queue mean to the run."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from check_queue.time_left import TimeLeft
from shared.sqs import Backlog

# SQS's three counts are approximate and may lag by up to a minute, so an empty queue is one that was seen empty
# over a minute: four samples, 20 seconds apart.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
EMPTY_SAMPLES_NEEDED = 4
EMPTY_SAMPLE_SECONDS = 20

# While there is work, the next look waits as long as the backlog lasts at the least. No account labels faster than
# its DetectCustomLabels quota (50 a second by default), so the wait ends before the queue does. A look costs about as
# much as 0.07 seconds of a unit (three transitions), so the end of the queue may be looked for often.
# https://docs.aws.amazon.com/general/latest/gr/rekognition.html
FASTEST_IMAGES_PER_SECOND = 50
SHORTEST_WAIT_SECONDS = 5

# A wait is also how late trouble is noticed on a running model: a minute, or a twentieth of the time watched so far.
# Waits that grow like that keep a run of ten days far below the 25,000 events that an execution may have.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MINUTE_SECONDS = 60
WATCHED_SHARE = 20
LONGEST_WAIT_SECONDS = 1800

# Uploads that trickle in keep a run at short waits. Before its history is full, which would end it without its last
# steps, it ends in order. A look has 9 events, and there are 25,000. One at the closed trigger comes with the switches
# before and after it, each of which may be looked at a dozen times until it has settled; and the model's start, looked
# at every 4 seconds at the most, may have taken 6,000.
LOOKS_AT_MOST = 1500
LOOKS_A_SWITCH = 20

# Batches in flight when the trigger closes finish by themselves; they are looked for this often.
IN_FLIGHT_WAIT_SECONDS = 5

# A model that labels nothing for this long although messages wait is money for nothing: the run ends, and the
# messages wait for the next one.
NO_PROGRESS_SECONDS = 180

# Refusals of the whole analysis (the model is not running, a permission is missing) end the run sooner. Not at once: a
# model that has just become RUNNING may refuse for a moment.
BLOCKED_SECONDS = 30


@dataclass(frozen=True)
class Progress:
    """What the analysis has written down so far."""

    images_done: int
    refused: int
    # Of the images done those that the model labelled: the others may have cost no call.
    labelled: int = 0


@dataclass(frozen=True)
class Sample:
    """One look at the queue while the model runs, and what it adds to the looks before."""

    total: int
    images_done: int
    # Epoch milliseconds of this look.
    looked_at_ms: int = 0
    # Messages that wait for a batch to take them.
    visible: int = 0
    labelled: int = 0
    # Messages refused up to the last look that found progress.
    refused_before: int = 0
    empty_samples: int = 0
    idle_seconds: int = 0
    watched_seconds: int = 0
    wait_seconds: int = 0
    looks: int = 1
    # The time in which messages waited from one look to the next, and the images labelled in it: the model had all it
    # could do, so this is how fast it is.
    busy_ms: int = 0
    busy_images: int = 0

    @classmethod
    def from_workflow(cls, data: dict[str, Any] | None) -> "Sample | None":
        """Return the sample that the workflow carried from the last look; None at the first."""
        if data is None:
            return None
        return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})

    def to_workflow(self) -> dict[str, int]:
        """Return the sample for the workflow to carry to the next look."""
        return asdict(self)


def sample_draining(
    backlog: Backlog, progress: Progress, before: Sample | None, *, seconds_left: int, now_ms: int
) -> Sample:
    """Look at the queue while its trigger is open, `seconds_left` before the run has to end."""
    sample = _sample(backlog, progress, before, now_ms, looks=1)
    if backlog.total == 0:
        empty_samples = (before.empty_samples if before else 0) + 1
        return replace(sample, empty_samples=empty_samples, wait_seconds=EMPTY_SAMPLE_SECONDS)
    longest = min(LONGEST_WAIT_SECONDS, max(MINUTE_SECONDS, sample.watched_seconds // WATCHED_SHARE), seconds_left)
    return replace(
        sample,
        refused_before=before.refused_before if before and sample.idle_seconds else progress.refused,
        wait_seconds=max(SHORTEST_WAIT_SECONDS, min(backlog.total // FASTEST_IMAGES_PER_SECOND, longest)),
    )


def sample_closed(backlog: Backlog, progress: Progress, before: Sample | None, *, now_ms: int) -> Sample:
    """Look at the queue once its trigger is closed."""
    sample = _sample(backlog, progress, before, now_ms, looks=LOOKS_A_SWITCH)
    return replace(sample, visible=0, wait_seconds=IN_FLIGHT_WAIT_SECONDS)


def _sample(backlog: Backlog, progress: Progress, before: Sample | None, now_ms: int, looks: int) -> Sample:
    """Return what both kinds of looks have in common."""
    seen = Sample(
        total=backlog.total,
        images_done=progress.images_done,
        looked_at_ms=now_ms,
        visible=backlog.visible,
        labelled=progress.labelled,
        refused_before=progress.refused,
        looks=looks,
    )
    if before is None:
        return seen
    labelled_since = progress.labelled - before.labelled
    was_busy = before.visible > 0 and backlog.visible > 0 and labelled_since > 0
    return replace(
        seen,
        idle_seconds=_idle_seconds(progress.images_done, before) if backlog.total else 0,
        watched_seconds=before.watched_seconds + before.wait_seconds,
        looks=before.looks + looks,
        busy_ms=before.busy_ms + (now_ms - before.looked_at_ms if was_busy else 0),
        busy_images=before.busy_images + (labelled_since if was_busy else 0),
    )


def _idle_seconds(images_done: int, before: Sample) -> int:
    # The counts are approximate and go up and down by themselves: only an image that ended is progress.
    if images_done > before.images_done:
        return 0
    return before.idle_seconds + before.wait_seconds


def is_drained(sample: Sample) -> bool:
    """Whether the queue was seen empty for long enough to close the trigger."""
    return sample.empty_samples >= EMPTY_SAMPLES_NEEDED


def has_looked_enough(sample: Sample) -> bool:
    """Whether the run's history is so long that it has to end."""
    return sample.looks >= LOOKS_AT_MOST


def is_stuck(sample: Sample) -> bool:
    """Whether messages wait and nothing has got done for too long."""
    return sample.idle_seconds >= NO_PROGRESS_SECONDS


def is_blocked(sample: Sample, progress: Progress) -> bool:
    """Whether messages were refused since an image last ended, for longer than a model needs to settle."""
    return sample.idle_seconds >= BLOCKED_SECONDS and progress.refused > sample.refused_before


def verdict_draining(sample: Sample, left: TimeLeft) -> str:
    """Return `busy`, `drained`, or how the run must end, with so much time left for it."""
    if is_drained(sample):
        return "drained"
    if left.run <= 0 or has_looked_enough(sample):
        return "time_limit_reached"
    if left.day is not None and left.day < 1:
        return "daily_cap_reached"
    return "busy"


def verdict_closed(backlog: Backlog, *, take_more: bool) -> str:
    """Return what is left once the trigger is closed: `more_work` to take, batches `in_flight`, or `empty`."""
    if take_more and backlog.visible + backlog.delayed > 0:
        return "more_work"
    return "in_flight" if backlog.in_flight > 0 else "empty"
