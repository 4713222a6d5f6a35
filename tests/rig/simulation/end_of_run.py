"""The end of runs, thousands of times in seconds: the real checks of the queue, and in memory all that is around them.

Time passes at every call that a check makes, and at each of them images may be uploaded, events may come and batches
may end. SQS's counts are of some moment of the last `lag_seconds`. Whoever lists the bucket sees it as it is (S3).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from check_queue.daily_cap import DailyCap
from check_queue.logic import Decision, DrainState
from check_queue.queue_checks import QueueChecks
from check_queue.start_gate import Gate
from check_queue.waiting_images import WaitingImages
from shared.errors import AnalysisBlocked, NoProgress
from shared.failed_starts import FailedStarts
from shared.image_queue import Look
from shared.model_state import ModelState
from shared.run_record import RunRecord
from shared.s3_events import Source, uploads_in
from shared.sqs import Backlog

SUFFIXES = (".jpg", ".png")
SOURCE = Source("photos", "in/", SUFFIXES)
# S3 may answer with fewer objects than asked for. So few make pages matter.
PAGE = 6
EPOCH = 1_800_000_000
HOUR = 3600
START_SECONDS, SWITCH_SECONDS, CLOSE_SECONDS, STOP_ASKED_SECONDS = 600, 3, 20, 1
HIDDEN_SECONDS = 720
RUNS = 8


@dataclass
class Message:
    """A message of the image queue; `handed_out`: a batch has it, until it comes back by itself."""

    key: str
    visible_at: float
    handed_out: bool = False


@dataclass
class End:
    """One world: some images, what is odd about it, and a schedule that comes every hour. All drawn from the seed."""

    seed: int
    checks: Callable[[End], QueueChecks] | None = None
    trace: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the world."""
        self.luck = random.Random(self.seed)  # noqa: S311 - which world it is, no secret
        draw = self.luck.choice
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = 0
        self.objects: dict[str, float] = {}
        self.queue: list[Message] = []
        self.dead: list[str] = []
        self.done: set[str] = set()
        self.uploaded: set[str] = set()
        self.images_done = 0
        self.blocked = 0
        self.is_open = self.is_running = False
        self.lag_seconds = draw([0, 0, 30, 90])
        self.listing_fails = draw([0, 0, 0, 0.3, 1])
        self.crash_share = draw([0, 0, 0, 0.1])
        self.poison_share = draw([0, 0, 0.3])
        self.delays = draw([[0], [0], [0, 0, 5], [0, 60, 299]])
        self._counts: list[tuple[float, Backlog]] = [(0.0, Backlog(0, 0, 0))]
        # What the last listing could not have overlooked: the images that waited when it was made.
        self.waited_at_listing: set[str] = set()
        for number in range(draw([0, 0, 2, PAGE + 2])):
            # Not ours: before the images in the listing, and after them.
            self.objects[f"in/{draw('0z')}{number}.{draw(['json', 'txt', 'json'])}"] = 0.0
        for number in range(draw([0, 0, 1, 2])):
            self.objects[f"in/dead-{number}.jpg"] = 0.0
            self.uploaded.add(f"in/dead-{number}.jpg")
            self.dead.append(f"in/dead-{number}.jpg")
        # Dead letters whose images somebody deleted.
        self.dead += [f"in/gone-{number}.jpg" for number in range(draw([0, 0, 1, 2]))]
        for _ in range(draw([1, 2, 4])):
            self.upload()
        self._uploads_at_call = {self.luck.randint(1, 60) for _ in range(draw([0, 1, 2, 3]))}
        self._calls = 0
        self.waiting = WaitingImages(self, SOURCE, "notification", self)  # type: ignore[arg-type]
        self.records = SimpleNamespace(
            read=lambda _: RunRecord(processed=self.images_done, blocked=self.blocked, blocked_reason="not ready"),
            record_reason=lambda *_: None,
            record_end=lambda *_, **__: None,
            record_saturated_period=lambda *_: None,
        )

    # --- time

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen."""
        self._numbers += 1
        heappush(self._due, (self.now + seconds, self._numbers, action))

    def advance(self, seconds: float) -> None:
        """Let time pass, with what comes due."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heappop(self._due)
            action()
        self.now = until

    def call(self) -> None:
        """Let the time of a call pass, in which anything may happen."""
        self._calls += 1
        self.trace.append("call")
        if self._calls in self._uploads_at_call:
            self.upload()
        self.advance(self.luck.choice([0.01, 0.01, 0.2]))

    # --- images

    def upload(self) -> None:
        """Upload an image, whose event comes when it comes."""
        key = f"in/{len(self.uploaded)}{self.luck.choice(SUFFIXES)}"
        self.uploaded.add(key)
        self.objects[key] = self.now
        self.trace.append(f"upload {key}")
        delay = self.luck.choice(self.delays)
        self.later(delay, lambda: self.send(Message(key, self.now)))

    def send(self, message: Message) -> None:
        """Let a message be in the queue, and a poller look at it."""
        self.trace.append(f"message {message.key}")
        self.queue.append(message)
        self._count()
        self.later(max(0.0, message.visible_at - self.now) + self.luck.random(), self.poll)

    def poll(self) -> None:
        """Take one message as Lambda's poller does, and label its image."""
        if not self.is_open:
            return
        message = next((each for each in self.queue if self.is_visible(each)), None)
        if message is None:
            return
        self.trace.append(f"batch {message.key}")
        message.handed_out, message.visible_at = True, self.now + HIDDEN_SECONDS
        self._count()
        if self.luck.random() < self.crash_share:
            self.trace.append(f"crash {message.key}")
            self.later(HIDDEN_SECONDS, self._count)
        else:
            self.later(0.2, lambda: self._label(message))
        self.later(0.1, self.poll)

    def _label(self, message: Message) -> None:
        key = message.key
        if not self.is_running:
            self.trace.append(f"not ready {key}")
            self.blocked += 1
            self.queue.remove(message)
            self.send(Message(key, self.now + 5))
            return
        if key in self.objects and self.luck.random() < self.poison_share:
            self.trace.append(f"dead letter {key}")
            self.dead.append(key)
        elif key in self.objects:
            self.trace.append(f"done {key}")
            self.done.add(key)
            del self.objects[key]
        # Counted, and deleted from the queue, a moment after the object is gone.
        self.later(self.luck.choice([0.01, 0.1, 1]), lambda: self._finish(message))

    def _finish(self, message: Message) -> None:
        self.trace.append(f"counted {message.key}")
        self.queue.remove(message)
        self.images_done += 1
        self._count()

    def is_visible(self, message: Message) -> bool:
        """Whether a receive may return it."""
        return message.visible_at <= self.now

    def _count(self) -> None:
        hidden = sum(message.handed_out and not self.is_visible(message) for message in self.queue)
        delayed = sum(not message.handed_out and not self.is_visible(message) for message in self.queue)
        self._counts.append((self.now, Backlog(len(self.queue) - hidden - delayed, hidden, delayed)))

    def truly_waiting(self) -> set[str]:
        """The images that a run could label: in the bucket, and not left to a person."""
        return {key for key in self.objects if key in self.uploaded and key not in self.dead}

    # --- what the checks call

    def list_objects_v2(self, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:  # noqa: N803
        """As S3 lists: what is there now, one page of it. The names are boto3's."""
        assert Bucket == SOURCE.bucket
        self.call()
        if self.luck.random() < self.listing_fails:
            self.waited_at_listing = set()
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
        self.waited_at_listing = self.truly_waiting()
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        page = [
            {"Key": key, "ETag": '"e"', "LastModified": datetime.fromtimestamp(EPOCH + self.objects[key], UTC)}
            for key in keys[:PAGE]
        ]
        if len(keys) <= PAGE:
            return {"Contents": page, "IsTruncated": False}
        return {"Contents": page, "IsTruncated": True, "NextContinuationToken": keys[PAGE - 1]}

    def read(self, *, hidden_seconds: int) -> Iterator[list[dict[str, str]]]:
        """As the dead-letter queue is read."""
        assert hidden_seconds
        self.call()
        yield [{"ReceiptHandle": key, "Body": event(key)} for key in self.dead]

    def put_back(self, _: list[str]) -> None:
        """As dead letters are put back."""
        self.call()

    def counted_dead(self) -> Backlog:
        """The dead-letter queue's counts."""
        self.call()
        return Backlog(len(self.dead), 0, 0)

    def count(self) -> Backlog:
        """The dead-letter queue's counts, by the name that its adapter has."""
        return self.counted_dead()

    def count_images(self) -> Backlog:
        """The image queue's counts as they were some time ago."""
        self.call()
        at = self.now - self.luck.random() * self.lag_seconds
        return next(counts for when, counts in reversed(self._counts) if when <= at or when == 0.0)

    def look(self, _: str, exists: Callable[[Any], bool]) -> Look:
        """As a look into the queue."""
        self.call()
        look = Look(is_complete=True)
        for message in [each for each in self.queue if self.is_visible(each)]:
            (upload,) = uploads_in(event(message.key), SOURCE)
            if exists(upload):
                return Look(image=upload)
            self.queue.remove(message)
            self._count()
        return look

    # --- runs

    def queue_checks(self) -> QueueChecks:
        """The real checks, on this world."""
        nothing = SimpleNamespace(
            record_queue_empty=lambda *_: None,
            record_images_waiting=lambda *_, **__: None,
        )
        adapters: list[Any] = [
            SimpleNamespace(count=self.count_images, look=self.look),
            SimpleNamespace(
                exists=lambda upload: upload.key in self.objects,
                remember=lambda _: None,
                known_image_exists=lambda: False,
            ),
            self.waiting,
            SimpleNamespace(renew=lambda *_, **__: ModelState()),
            nothing,
            self.records,
            SimpleNamespace(read=lambda: FailedStarts(fingerprint="f"), forget=lambda _: None),
        ]
        return QueueChecks(
            *adapters,
            fingerprint="f",
            max_run=timedelta(days=1),
            gate=Gate(1, 4 * HOUR),
            cap=DailyCap(None, None),  # type: ignore[arg-type]
            pause=self.advance,
            epoch=lambda: EPOCH + self.now,
        )

    def live(self) -> None:
        """Let the schedule start runs until nothing waits that a run could label."""
        checks = self.checks(self) if self.checks else self.queue_checks()
        for number in range(RUNS):
            if number == RUNS // 2:
                self._uploads_at_call.clear()
            self.run(checks, f"run-{number}")
            self.advance(HOUR)
            if not self.truly_waiting() and not self._due and self._calls > max(self._uploads_at_call, default=0):
                break
        for key in sorted(self.uploaded - self.done - set(self.dead)):
            told = any(message.key == key for message in self.queue)
            self.violations.append(f"I1: {key} waits after {RUNS} runs" if told else f"I1: {key} is lost")

    def run(self, checks: QueueChecks, run_id: str) -> None:
        """Take one run through its states, in the order of label_batch.asl.json."""
        self.waited_at_listing = set()
        told = {message.key for message in self.queue if self.is_visible(message)}
        if checks.before_start(run_id, scheduled=True)["decision"] != Decision.WORK:
            if waited := sorted(self.waited_at_listing & told - set(self.dead)):
                self.violations.append(f"nothing was started, while {waited} waited")
            return
        self.advance(START_SECONDS)
        self.is_running = True
        self._open()
        state = None
        try:
            while True:
                answer = checks.draining(run_id, state)
                state = DrainState.from_workflow(answer["drain_state"])
                if answer["decision"] == Decision.NOTHING_WAITS:
                    self._proven()
                    break
                if answer["decision"] == Decision.DRAINED and self._drained(checks, run_id, state):
                    break
                self.advance(answer["wait_seconds"])
        except (NoProgress, AnalysisBlocked) as error:
            self.trace.append(type(error).__name__)
            self._close(CLOSE_SECONDS)
        self.is_running = False
        self._close(CLOSE_SECONDS)

    def _open(self) -> None:
        self.advance(SWITCH_SECONDS)
        self.is_open = True
        for _ in self.queue:
            self.later(self.luck.random(), self.poll)

    def _close(self, seconds: float) -> None:
        self.advance(seconds)
        self.is_open = False

    def _proven(self) -> None:
        self.trace.append("proven")
        # The dead letters are read after the listing.
        if waited := sorted(self.waited_at_listing - set(self.dead)):
            self.violations.append(f"a proof that nothing waits, while {waited} waited")
        self.advance(STOP_ASKED_SECONDS)

    def _drained(self, checks: QueueChecks, run_id: str, state: DrainState | None) -> bool:
        """Close the trigger, and wait for what is in flight; return whether the run ends, or it opens again."""
        self.trace.append("drained")
        self._close(CLOSE_SECONDS)
        while True:
            answer = checks.closed(run_id, state, take_more=True)
            state = DrainState.from_workflow(answer["drain_state"])
            if answer["decision"] == Decision.EMPTY:
                return True
            if answer["decision"] == Decision.MORE_WORK:
                self._open()
                return False
            self.advance(answer["wait_seconds"])


@cache
def event(key: str) -> str:
    """S3's message about an upload."""
    entity = {"key": key, "size": 1, "eTag": "e"}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": SOURCE.bucket}, "object": entity},
    }
    return json.dumps({"Records": [record]})
