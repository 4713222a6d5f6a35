"""What the counts of the queue mean to the run."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from check_queue.time_left import TimeLeft
from check_queue.waiting_images import Waiting
from shared.outcome import Outcome
from shared.sqs import Backlog

# Where the bucket's listing proves that nothing waits, that decides. Where it proves nothing, SQS's three counts do.
# They are approximate and may lag by up to a minute, so a queue counts as empty when every poll over a minute found it
# empty, at most 20 seconds apart. Images that the listing shows may be done soon, so the first of these polls are too.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
EMPTY_SECONDS_NEEDED = 60
EMPTY_POLL_SECONDS = 20

# While there is work, the next poll waits as long as the backlog lasts at least. It waits at most a minute, because a
# wait also delays the moment at which trouble on a running model is noticed. Few accounts label faster than the default
# quota of DetectCustomLabels, 50 a second. Where the images since the last poll show that one does, their rate counts.
# A poll costs as much as 0.07 seconds of a unit, and its listing 0.005. The poll that finds the end comes half a wait
# late, so near the end the shortest wait is best. While no image finishes, the end is not near.
# https://docs.aws.amazon.com/general/latest/gr/rekognition.html
MAX_IMAGES_PER_SECOND = 50
MIN_WAIT_SECONDS = 2
IDLE_WAIT_SECONDS = 5
MAX_WAIT_SECONDS = 60

# A full history (25,000 events) would end an execution without its last steps, and a visit of the function has 9
# events. So in a run that has lasted for an hour, or has polled often, the function stays. It polls for as long as it
# may live, less a minute for its calls. A waiting function costs less than a hundredth of one unit.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
LONG_RUN_SECONDS = 3600
LONG_RUN_VISITS = 500
VISIT_SECONDS = 840

# The run ends in order before its history is full. A poll with the trigger closed comes with the switches before and
# after it. The start of the model may have taken 7,000 events.
MAX_VISITS = 1500
VISITS_PER_SWITCH = 20

# Batches in flight when the trigger closes finish by themselves; they are polled for this often.
IN_FLIGHT_WAIT_SECONDS = 5

# A model that finishes no image for this long although messages wait is wasted money: the run ends, and the messages
# wait for the next one.
NO_PROGRESS_SECONDS = 180

# A run whose analysis is blocked for every image (the model is not running, a permission is missing) ends sooner. Not
# at once, because a model that has just become RUNNING may reject calls for a moment.
BLOCKED_SECONDS = 30


class Decision(StrEnum):
    """What the workflow does next. Where a check ends the run instead, its answer is the Outcome."""

    # Before the start.
    WORK = "work"
    # With the trigger open.
    BUSY = "busy"
    DRAINED = "drained"
    # The listing proves that no image waits.
    NOTHING_WAITS = "nothing_waits"
    # With the trigger closed.
    MORE_WORK = "more_work"
    IN_FLIGHT = "in_flight"
    EMPTY = "empty"


@dataclass(frozen=True)
class Progress:
    """What the analysis has recorded so far."""

    images_done: int
    blocked: int
    # Of the images done those that the model labelled: the others may have cost no call.
    labelled: int = 0


@dataclass(frozen=True)
class Observation:
    """What one poll of the queue saw while the model ran."""

    total: int
    # Messages that wait for a batch to take them.
    visible: int
    images_done: int
    labelled: int
    blocked: int
    trigger_open: bool
    # Epoch milliseconds.
    at_ms: int

    @property
    def is_saturated(self) -> bool:
        """Whether messages waited for a batch that could take them."""
        return self.trigger_open and self.visible > 0


@dataclass(frozen=True)
class DrainState:
    """The last observation, and what it adds to the ones before. The workflow carries it from poll to poll.

    Seconds are sums of the waits that the workflow was told, rather than differences of timestamps in the table. So a
    poll whose answer was lost does not count twice, and a local stack may shorten the waits although it cannot speed
    up the clock.
    """

    last: Observation
    # Messages blocked up to the last poll that found progress.
    blocked_before: int
    wait_seconds: int = 0
    # For how long every poll has found the queue empty.
    empty_seconds: int = 0
    idle_seconds: int = 0
    watched_seconds: int = 0
    # Visits of the function so far, and the epoch milliseconds at which the present one began.
    visits: int = 1
    visit_began_ms: int = 0
    # The time in which messages waited from one poll to the next, and the images labelled in it. The model had as much
    # to do as it could, so this measures its rate.
    saturated_ms: int = 0
    saturated_images: int = 0

    @classmethod
    def from_workflow(cls, data: dict[str, Any] | None) -> Self | None:
        """Return the state that the workflow carried from the last poll; None at the first."""
        if data is None:
            return None
        return cls(Observation(**data["last"]), **{name: int(value) for name, value in data.items() if name != "last"})

    def to_workflow(self) -> dict[str, Any]:
        """Return the state for the workflow to carry to the next poll."""
        return {**vars(self), "last": {**vars(self.last)}}

    @property
    def is_drained(self) -> bool:
        """Whether the queue was empty for long enough to close the trigger."""
        return self.last.total == 0 and self.empty_seconds >= EMPTY_SECONDS_NEEDED

    @property
    def is_history_full(self) -> bool:
        """Whether the run's history is so long that the run has to end."""
        return self.visits >= MAX_VISITS

    @property
    def stays(self) -> bool:
        """Whether the function itself waits and makes the next poll too, because the run has become long."""
        visit_ms = self.last.at_ms - self.visit_began_ms + self.wait_seconds * 1000
        is_long = self.watched_seconds >= LONG_RUN_SECONDS or self.visits >= LONG_RUN_VISITS
        return self.last.trigger_open and is_long and visit_ms <= VISIT_SECONDS * 1000

    @property
    def is_stuck(self) -> bool:
        """Whether messages wait and no image has finished for too long."""
        return self.idle_seconds >= NO_PROGRESS_SECONDS

    @property
    def is_blocked(self) -> bool:
        """Whether messages were blocked since an image last finished, for longer than a model needs to settle."""
        return self.idle_seconds >= BLOCKED_SECONDS and self.last.blocked > self.blocked_before


