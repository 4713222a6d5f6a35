"""A deployment in virtual time: the Lambdas' decisions, and the world that they decide about.

What a run does, and in which order, is `terraform/statemachines/label_batch.asl.json`. Left out are faults, the lag of
SQS's counts, and what an image takes besides its turn at the model. Instants are epoch seconds.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from check_queue.daily_cap import DailyCap, leaves_time_for_a_run
from check_queue.logic import (
    Decision,
    DrainState,
    Progress,
    decide_closed,
    decide_draining,
    poll_closed,
    poll_draining,
)
from check_queue.start_gate import reason_to_defer_start
from check_queue.time_left import time_left
from check_queue.waiting_images import Waiting
from shared.model_stop import POLL_SECONDS as STOP_POLL_SECONDS
from shared.model_usage import split_by_utc_day
from shared.outcome import Outcome
from shared.run_record import RunRecord
from shared.sqs import Backlog
from shared.throughput import Throughput
from shared.trigger import POLL_SECONDS as TRIGGER_POLL_SECONDS
from start_model.logic import poll_seconds
from start_model.sizing import size
from tools.plan_cost.durations import DAY
from tools.plan_cost.model import Model
from tools.plan_cost.settings import Settings

# The module's default for max_run_minutes.
LONGEST_RUN = timedelta(days=1)
# As long as SQS keeps a message: what waits for longer is lost. (terraform/modules/intake)
KEPT_SECONDS = 14 * DAY
# S3 lists so many objects at once.
PAGE_OBJECTS = 1000

# The lease, the trigger, and then the queue is counted.
STEPS_TO_COUNT = 3


@dataclass(frozen=True)
class Run:
    """One run that started the model: billed from RUNNING until its stop was accepted."""

    units: int
    running_at: float
    stop_accepted_at: float
    images: int

    @property
    def running_seconds(self) -> float:
        """The model's time."""
        return self.stop_accepted_at - self.running_at

    @property
    def unit_seconds(self) -> float:
        """What is paid for."""
        return self.running_seconds * self.units


@dataclass(frozen=True)
class History:
    """When each image was labelled, in the order of the arrivals, infinite for never; and the runs."""

    labelled_at: np.ndarray
    runs: list[Run]


class Queue:
    """The images, first come first served by a model that is there for a while."""

    def __init__(self, arrivals: np.ndarray) -> None:
        self._arrivals = arrivals
        # Python finds its place in a list faster than numpy in an array.
        self._instants: list[float] = arrivals.tolist()
        self.labelled_at = np.full(len(arrivals), np.inf)
        self.done = 0
        self._free_at, self._image_seconds = math.inf, math.inf
        # When images from `_first` on will be labelled, unless the model is taken away before. It is worked out for
        # many at once, and further whenever it is needed.
        self._first = 0
        self._ends: list[float] = []

    @property
    def is_done(self) -> bool:
        """Whether every image is labelled."""
        return self.done == len(self._instants)

    @property
    def next_arrival(self) -> float:
        """When the first image comes, or came, that is not labelled."""
        return self._instants[self.done]

    def waiting(self, instant: float) -> int:
        """Return how many have come and are not labelled."""
        return bisect_right(self._instants, instant, self.done) - self.done

    def open(self, instant: float, images_per_second: float) -> None:
        """Let a model label from an instant on."""
        self._free_at, self._image_seconds = instant, 1 / images_per_second
        self._first, self._ends = self.done, []

    def label(self, until: float) -> None:
        """Label what is done by an instant."""
        while self._first + len(self._ends) < len(self._instants) and (not self._ends or self._ends[-1] <= until):
            self._work_out(max(64, 2 * len(self._ends), self.waiting(until)))
        self.done = self._first + bisect_right(self._ends, until)

    def close(self, instant: float) -> None:
        """Label what is done by an instant, and nothing from then on."""
        self.label(instant)
        self.labelled_at[self._first : self.done] = self._ends[: self.done - self._first]

    def _work_out(self, count: int) -> None:
        begin = self._first + len(self._ends)
        arrivals = self._arrivals[begin : begin + count]
        turns = np.arange(len(arrivals)) * self._image_seconds
        # One begins when it has come and the one before is done.
        ends = np.maximum.accumulate(np.maximum(arrivals, self._free_at) - turns) + turns + self._image_seconds
        self._ends += ends.tolist()
        self._free_at = self._ends[-1]


