"""The analysis asks a model for what its units can do: hardly less, and hardly more."""

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from analyze_image.errors import ErrorClass, classify
from analyze_image.rate_limiter import MAX_WAIT_SECONDS, MIN_IMAGES_PER_SECOND, AdaptiveRateLimiter
from shared.request_rate import RequestRate, initial_rate
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.model import Model, ModelSettings
from tests.unit.conftest import MODEL_ARN, PROJECT_ARN, aws_error


@pytest.mark.parametrize(
    ("units", "images_per_second_per_unit", "pace"),
    [
        (1, 3, RequestRate(3, 2)),
        (2, 3, RequestRate(6, 2)),
        (5, 3, RequestRate(15, 5)),
        (5, 5.5, RequestRate(27.5, 5)),
        (2000, 1, RequestRate(2000, 1000)),
    ],
)
def test_each_unit_has_a_batch_at_work_and_there_are_two_at_the_least(
    units: int, images_per_second_per_unit: float, pace: RequestRate
) -> None:
    assert initial_rate(units, images_per_second_per_unit) == pace


@pytest.mark.parametrize(
    ("pace", "images"),
    [
        (RequestRate(0.1, 2), 1),
        (RequestRate(1, 2), 2),
        (RequestRate(3, 2), 6),
        (RequestRate(15, 5), 10),
        (RequestRate(999, 2), 10),
    ],
)
def test_as_many_images_are_at_work_as_come_in_four_seconds(pace: RequestRate, images: int) -> None:
    assert pace.concurrent_images_per_batch == images


# --- one execution environment


