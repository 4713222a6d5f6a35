"""Asks the model as fast as it can label, and hardly faster.

Rekognition refuses what comes too fast, and a refused call is made in vain; what comes too slowly is paid for too.
Nobody tells how fast a model is now, so each execution environment begins with its share of the run's pace and finds
out: while calls wait for their turn it speeds up until one is refused, falls back below that, and from then on creeps
up again, for the service tolerates what is a little too fast for a while.

botocore's adaptive retry mode hooks into the same events with the same aim. It only begins after a first refusal, and
then swings by a third every few seconds, which is more refusals and less work than a model that costs by the second is
worth: `make bench` measures ours. https://docs.aws.amazon.com/boto3/latest/guide/retries.html
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from analyze_image.faults import is_image_fault
from shared.request_rate import RequestRate
from shared.timestamps import now

OPERATION = "rekognition.DetectCustomLabels"
THROTTLES = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "TooManyRequestsException"}
)

# An estimate may be far off, and so may be what a short run has shown: until the first refusal the pace grows by a
# twelfth each second. One that has met a refusal grows by a fifth of a per cent: a refusal every minute or so.
GROWTH_A_SECOND_UNKNOWN = 0.08
GROWTH_A_SECOND_KNOWN = 0.0022
# What is left of the pace after a refusal. The first one after fast growth comes late, when the pace is far above what
# the model can do; but what it began with was not refused. One that follows soon says that the last cut was too small.
LEFT_AFTER_FAST_GROWTH = 0.77
LEFT_OF_THE_BEGINNING = 0.95
LEFT_AFTER_REFUSAL = 0.9
LEFT_AFTER_ANOTHER_SOON = 0.85
SOON_SECONDS = 3.0
# Calls that were under way when the pace was cut are refused as well, and say nothing new.
CUT_SECONDS = 1.0

# A pause between two batches may be made up for.
CREDIT_SECONDS = 1.0
# No call waits for longer, however slow the pace has become: batch.py counts with it.
LONGEST_WAIT_SECONDS = 10.0
SLOWEST_IMAGES_PER_SECOND = 1 / LONGEST_WAIT_SECONDS


class Pacing:
    """The pace of one execution environment, and what its calls met in the batch at hand. Safe for threads."""

    def __init__(self, epoch: Callable[[], float] = time.time, sleep: Callable[[float], None] | None = None) -> None:
        self._epoch = epoch
        # Looked up at each call, so that a clock that somebody set is the one that is waited by.
        self._sleep = sleep or (lambda seconds: time.sleep(seconds))
        self._lock = threading.Lock()
        self._run_id: str | None = None
        # Images a second; None: as fast as they come.
        self.rate: float | None = None
        self._began_with = 0.0
        self._is_known = False
        self._grown_at = self._next_at = self._cut_at = 0.0
        self._start_batch()

    def _start_batch(self) -> None:
        self.throttled = 0
        self.first_call_at: datetime | None = None
        self.last_answer_at: datetime | None = None

    def attach(self, rekognition: Any) -> None:  # noqa: ANN401
        """Hold back the calls of a client, its retries too, and see their answers."""
        events = rekognition.meta.events
        events.register(f"before-send.{OPERATION}", self._before_send)
        events.register(f"response-received.{OPERATION}", self._response_received)

    def begin(self, run_id: str | None, rate: RequestRate | None) -> None:
        """Begin a batch. A run that is new here begins with its own pace; within a run what was found out stays."""
        self._start_batch()
        if rate is None:
            self._run_id, self.rate = run_id, None
        elif self.rate is None or run_id != self._run_id:
            self._run_id = run_id
            self.rate = max(SLOWEST_IMAGES_PER_SECOND, rate.images_per_second_per_batch)
            self._began_with, self._is_known = self.rate, False
            self._grown_at = self._next_at = self._epoch()

    def wait(self) -> None:
        """Wait for this call's turn."""
        with self._lock:
            instant = self._epoch()
            seconds = 0.0
            if self.rate is not None:
                # Nor further ahead than anybody waits, in case the clock was set back.
                self._next_at = min(max(self._next_at, instant - CREDIT_SECONDS), instant + LONGEST_WAIT_SECONDS)
                seconds = self._next_at - instant
                self._next_at += 1 / self.rate
        if seconds > 0:
            self._sleep(seconds)
        if self.first_call_at is None:
            self.first_call_at = now()

    def answered(self) -> None:
        """Note that the model answered for an image: the pace may grow."""
        self.last_answer_at = now()
        with self._lock:
            if self.rate is None:
                return
            instant = self._epoch()
            seconds = min(max(0.0, instant - self._grown_at), LONGEST_WAIT_SECONDS)
            self._grown_at = instant
            # Where no call has to wait, it is not the pace that holds them back: nothing shows that it could be faster.
            is_limit = self._next_at > instant
            if is_limit and not 0 <= instant - self._cut_at < CUT_SECONDS:
                growth = GROWTH_A_SECOND_KNOWN if self._is_known else GROWTH_A_SECOND_UNKNOWN
                self.rate *= (1 + growth) ** seconds

    def refused(self) -> None:
        """Note that a call came too fast."""
        with self._lock:
            self.throttled += 1
            if self.rate is None:
                return
            instant = self._epoch()
            self._grown_at = instant
            since_cut = instant - self._cut_at
            # Negative when the clock was set back.
            if 0 <= since_cut < CUT_SECONDS:
                return
            if not self._is_known:
                left = max(self.rate * LEFT_AFTER_FAST_GROWTH, self._began_with * LEFT_OF_THE_BEGINNING)
            else:
                left = self.rate * (LEFT_AFTER_ANOTHER_SOON if 0 <= since_cut < SOON_SECONDS else LEFT_AFTER_REFUSAL)
            self.rate, self._is_known, self._cut_at = max(SLOWEST_IMAGES_PER_SECOND, left), True, instant
            # No credit: whatever was saved up is what was too fast.
            self._next_at = max(self._next_at, instant + 1 / self.rate)

    def _before_send(self, **_: Any) -> None:  # noqa: ANN401
        self.wait()

    def _response_received(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:  # noqa: ANN401
        if parsed_response is None:
            return
        code = parsed_response.get("Error", {}).get("Code")
        if code in THROTTLES:
            self.refused()
        elif code is None or is_image_fault(code):
            self.answered()