@dataclass
class _Days:
    """In place of the table's days: what the runs that ended have added to them."""

    seconds: dict[str, float] = field(default_factory=dict)

    def used_seconds(self, day: str) -> float:
        return self.seconds.get(day, 0.0)

    def add(self, begin: float, end: float) -> None:
        for day, seconds in split_by_utc_day(_utc(begin), _utc(end)).items():
            self.seconds[day] = self.used_seconds(day) + seconds


def _utc(instant: float) -> datetime:
    return datetime.fromtimestamp(instant, UTC)


def simulate(arrivals: np.ndarray, settings: Settings, model: Model, first_look: float) -> History:
    """Return what becomes of the sorted arrivals with these settings, whose schedule looks first at `first_look`."""
    return _Deployment(arrivals, settings, model).live(first_look)


class _Deployment:
    def __init__(self, arrivals: np.ndarray, settings: Settings, model: Model) -> None:
        self._queue = Queue(arrivals)
        self._ends_at = float(arrivals[-1]) + KEPT_SECONDS
        self._settings = settings
        self._gate = settings.gate_on_schedule
        self._model = model
        self._throughput = Throughput(model.images_per_second_per_unit)
        self._days = _Days()
        self._cap = DailyCap(settings.cap_hours, self._days)  # type: ignore[arg-type]
        self._runs: list[Run] = []

    def live(self, first_look: float) -> History:
        queue, every = self._queue, self._settings.schedule_seconds
        to_count = STEPS_TO_COUNT * self._model.step_seconds
        look = 0
        while not queue.is_done and (begun_at := first_look + look * every) <= self._ends_at:
            counted_at = begun_at + to_count
            waiting = queue.waiting(counted_at)
            if waiting == 0:
                # Every look until the next image comes finds the same.
                look += max(1, math.ceil((queue.next_arrival - counted_at) / every))
            elif self._waits(waiting, counted_at):
                look += 1
            else:
                over_at = self._run(counted_at, waiting)
                # A look while a run goes on finds the lease held, and ends.
                look += max(1, math.ceil((over_at - begun_at) / every))
        return History(queue.labelled_at, self._runs)

    def _waits(self, waiting: int, counted_at: float) -> bool:
        # They come in order, so the next to be labelled is the oldest.
        if reason_to_defer_start(waiting, counted_at - self._queue.next_arrival, self._gate) is not None:
            return True
        return not leaves_time_for_a_run(self._cap.seconds_left(RunRecord(), _utc(counted_at)))

    def _run(self, counted_at: float, waiting: int) -> float:
        """Take a run through its states, and return when the next may begin."""
        model, queue, step = self._model, self._queue, self._model.step_seconds
        units = size(waiting, self._throughput, self._settings.limits).inference_units
        done_before = queue.done
        accepted_at = counted_at + step
        running_at = accepted_at + model.start_seconds
        seen_at = _seen_running(accepted_at, units, model)
        record = RunRecord(model_running_at=_utc(seen_at), model_is_ours=True)
        instant, state, outcome = seen_at, None, Outcome.COMPLETED
        # The function that switches the trigger polls by itself; its calls are taken to last as long as a step.
        switch_poll = TRIGGER_POLL_SECONDS + step
        while True:
            asked_at = instant + step
            queue.open(asked_at + model.switch_seconds, model.images_per_second(units))
            instant = _polled(asked_at, model.switch_seconds, switch_poll)
            instant, state, decision = self._drain(instant, done_before, record, state)
            if decision is Decision.NOTHING_WAITS:
                break
            if isinstance(decision, Outcome):
                outcome = decision
            asked_at = instant + step
            # What comes while it closes is labelled yet.
            queue.close(asked_at + model.switch_seconds)
            instant = _polled(asked_at, model.switch_seconds, switch_poll) + step
            backlog, shown, progress = self._look(instant, done_before)
            state = poll_closed(backlog, progress, state, now_ms=int(instant * 1000))
            if decide_closed(backlog, shown, take_more=outcome is Outcome.COMPLETED) is not Decision.MORE_WORK:
                break
        stop_accepted_at = instant + step
        if decision is Decision.NOTHING_WAITS:
            # The trigger is still open: what comes now is labelled yet.
            queue.close(stop_accepted_at)
        self._days.add(seen_at, stop_accepted_at)
        self._runs.append(Run(units, running_at, stop_accepted_at, queue.done - done_before))
        return _polled(stop_accepted_at, model.stop_seconds, STOP_POLL_SECONDS + step) + step

    def _drain(
        self, instant: float, done_before: int, record: RunRecord, state: DrainState | None
    ) -> tuple[float, DrainState, Decision | Outcome]:
        """Watch the queue until the run has to close the trigger."""
        while True:
            instant += self._model.step_seconds
            self._queue.label(instant)
            left = time_left(record, LONGEST_RUN, self._cap, _utc(instant))
            backlog, shown, progress = self._look(instant, done_before)
            state = poll_draining(
                backlog,
                shown,
                progress,
                state,
                seconds_left=left.least,
                now_ms=int(instant * 1000),
            )
            decision = decide_draining(shown, state, left)
            if decision is not Decision.BUSY:
                return instant, state, decision
            instant += state.wait_seconds

    def _look(self, instant: float, done_before: int) -> tuple[Backlog, Waiting, Progress]:
        waiting = self._queue.waiting(instant)
        shown = Waiting(min(waiting, PAGE_OBJECTS), "", is_all=waiting <= PAGE_OBJECTS)
        return Backlog(waiting, 0, 0), shown, Progress(self._queue.done - done_before, 0)


