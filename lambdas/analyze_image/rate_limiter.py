"""Calls the model as fast as it can label, and hardly faster.

Rekognition throttles calls that come too fast, and each throttled call is wasted; slow calls waste model time. Nobody
knows how fast a model is now. So each execution environment starts with its share of the run's rate. While calls wait
for their turn, the rate grows until one is throttled. Then it drops below that, and grows slowly from there, because
the service tolerates a slight excess for a while.

Plain AIMD (one increase, one decrease) was measured with the simulation in tests/unit/test_rate_limiter.py: 1 to 5
units, and estimates from 40% below the truth to 25% above it. At worst, plain AIMD used 68% of the model with few
calls throttled, or 90% with 9% throttled. A fast start and one decrease: 96% with 2.5% throttled. This module: 96%
with 1.9%, and 98% where the estimate is not far too low.

botocore's adaptive retry mode hooks into the same events with the same aim. But it starts only after a first throttle,
and then swings by a third every few seconds: more throttles and less work. `make bench` measures this module.
https://docs.aws.amazon.com/boto3/latest/guide/retries.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from analyze_image.errors import is_about_image, is_throttle
from shared.request_rate import RequestRate
from shared.timestamps import now

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

OPERATION = "rekognition.DetectCustomLabels"

# An estimate may be far off, and so may a measurement of a short run: until the first throttle the rate grows by a
# twelfth each second. After it the rate grows by a fifth of a per cent, which means a throttle about every minute.
GROWTH_PER_SECOND_UNTIL_THROTTLED = 0.08
GROWTH_PER_SECOND = 0.0022
# What remains of the rate after a throttle. The first one, after fast growth, comes late: the rate is then far too
# high, but the initial rate was not throttled. One that soon follows means that the last decrease was too small.
DECREASE_AFTER_FAST_GROWTH = 0.77
FLOOR_OF_INITIAL_RATE = 0.95
DECREASE = 0.9
DECREASE_AFTER_REPEAT = 0.85
REPEAT_SECONDS = 3.0
# Calls that were under way when the rate was decreased are throttled too, and mean nothing new.
THROTTLE_GRACE_SECONDS = 1.0

# The calls of up to this time of a pause between two batches may be made at once.
CREDIT_SECONDS = 1.0
# No call waits longer, however low the rate: batch.py relies on it.
MAX_WAIT_SECONDS = 10.0
MIN_IMAGES_PER_SECOND = 1 / MAX_WAIT_SECONDS


class AdaptiveRateLimiter:
    """The rate of one execution environment, and the answers to its calls in the current batch. Thread-safe."""

    def __init__(self, epoch: Callable[[], float] = time.time, sleep: Callable[[float], None] | None = None) -> None:
        self._epoch = epoch
        # time.sleep is looked up at each call, so that tests can replace it.
        self._sleep = sleep or (lambda seconds: time.sleep(seconds))
        self._lock = threading.Lock()
        self._run_id: str | None = None
        # Images a second; None: no limit.
        self.rate: float | None = None
        self._initial_rate = 0.0
        self._is_known = False
        self._grown_at = self._next_at = self._decreased_at = 0.0
        self._reset_counts()

    def _reset_counts(self) -> None:
        self.throttled_calls = 0
        self.first_call_at: datetime | None = None
        self.last_answer_at: datetime | None = None

    def attach(self, rekognition: RekognitionClient) -> None:
        """Delay the calls of a client, including its retries, and observe their answers."""
        events = rekognition.meta.events
        events.register(f"before-send.{OPERATION}", self._before_send)
        events.register(f"response-received.{OPERATION}", self._response_received)

    def start_batch(self, run_id: str | None, request_rate: RequestRate | None) -> None:
        """Start a batch. A new run starts with its own rate; within a run the rate that was found stays."""
        self._reset_counts()
        if request_rate is None:
            self._run_id, self.rate = run_id, None
        elif self.rate is None or run_id != self._run_id:
            self._run_id = run_id
            self.rate = max(MIN_IMAGES_PER_SECOND, request_rate.images_per_second_per_batch)
            self._initial_rate, self._is_known = self.rate, False
            self._grown_at = self._next_at = self._epoch()

    def wait(self) -> None:
        """Wait for this call's turn."""
        with self._lock:
            instant = self._epoch()
            seconds = 0.0
            if self.rate is not None:
                # The upper limit matters if the clock was set back.
                self._next_at = min(max(self._next_at, instant - CREDIT_SECONDS), instant + MAX_WAIT_SECONDS)
                seconds = self._next_at - instant
                self._next_at += 1 / self.rate
        if seconds > 0:
            self._sleep(seconds)
        if self.first_call_at is None:
            self.first_call_at = now()

    def answered(self) -> None:
        """Record that the model answered for an image: the rate may grow."""
        self.last_answer_at = now()
        with self._lock:
            if self.rate is None:
                return
            instant = self._epoch()
            seconds = min(max(0.0, instant - self._grown_at), MAX_WAIT_SECONDS)
            self._grown_at = instant
            # If no call waits, the rate is not what limits them, and nothing shows that it could be higher.
            is_limit = self._next_at > instant
            if is_limit and not 0 <= instant - self._decreased_at < THROTTLE_GRACE_SECONDS:
                growth = GROWTH_PER_SECOND if self._is_known else GROWTH_PER_SECOND_UNTIL_THROTTLED
                self.rate *= (1 + growth) ** seconds

    def throttled(self) -> None:
        """Record that a call was throttled."""
        with self._lock:
            self.throttled_calls += 1
            if self.rate is None:
                return
            instant = self._epoch()
            self._grown_at = instant
            since_decrease = instant - self._decreased_at
            # Negative if the clock was set back.
            if 0 <= since_decrease < THROTTLE_GRACE_SECONDS:
                return
            if not self._is_known:
                rate = max(self.rate * DECREASE_AFTER_FAST_GROWTH, self._initial_rate * FLOOR_OF_INITIAL_RATE)
            else:
                rate = self.rate * (DECREASE_AFTER_REPEAT if 0 <= since_decrease < REPEAT_SECONDS else DECREASE)
            self.rate, self._is_known, self._decreased_at = max(MIN_IMAGES_PER_SECOND, rate), True, instant
            # No credit: the calls that it allowed were too fast.
            self._next_at = max(self._next_at, instant + 1 / self.rate)

    def _before_send(self, **_: object) -> None:
        self.wait()

    def _response_received(self, parsed_response: dict[str, Any] | None, **_: object) -> None:
        if parsed_response is None:
            return
        code = parsed_response.get("Error", {}).get("Code")
        if code is None or is_about_image(code):
            self.answered()
        elif is_throttle(code):
            self.throttled()