def poll_draining(
    backlog: Backlog,
    waiting: Waiting,
    progress: Progress,
    before: DrainState | None,
    *,
    seconds_left: int,
    now_ms: int,
) -> DrainState:
    """Return the state after a poll with the trigger open, `seconds_left` before the run has to end."""
    state = _poll(backlog, progress, before, now_ms, trigger_open=True)
    if backlog.total == 0:
        was_empty = before is not None and before.last.trigger_open and before.last.total == 0
        empty_seconds = before.empty_seconds + before.wait_seconds if before and was_empty else 0
        wait = EMPTY_POLL_SECONDS if waiting.images is None else max(MIN_WAIT_SECONDS, empty_seconds)
        return replace(state, empty_seconds=empty_seconds, wait_seconds=min(wait, EMPTY_POLL_SECONDS))
    left = waiting.images if waiting.images is not None and waiting.is_all else backlog.total
    shortest = MIN_WAIT_SECONDS if state.idle_seconds < IDLE_WAIT_SECONDS else IDLE_WAIT_SECONDS
    return replace(
        state,
        blocked_before=before.blocked_before if before and state.idle_seconds else progress.blocked,
        wait_seconds=max(shortest, min(int(left / _images_per_second(state, before)), MAX_WAIT_SECONDS, seconds_left)),
    )


def _images_per_second(state: DrainState, before: DrainState | None) -> float:
    """Return how fast the backlog may be labelled: the rate since the last poll, or the quota if that is more."""
    if before is None or state.last.at_ms <= before.last.at_ms:
        return MAX_IMAGES_PER_SECOND
    images = state.last.images_done - before.last.images_done
    return max(MAX_IMAGES_PER_SECOND, images * 1000 / (state.last.at_ms - before.last.at_ms))


def poll_closed(backlog: Backlog, progress: Progress, before: DrainState | None, *, now_ms: int) -> DrainState:
    """Return the state after a poll with the trigger closed."""
    state = _poll(backlog, progress, before, now_ms, trigger_open=False)
    return replace(state, wait_seconds=IN_FLIGHT_WAIT_SECONDS)


def _poll(
    backlog: Backlog, progress: Progress, before: DrainState | None, now_ms: int, *, trigger_open: bool
) -> DrainState:
    """Return what both kinds of polls have in common."""
    seen = Observation(
        total=backlog.total,
        visible=backlog.visible,
        images_done=progress.images_done,
        labelled=progress.labelled,
        blocked=progress.blocked,
        trigger_open=trigger_open,
        at_ms=now_ms,
    )
    visits = 1 if trigger_open else VISITS_PER_SWITCH
    if before is None:
        return DrainState(seen, blocked_before=progress.blocked, visits=visits, visit_began_ms=now_ms)
    labelled_since = seen.labelled - before.last.labelled
    saturated = before.last.is_saturated and seen.is_saturated and labelled_since > 0
    return DrainState(
        seen,
        blocked_before=progress.blocked,
        idle_seconds=_idle_seconds(seen, before) if backlog.total else 0,
        watched_seconds=before.watched_seconds + before.wait_seconds,
        visits=before.visits + (0 if before.stays else visits),
        visit_began_ms=before.visit_began_ms if before.stays else now_ms,
        saturated_ms=before.saturated_ms + (now_ms - before.last.at_ms if saturated else 0),
        saturated_images=before.saturated_images + (labelled_since if saturated else 0),
    )


def _idle_seconds(seen: Observation, before: DrainState) -> int:
    # The counts are approximate and vary without cause: only an image that finished is progress. A trigger that was
    # just closed hands no more out, and one that was just opened has not had its time.
    if seen.images_done > before.last.images_done or seen.trigger_open != before.last.trigger_open:
        return 0
    return before.idle_seconds + before.wait_seconds


def decide_draining(waiting: Waiting, state: DrainState, left: TimeLeft) -> Decision | Outcome:
    """Return `busy`, `drained`, `nothing_waits`, or how the run must end with so much time left."""
    if waiting.nothing:
        return Decision.NOTHING_WAITS
    if state.is_drained:
        return Decision.DRAINED
    if left.run <= 0 or state.is_history_full:
        return Outcome.TIME_LIMIT_REACHED
    if left.day is not None and left.day < 1:
        return Outcome.DAILY_CAP_REACHED
    return Decision.BUSY


def decide_closed(backlog: Backlog, waiting: Waiting, *, take_more: bool) -> Decision:
    """Return what is left once the trigger is closed: `more_work` to take, batches `in_flight`, or `empty`."""
    if waiting.nothing:
        return Decision.EMPTY
    if take_more and backlog.visible + backlog.delayed > 0:
        return Decision.MORE_WORK
    return Decision.IN_FLIGHT if backlog.in_flight > 0 else Decision.EMPTY