def _polled(asked_at: float, takes_seconds: float, every_seconds: float) -> float:
    """Return when something that takes so long is seen to be done by looks that come so often."""
    return asked_at + max(1, math.ceil(takes_seconds / every_seconds)) * every_seconds


def _seen_running(accepted_at: float, units: int, model: Model) -> float:
    """Return when a poll of the start finds that the model runs."""
    waited, instant = 0, accepted_at
    while True:
        wait = poll_seconds(units, waited)
        waited, instant = waited + wait, instant + wait + model.step_seconds
        if instant >= accepted_at + model.start_seconds:
            return instant


def always_on(arrivals: np.ndarray, units: int, model: Model, seconds: float) -> History:
    """Return what becomes of the arrivals with a model that runs all the time."""
    queue, begin = Queue(arrivals), float(arrivals[0])
    queue.open(begin, model.images_per_second(units))
    queue.close(math.inf)
    end = max(begin + seconds, float(queue.labelled_at[-1]))
    return History(queue.labelled_at, [Run(units, begin, end, len(arrivals))])


def fixed_hold(
    arrivals: np.ndarray, units: int, model: Model, *, every: float, hold: float, first_look: float
) -> History:
    """Return what becomes of the arrivals when each look that finds one holds a model for so many seconds.

    That is what AWS's sample does, with an hour for both.
    https://aws.amazon.com/blogs/machine-learning/batch-image-processing-with-amazon-rekognition-custom-labels/
    """
    queue, runs, look = Queue(arrivals), [], 0
    ends_at = float(arrivals[-1]) + KEPT_SECONDS
    while not queue.is_done and (begun_at := first_look + look * every) <= ends_at:
        if queue.waiting(begun_at) == 0:
            look += max(1, math.ceil((queue.next_arrival - begun_at) / every))
            continue
        running_at, done_before = begun_at + model.start_seconds, queue.done
        queue.open(running_at, model.images_per_second(units))
        queue.close(running_at + hold)
        runs.append(Run(units, running_at, running_at + hold, queue.done - done_before))
        look += max(1, math.ceil((running_at + hold + model.stop_seconds - begun_at) / every))
    return History(queue.labelled_at, runs)
