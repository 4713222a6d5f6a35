"""What the counts of the queue mean to the run."""

from dataclasses import asdict, dataclass
from typing import Any

# SQS's three counts are approximate and may lag by up to a minute, so an empty queue is one that was seen empty
# over a minute: four samples, 20 seconds apart.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
EMPTY_SAMPLES_NEEDED = 4
EMPTY_SAMPLE_SECONDS = 20

# While there is work, the next look waits as long as the backlog lasts at the least. No account labels faster than
# its DetectCustomLabels quota (50 a second by default), so the wait ends before the queue does.
# https://docs.aws.amazon.com/general/latest/gr/rekognition.html
FASTEST_IMAGES_PER_SECOND = 50
SHORTEST_WAIT_SECONDS = 15
LONGEST_WAIT_SECONDS = 300

# Batches in flight when the trigger closes finish by themselves; they are looked for this often.
IN_FLIGHT_WAIT_SECONDS = 5

# A model that labels nothing for this long although messages wait is money for nothing: the run ends, and the
# messages wait for the next one.
NO_PROGRESS_SECONDS = 180


@dataclass(frozen=True)
class Backlog:
    """SQS's approximate counts of one queue."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """Messages in the queue, in whatever state."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True)
class Sample:
    """One look at the queue while the model runs, and what it adds to the looks before."""

    total: int
    images_done: int
    empty_samples: int = 0
    idle_seconds: int = 0
    wait_seconds: int = 0

    @classmethod
    def from_workflow(cls, data: dict[str, Any] | None) -> "Sample | None":
        """Return the sample that the workflow carried from the last look; None at the first."""
        if data is None:
            return None
        return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})

    def to_workflow(self) -> dict[str, int]:
        """Return the sample for the workflow to carry to the next look."""
        return asdict(self)


def sample_draining(backlog: Backlog, images_done: int, before: Sample | None, longest_wait: int) -> Sample:
    """Look at the queue while its trigger is open; `longest_wait` is in seconds."""
    if backlog.total == 0:
        empty = (before.empty_samples if before else 0) + 1
        return Sample(total=0, images_done=images_done, empty_samples=empty, wait_seconds=EMPTY_SAMPLE_SECONDS)
    wait = backlog.total // FASTEST_IMAGES_PER_SECOND
    return Sample(
        total=backlog.total,
        images_done=images_done,
        idle_seconds=_idle_seconds(images_done, before),
        wait_seconds=max(SHORTEST_WAIT_SECONDS, min(wait, LONGEST_WAIT_SECONDS, longest_wait)),
    )


def sample_closed(backlog: Backlog, images_done: int, before: Sample | None) -> Sample:
    """Look at the queue once its trigger is closed."""
    return Sample(
        total=backlog.total,
        images_done=images_done,
        idle_seconds=_idle_seconds(images_done, before) if backlog.total else 0,
        wait_seconds=IN_FLIGHT_WAIT_SECONDS,
    )


def _idle_seconds(images_done: int, before: Sample | None) -> int:
    # The counts are approximate and go up and down by themselves: only an image that ended is progress.
    if before is None or images_done > before.images_done:
        return 0
    return before.idle_seconds + before.wait_seconds


def is_drained(sample: Sample) -> bool:
    """Whether the queue was seen empty for long enough to close the trigger."""
    return sample.empty_samples >= EMPTY_SAMPLES_NEEDED


def is_stuck(sample: Sample) -> bool:
    """Whether messages wait and nothing has got done for too long."""
    return sample.idle_seconds >= NO_PROGRESS_SECONDS