class Time:
    """A clock that a sleep moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def limiter_of(time: Time, images_per_second: float) -> AdaptiveRateLimiter:
    limiter = AdaptiveRateLimiter(time, time.sleep)
    limiter.start_batch("run-1", RequestRate(images_per_second * 2, 2))
    return limiter


def test_calls_are_as_far_apart_as_the_share_of_the_pace_says(time: Time) -> None:
    limiter = limiter_of(time, 4)
    for _ in range(4):
        limiter.wait()
    assert time.slept == [0.25, 0.25, 0.25]


def test_without_a_pace_nothing_waits(time: Time) -> None:
    limiter = AdaptiveRateLimiter(time, time.sleep)
    limiter.start_batch(None, None)
    for _ in range(100):
        limiter.wait()
        limiter.throttled()
        limiter.answered()
    assert time.slept == []


def test_a_pause_is_made_up_for_by_a_second_at_the_most(time: Time) -> None:
    limiter = limiter_of(time, 4)
    limiter.wait()
    time.now += 60
    for _ in range(6):
        limiter.wait()
    assert time.slept == [0.25], "four calls of the second that is made up for, one of now, and then they wait again"


def test_a_refusal_slows_down_and_those_of_the_same_moment_count_as_one(time: Time) -> None:
    limiter = limiter_of(time, 4)
    limiter.throttled()
    limiter.throttled()
    first = 4 * 0.95
    assert (limiter.rate, limiter.throttled_calls) == (pytest.approx(first), 2)
    time.now += 1
    limiter.throttled()
    assert limiter.rate == pytest.approx(first * 0.85), "soon after the last: that was not enough"
    time.now += 60
    limiter.throttled()
    assert limiter.rate == pytest.approx(first * 0.85 * 0.9)


def busy_second(limiter: AdaptiveRateLimiter, time: Time) -> None:
    """A second in which calls wait for their turn."""
    time.now += 1
    limiter._next_at = time.now + 0.1
    limiter.answered()


def test_a_first_refusal_falls_no_further_than_below_what_it_began_with(time: Time) -> None:
    limiter = limiter_of(time, 4)
    busy_second(limiter, time)
    limiter.throttled()
    assert limiter.rate == pytest.approx(4 * 0.95)


def test_the_pace_grows_fast_until_the_first_refusal_and_creeps_from_then_on(time: Time) -> None:
    limiter = limiter_of(time, 4)
    for _ in range(10):
        busy_second(limiter, time)
    assert limiter.rate == pytest.approx(4 * 1.08**10)
    limiter.throttled()
    fallen = limiter.rate
    assert fallen == pytest.approx(4 * 1.08**10 * 0.77)
    for _ in range(2):
        busy_second(limiter, time)
    assert fallen < limiter.rate < fallen * 1.005


def test_a_pace_far_too_slow_is_outgrown_within_some_calls(time: Time) -> None:
    limiter = limiter_of(time, 0.1)
    for _ in range(8):
        time.now += 10
        limiter._next_at = time.now + 0.1
        limiter.answered()
    assert limiter.rate > 10


def test_calls_that_need_not_wait_show_nothing_of_what_the_model_can_do(time: Time) -> None:
    """Uploads that trickle in for an hour, and then a pile."""
    limiter = limiter_of(time, 4)
    for _ in range(3600):
        time.now += 1
        limiter.wait()
        time.now += 0.3
        limiter.answered()
    assert limiter.rate == 4


def test_it_never_stops_and_no_call_waits_for_ever(time: Time) -> None:
    limiter = limiter_of(time, 1)
    for _ in range(100):
        time.now += 1
        limiter.throttled()
    assert limiter.rate == MIN_IMAGES_PER_SECOND == 0.1
    limiter._sleep = lambda seconds: time.slept.append(seconds)  # others wait at the same time
    for _ in range(50):
        limiter.wait()
    assert max(time.slept) == MAX_WAIT_SECONDS


def test_a_clock_that_is_set_back_stops_nothing(time: Time) -> None:
    limiter = limiter_of(time, 4)
    limiter.wait()
    time.now -= 3600
    limiter.wait()
    assert time.slept == [MAX_WAIT_SECONDS]
    limiter.throttled()
    assert limiter.rate < 4
    rate, time.now = limiter.rate, time.now - 3600
    limiter.throttled()
    assert limiter.rate < rate


def test_a_new_run_begins_with_its_own_pace_and_a_batch_of_the_same_goes_on(time: Time) -> None:
    limiter = limiter_of(time, 4)
    time.now += 5
    limiter.throttled()
    found_out = limiter.rate
    limiter.start_batch("run-1", RequestRate(8, 2))
    assert (limiter.rate, limiter.throttled_calls) == (found_out, 0)
    limiter.start_batch("run-2", RequestRate(20, 2))
    assert limiter.rate == 10


def test_the_batch_knows_when_the_model_was_first_asked_and_last_answered(time: Time) -> None:
    limiter = limiter_of(time, 4)
    assert (limiter.first_call_at, limiter.last_answer_at) == (None, None)
    limiter.wait()
    first = limiter.first_call_at
    limiter.answered()
    limiter.wait()
    limiter.answered()
    assert limiter.first_call_at == first
    assert first <= limiter.last_answer_at


def test_the_client_of_the_sdk_is_held_back_at_each_attempt_and_tells_each_refusal(
    aws: None,  # noqa: ARG001
    time: Time,
) -> None:
    client = boto3.client("rekognition")
    limiter = limiter_of(time, 4)
    limiter.attach(client)
    answers = iter(["ProvisionedThroughputExceededException", None])

    def answer(**_: Any) -> Any:  # noqa: ANN401
        code = next(answers)
        body = f'{{"__type": "{code}"}}' if code else '{"CustomLabels": []}'
        return SimpleNamespace(
            status_code=400 if code else 200, headers={}, content=body.encode(), text=body, raw=None, url=""
        )

    # After the limiter's own handler: what botocore gets is what this answers in the network's place.
    client.meta.events.register_last("before-send.rekognition.DetectCustomLabels", answer)
    client.detect_custom_labels(ProjectVersionArn=MODEL_ARN, Image={"S3Object": {"Bucket": "bucket", "Name": "key"}})
    assert limiter.throttled_calls == 1
    assert limiter.rate < 4
    assert time.slept, "the second attempt waited for its turn"


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "LimitExceededException", "ServiceUnavailable", "429", "503"]
)
def test_each_answer_that_sends_a_batch_back_as_throttled_slows_down(code: str, time: Time) -> None:
    assert classify(aws_error(code, operation="DetectCustomLabels")) is ErrorClass.THROTTLED
    limiter = limiter_of(time, 1)
    limiter._response_received({"Error": {"Code": code}})
    assert limiter.throttled_calls == 1


def test_threads_share_one_pace() -> None:
    limiter = AdaptiveRateLimiter(sleep=lambda _: None)
    limiter.start_batch("run-1", RequestRate(100_000, 2))
    threads = [
        threading.Thread(target=lambda: [(limiter.wait(), limiter.throttled()) for _ in range(500)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limiter.throttled_calls == 4000


# --- all environments of a run, on the emulator's model in virtual time


class Fleet:
    """Batches of ten, as many at once as the pace says, on one model; each image also takes a while after its call."""

    def __init__(self, units: int, truth: float, pace: RequestRate, images: int, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same each time
        self.clock = ManualClock()
        settings = ModelSettings(start_seconds=0, images_per_second_per_unit=truth)
        self.model = Model(PROJECT_ARN, MODEL_ARN, settings, self.clock, created_at=None)
        self.model.start(units, None, "test")
        self.capacity = units * truth
        self.pace, self.left, self.calls, self.refused = pace, images, 0, 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.limiters = [
            AdaptiveRateLimiter(self.clock.now, sleep=self._note_sleep) for _ in range(pace.concurrent_batches)
        ]
        self._slept = 0.0
        for limiter in self.limiters:
            limiter.start_batch("run", pace)
            self.later(self.random.random(), lambda limiter=limiter: self.batch(limiter))

    def _note_sleep(self, seconds: float) -> None:
        self._slept = seconds

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.clock.now() + seconds, next(self.order), action))

    def batch(self, limiter: AdaptiveRateLimiter) -> None:
        size = min(10, self.left)
        self.left -= size
        if size:
            work = {"to_begin": size, "to_end": size}
            for _ in range(min(size, self.pace.concurrent_images_per_batch)):
                self.image(limiter, work)

    def image(self, limiter: AdaptiveRateLimiter, work: dict[str, int]) -> None:
        if not work["to_begin"]:
            return
        work["to_begin"] -= 1
        self.wait(limiter, lambda: self.call(limiter, work))

    def wait(self, limiter: AdaptiveRateLimiter, then: Callable[[], None]) -> None:
        self._slept = 0.0
        limiter.wait()
        self.later(self._slept, then)

    def call(self, limiter: AdaptiveRateLimiter, work: dict[str, int]) -> None:
        self.calls += 1
        try:
            run = self.model.admit()
        except ServiceError:
            self.refused += 1
            limiter.throttled()
            self.later(self.random.random(), lambda: self.wait(limiter, lambda: self.call(limiter, work)))
            return

        def answered() -> None:
            self.model.answered(run)
            limiter.answered()
            self.later(self.random.uniform(0.1, 0.4), lambda: self.done(limiter, work))

        self.later(self.random.uniform(0.2, 0.6), answered)

    def done(self, limiter: AdaptiveRateLimiter, work: dict[str, int]) -> None:
        work["to_end"] -= 1
        self.image(limiter, work)
        if not work["to_end"]:
            self.later(self.random.uniform(0.05, 0.3), lambda: self.batch(limiter))

    def run(self) -> tuple[float, float]:
        """Return how much of the capacity was used, and how many calls were refused."""
        while self.events:
            at, _, action = heapq.heappop(self.events)
            self.clock.advance(max(0.0, at - self.clock.now()))
            action()
        [run] = self.model.meter()["runs"]
        busy = run["last_detection_at"] - run["first_detection_at"]
        return run["images"] / busy / self.capacity, self.refused / self.calls


@pytest.mark.parametrize("units", [1, 2, 5])
@pytest.mark.parametrize(("estimate", "truth"), [(3, 5), (3, 3), (5, 4), (4.9, 5)])
def test_two_thousand_images_keep_the_model_busy_with_few_refusals(units: int, estimate: float, truth: float) -> None:
    pace = initial_rate(units, estimate)
    used, refused = Fleet(units, truth, pace, 2000, seed=units).run()
    assert used >= 0.95
    assert refused < 0.02
