"""What the counts mean: work, nothing to do, busy, drained, stuck."""

import io
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from check_queue import queue_checks
from check_queue.daily_cap import DailyCap
from check_queue.finished_images import FinishedImages
from check_queue.logic import (
    MAX_VISITS,
    DrainState,
    Observation,
    Progress,
    poll_closed,
    poll_draining,
)
from check_queue.queue_checks import QueueChecks
from check_queue.source_images import SourceImages
from check_queue.start_gate import Gate, reason_to_defer_start
from check_queue.waiting_images import Waiting, WaitingImages
from shared.dead_letter_queue import DeadLetterQueue
from shared.errors import AnalysisBlocked, LeaseLost, NoProgress
from shared.failed_starts import FailedStartsStore
from shared.image_queue import Look, PeekableQueue
from shared.items import Items, Update
from shared.lease import Lease
from shared.model_state import ModelStates
from shared.model_usage import DailyModelUsage, day_of, split_by_utc_day
from shared.outcome import Outcome
from shared.retry_state import RetryState
from shared.run_record import BatchCounts, RunRecord, RunRecords
from shared.s3_events import Source, Upload
from shared.sqs import Backlog
from shared.timestamps import now
from tests.unit.conftest import RUN, RUN_2, Clock, ask_for_start, aws_error

SOURCE = Source("photos", "logos/", (".jpg", ".png"))
IMAGE = json.dumps(
    {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "photos"}, "object": {"key": "logos/a.jpg", "size": 5, "eTag": "0123"}},
            }
        ]
    }
)
GONE = IMAGE.replace("a.jpg", "gone.jpg")
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})


@dataclass(frozen=True)
class Place:
    """What a watch looks at and writes to."""

    sqs: Any
    s3: Any
    waiting: WaitingImages
    items: Items
    queue_url: str
    queue: PeekableQueue
    lease: Lease
    states: ModelStates
    records: RunRecords
    failed_starts: FailedStartsStore
    clock: Clock

    def fill(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def watch(
        self,
        *,
        max_run: timedelta = timedelta(hours=24),
        gate: Gate | None = None,
        cap_hours: float | None = None,
        pause: Callable[[float], None] = time.sleep,
        fingerprint: str = "as applied",
    ) -> QueueChecks:
        return QueueChecks(
            self.queue,
            SourceImages(self.s3, self.items),
            self.waiting,
            self.lease,
            self.states,
            self.records,
            self.failed_starts,
            fingerprint=fingerprint,
            max_run=max_run,
            gate=gate or Gate(min_backlog=1, max_wait_seconds=0),
            cap=DailyCap(cap_hours, DailyModelUsage(self.items)),
            epoch=self.clock,
            pause=pause,
        )

    def capped(self, used_seconds: float) -> QueueChecks:
        """A watch with a cap of an hour, of which some is used."""
        self.lease.acquire(RUN)
        self.records.open("run-1")
        self.items.update(Update(f"day#{day_of(now())}", "SET model_seconds = :used", {"used": used_seconds}))
        return self.watch(cap_hours=1)


def finish_all(messages: Sequence[Any]) -> set[str]:
    """The analysis finishes what is gone."""
    return {message["MessageId"] for message in messages}


@pytest.fixture
def dead_letter_url(sqs: Any) -> str:  # noqa: ANN401
    return sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]


@pytest.fixture
def place(
    sqs: Any,  # noqa: ANN401
    s3: Any,  # noqa: ANN401
    items: Items,
    dead_letter_url: str,
    lease: Lease,
    states: ModelStates,
    records: RunRecords,
    clock: Clock,
) -> Place:
    url = sqs.create_queue(QueueName="images")["QueueUrl"]
    dead_letters = DeadLetterQueue(sqs, dead_letter_url)
    queue = PeekableQueue(sqs, url, dead_letters, SOURCE, finish_all)
    waiting = WaitingImages(s3, SOURCE, "notification", dead_letters)
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="logos/a.jpg", Body=b"image")
    return Place(sqs, s3, waiting, items, url, queue, lease, states, records, FailedStartsStore(items), clock)


@pytest.fixture
def watch(place: Place) -> QueueChecks:
    place.lease.acquire(RUN)
    place.records.open("run-1")
    return place.watch()


def carried(*, total: int = 0, images_done: int = 0, blocked_before: int = 0, **folded: int) -> DrainState:
    """The state after polls that ended with this one."""
    last = Observation(total, 0, images_done, labelled=0, blocked=0, trigger_open=True, at_ms=0)
    return DrainState(last, blocked_before, **folded)


# The listing proves nothing.
UNKNOWN = Waiting(None, "")


def draining(
    backlog: Backlog,
    progress: Progress,
    before: DrainState | None,
    left: int = 3600,
    at: float = 0,
    waiting: Waiting = UNKNOWN,
) -> DrainState:
    return poll_draining(backlog, waiting, progress, before, seconds_left=left, now_ms=int(at * 1000))


def test_an_empty_queue_is_nothing_to_do(watch: QueueChecks) -> None:
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"


def test_an_image_is_work_and_stays_visible(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    again = watch.before_start("run-1", scheduled=True)
    assert (again["visible"], again["in_flight"]) == (1, 0)


def test_test_events_are_acknowledged_and_start_nothing(watch: QueueChecks, place: Place) -> None:
    # S3 sends one for each suffix, at each change of the notifications.
    place.fill(*[TEST_EVENT] * 25)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.queue.count() == Backlog(0, 0, 0)


def test_an_image_behind_test_events_is_work(watch: QueueChecks, place: Place) -> None:
    place.fill(TEST_EVENT, TEST_EVENT, IMAGE)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    assert place.queue.count() == Backlog(1, 0, 0)


def test_a_message_that_is_no_event_starts_nothing_and_is_kept_with_its_reason(
    watch: QueueChecks, dead_letter_url: str, place: Place
) -> None:
    bodies = ["hello", "[1]", "{}", IMAGE.replace("photos", "another")]
    place.fill(*bodies)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.queue.count() == Backlog(0, 0, 0)
    kept = place.sqs.receive_message(QueueUrl=dead_letter_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    assert sorted(message["Body"] for message in kept["Messages"]) == sorted(bodies)
    told = {message["Body"]: message["MessageAttributes"] for message in kept["Messages"]}
    assert told["[1]"]["error_message"]["StringValue"].startswith("not an S3 event message")
    assert told[bodies[3]]["error_message"]["StringValue"].startswith("the event is about bucket another")
    assert told["{}"]["run_id"]["StringValue"] == "run-1"


def receives_so_far(place: Place) -> int:
    """How often the one visible message has been received before now."""
    (message,) = place.sqs.receive_message(QueueUrl=place.queue_url, AttributeNames=["ApproximateReceiveCount"])[
        "Messages"
    ]
    place.sqs.change_message_visibility(
        QueueUrl=place.queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    return int(message["Attributes"]["ApproximateReceiveCount"]) - 1


def test_an_image_that_is_known_to_wait_is_not_received_again(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    for _ in range(20):
        assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    assert receives_so_far(place) == 1


def test_a_known_image_that_is_gone_is_work_no_more(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    place.s3.delete_object(Bucket="photos", Key="logos/a.jpg")
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.queue.count() == Backlog(0, 0, 0)


def test_once_the_trigger_was_open_a_known_image_is_looked_for_again(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    watch.before_start("run-1", scheduled=True)
    watch.draining("run-1", None)
    place.sqs.purge_queue(QueueUrl=place.queue_url)
    # Its message is in the dead-letter queue, and another one waits.
    place.fill(TEST_EVENT)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"


def test_an_image_that_s3_does_not_tell_about_is_work(
    watch: QueueChecks, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [aws_error("403"), EndpointConnectionError(endpoint_url="https://s3")]

    def refuse(**_: object) -> None:
        raise errors[0]

    place.fill(IMAGE)
    monkeypatch.setattr(place.s3, "head_object", refuse)
    while errors:
        assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
        errors.pop(0)
    assert place.queue.count().visible == 1


def test_an_empty_queue_forgets_that_images_waited(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    watch.before_start("run-1", scheduled=True)
    place.sqs.purge_queue(QueueUrl=place.queue_url)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    place.fill(TEST_EVENT)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"


def test_a_drained_queue_forgets_that_images_waited(watch: QueueChecks, place: Place) -> None:
    place.states.record_images_waiting(RUN, waiting=True)
    watch.closed("run-1", None, take_more=True)
    assert not place.lease.renew(RUN).images_waiting


def test_an_empty_queue_is_written_down_with_its_instant(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    watch.before_start("run-1", scheduled=True)
    watch.closed("run-1", None, take_more=True)
    assert place.lease.renew(RUN).queue_empty_at is None
    place.sqs.purge_queue(QueueUrl=place.queue_url)
    watch.closed("run-1", None, take_more=True)
    assert place.lease.renew(RUN).queue_empty_at == int(place.clock.now)
    place.clock.now += 50
    watch.before_start("run-1", scheduled=True)
    assert place.lease.renew(RUN).queue_empty_at == int(place.clock.now)


def test_receives_that_return_less_than_there_is_are_repeated() -> None:
    class Miser:
        """Gives one message a receive."""

        def __init__(self, *bodies: str) -> None:
            self.bodies, self.put_back, self.deleted, self.set_aside = list(bodies), [], [], []

        def receive_message(self, **parameters: object) -> dict[str, Any]:
            assert parameters["VisibilityTimeout"] == 30
            body = self.bodies.pop(0)
            return {"Messages": [{"Body": body, "ReceiptHandle": body}]}

        def send_message(self, **parameters: Any) -> None:  # noqa: ANN401
            assert parameters["QueueUrl"] == "dead-letter-url"
            self.set_aside.append(parameters["MessageBody"])

        def delete_message(self, **parameters: str) -> None:
            assert set(self.deleted) <= {TEST_EVENT, *self.set_aside}, "kept before it is deleted"
            self.deleted.append(parameters["ReceiptHandle"])

        def change_message_visibility(self, **parameters: Any) -> None:  # noqa: ANN401
            assert parameters["VisibilityTimeout"] == 0
            self.put_back.append(parameters["ReceiptHandle"])

    miser = Miser(TEST_EVENT, "hello", GONE, IMAGE, IMAGE)
    queue = PeekableQueue(miser, "url", DeadLetterQueue(miser, "dead-letter-url"), SOURCE, finish_all)
    look = queue.look("run-1", lambda upload: upload.key == "logos/a.jpg")
    assert look.image
    assert (look.image.key, look.test_events, look.unexpected, look.gone) == ("logos/a.jpg", 1, 1, 1)
    assert (miser.deleted, miser.put_back, miser.set_aside) == ([TEST_EVENT, "hello", GONE], [IMAGE], ["hello"])
    assert not look.is_complete


def test_a_look_ends_although_unexpected_messages_keep_coming(clock: Clock) -> None:
    class Flood:
        """Always has one more message of a stranger, and takes a second for each."""

        receives = deleted = 0

        def receive_message(self, **_: object) -> dict[str, Any]:
            self.receives += 1
            clock.now += 1
            return {"Messages": [{"Body": "hello", "ReceiptHandle": str(self.receives)}]}

        def send_message(self, **_: object) -> None:
            pass

        def delete_message(self, **_: object) -> None:
            self.deleted += 1

    flood = Flood()
    queue = PeekableQueue(flood, "url", DeadLetterQueue(flood, "dead-letter-url"), SOURCE, finish_all, clock)
    look = queue.look("run-1", lambda _: True)
    assert (look.image, look.unexpected, look.is_complete) == (None, 120, False)
    assert flood.deleted == 120


def test_what_there_was_no_time_to_look_at_is_work(
    watch: QueueChecks, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fill(TEST_EVENT)
    monkeypatch.setattr(place.queue, "look", lambda *_: Look(is_complete=False))
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"


def test_a_long_queue_without_an_image_is_no_work(watch: QueueChecks, place: Place) -> None:
    place.fill(*[TEST_EVENT, "hello", GONE] * 8)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.queue.count() == Backlog(0, 0, 0)


@pytest.mark.parametrize(
    ("on_top", "exists"), [(None, True), ("a newer version", True), ("a delete marker", False), ("nothing", False)]
)
def test_a_version_waits_unless_its_owner_deleted_it(on_top: str | None, exists: bool, place: Place) -> None:
    place.s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    name = {"Bucket": "photos", "Key": "logos/v.jpg"}
    put = place.s3.put_object(**name, Body=b"image")
    match on_top:
        case "a newer version":
            place.s3.put_object(**name, Body=b"another")
        case "a delete marker":
            place.s3.delete_object(**name)
        case "nothing":
            place.s3.delete_object(**name, VersionId=put["VersionId"])
    upload = Upload("photos", "logos/v.jpg", put["ETag"].strip('"'), put["VersionId"], 5)
    assert SourceImages(place.s3, place.items).exists(upload) is exists


def test_a_message_of_several_uploads_waits_as_long_as_one_of_them_exists(watch: QueueChecks, place: Place) -> None:
    both = json.dumps({"Records": json.loads(GONE)["Records"] + json.loads(IMAGE)["Records"]})
    place.fill(both)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    place.s3.delete_object(Bucket="photos", Key="logos/a.jpg")
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.queue.count() == Backlog(0, 0, 0)


# --- after failed starts


def failed_run(place: Place, run_id: str, started_at: float, *, processed: int = 0) -> None:
    """Let a run end that asked for a start and failed."""
    started = datetime.fromtimestamp(started_at, UTC)
    record = RunRecord(started_at=started, start_asked_at=started, processed=processed)
    place.failed_starts.learn(run_id, record, Outcome.FAILED, "AnalysisBlocked")


def test_after_each_failed_start_the_schedule_waits_longer_and_the_receipt_says_why(place: Place) -> None:
    place.lease.acquire(RUN)
    watch = place.watch()
    place.fill(IMAGE)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    starts = []
    for hour in [*range(40), *range(58, 7 * 24, 3)]:
        place.clock.now = 1_800_000_000 + hour * 3600
        place.lease.acquire(RUN)
        if watch.before_start("run-1", scheduled=True)["decision"] == "work":
            starts.append(hour)
            failed_run(place, f"run-of-{hour}", place.clock.now)
            # A step that is repeated counts once.
            failed_run(place, f"run-of-{hour}", place.clock.now)
    assert starts == [0, 1, 4, 13, 37, 61, 85, 109, 133, 157]
    reason = str(place.records.read("run-1").reason)
    assert "10 starts of the model in a row finished no image; the newest, of run run-of-157, ended with " in reason
    assert "start an execution of this state machine by hand" in reason
    # The week brought no more receives than starts: an image that waits for days is not used up.
    assert receives_so_far(place) == 1


@pytest.mark.parametrize("what", ["a person", "an apply", "an image"])
def test_the_waiting_ends(place: Place, what: str) -> None:
    place.lease.acquire(RUN)
    watch = place.watch()
    place.fill(IMAGE)
    watch.before_start("run-1", scheduled=True)
    for number in range(5):
        failed_run(place, f"run-{number}", place.clock.now)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "waiting_after_failures"
    if what == "a person":
        assert watch.before_start("run-1", scheduled=False)["decision"] == "work"
    if what == "an apply":
        watch = place.watch(fingerprint="as applied now")
    if what == "an image":
        failed_run(place, "run-6", place.clock.now, processed=1)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"


@pytest.mark.parametrize(
    ("outcome", "code", "record"),
    [
        (Outcome.COMPLETED, None, RunRecord(start_asked_at=now())),
        (Outcome.MODEL_QUOTA_REACHED, None, RunRecord(start_asked_at=now())),
        (Outcome.FAILED, "ModelStartRefused", RunRecord(start_asked_at=now())),
        (Outcome.FAILED, "ConfigurationError", RunRecord()),
    ],
)
def test_a_run_that_paid_for_nothing_makes_nobody_wait(
    place: Place, outcome: Outcome, code: str | None, record: RunRecord
) -> None:
    place.failed_starts.learn("run-1", record, outcome, code)
    assert place.failed_starts.read().count == 0


def test_in_an_empty_queue_a_failed_start_makes_no_difference(place: Place) -> None:
    place.lease.acquire(RUN)
    failed_run(place, "run-0", place.clock.now)
    assert place.watch().before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"


def test_messages_in_flight_or_delayed_are_work(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    place.sqs.receive_message(QueueUrl=place.queue_url)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"
    place.sqs.purge_queue(QueueUrl=place.queue_url)
    place.sqs.send_message(QueueUrl=place.queue_url, MessageBody=IMAGE, DelaySeconds=60)
    assert watch.before_start("run-1", scheduled=True)["delayed"] == 1
    assert watch.before_start("run-1", scheduled=True)["decision"] == "work"


def test_every_look_needs_the_lease(watch: QueueChecks) -> None:
    for look in (
        lambda run: watch.before_start(run, scheduled=True),
        lambda run: watch.draining(run, None),
        lambda run: watch.closed(run, None, take_more=True),
    ):
        with pytest.raises(LeaseLost):
            look("run-2")


@pytest.mark.parametrize(("waiting", "waits"), [(UNKNOWN, [20] * 3), (Waiting(1, ""), [2, 2, 4, 8, 16, 20, 20])])
def test_a_queue_is_drained_when_seen_empty_over_a_minute(waiting: Waiting, waits: list[int]) -> None:
    state, seen = None, []
    while not (state := draining(Backlog(0, 0, 0), Progress(5, 0), state, waiting=waiting)).is_drained:
        seen.append(state.wait_seconds)
    assert seen == waits


@pytest.mark.parametrize("backlog", [Backlog(1, 0, 0), Backlog(0, 1, 0), Backlog(0, 0, 1)])
def test_any_message_begins_the_minute_again(backlog: Backlog) -> None:
    almost = carried(total=0, images_done=5, empty_seconds=40, wait_seconds=20)
    busy = draining(backlog, Progress(5, 0), almost)
    assert not busy.is_drained
    assert draining(Backlog(0, 0, 0), Progress(5, 0), busy).empty_seconds == 0


@pytest.mark.parametrize(
    ("total", "images_done", "left", "wait"),
    [
        (1, 2, 9999, 2),
        (1, 1, 9999, 5),
        (2_000, 2, 9999, 40),
        (1_000_000, 2, 9999, 60),
        (1_000_000, 2, 100, 60),
        (1_000_000, 2, 30, 30),
        (1_000_000, 2, -5, 2),
        # 200 images a second since the last poll, ten seconds ago: more than the default quota allows.
        (2_000, 2_001, 9999, 10),
        (20_000, 2_001, 9999, 60),
    ],
)
def test_the_wait_is_what_the_backlog_lasts_at_least_and_at_most_a_minute(
    total: int, images_done: int, left: int, wait: int
) -> None:
    before = carried(total=total, images_done=1, watched_seconds=864_000, wait_seconds=5)
    assert draining(Backlog(total, 0, 0), Progress(images_done, 0), before, left, at=10).wait_seconds == wait


def test_in_a_long_run_the_function_polls_for_minutes_before_it_answers(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        place.clock.now += seconds
        place.records.add_batch("run-1", BatchCounts(processed=1))

    monkeypatch.setattr(place.queue, "count", lambda: Backlog(1_000_000, 0, 0))
    monkeypatch.setattr(place.waiting, "look", lambda _: Waiting(1000, "", is_all=False))
    place.lease.acquire(RUN)
    place.records.open("run-1")
    checks = place.watch(pause=pause)
    short = DrainState.from_workflow(checks.draining("run-1", carried(total=9, watched_seconds=3599))["drain_state"])
    assert (pauses, short.visits) == ([], 2)
    place.clock.now += 60
    answer = checks.draining("run-1", replace(short, watched_seconds=3590))
    assert pauses == [60] * 14
    assert (answer["drain_state"]["visits"], answer["wait_seconds"]) == (3, 60)
    # The lease lasts as after each other poll.
    assert not place.lease.acquire(RUN_2).acquired
    # And a stall is noticed within it.
    monkeypatch.setattr(place.records, "add_batch", lambda *_: None)
    place.clock.now += 60
    with pytest.raises(NoProgress):
        checks.draining("run-1", DrainState.from_workflow(answer["drain_state"]))
    assert len(pauses) == 14 + 2


def test_progress_is_an_image_that_ended_and_not_a_lower_count() -> None:
    before = carried(total=10, images_done=5, idle_seconds=100, wait_seconds=15)
    assert draining(Backlog(10, 0, 0), Progress(6, 0), before).idle_seconds == 0
    assert draining(Backlog(9, 0, 0), Progress(5, 0), before).idle_seconds == 115
    assert draining(Backlog(10, 0, 0), Progress(5, 0), before).idle_seconds == 115
    closed = poll_closed(Backlog(0, 10, 0), Progress(5, 0), before, now_ms=0)
    assert closed.idle_seconds == 0, "the trigger was closed since"
    assert poll_closed(Backlog(0, 10, 0), Progress(5, 0), closed, now_ms=0).idle_seconds == closed.wait_seconds == 5
    assert draining(Backlog(10, 0, 0), Progress(5, 0), replace(closed, idle_seconds=175)).idle_seconds == 0


def test_a_queue_that_does_not_move_ends_the_run_within_minutes(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    before, waited = None, 0
    while waited < 180:
        answer = watch.draining("run-1", before)
        assert answer["decision"] == "busy"
        before, waited = DrainState.from_workflow(answer["drain_state"]), waited + answer["wait_seconds"]
    with pytest.raises(NoProgress, match="1 messages are in the queue, and no image has finished for 18"):
        watch.draining("run-1", before)


def test_after_closing_what_is_left_decides(watch: QueueChecks, place: Place) -> None:
    assert watch.closed("run-1", None, take_more=True)["decision"] == "empty"
    place.fill(IMAGE)
    assert watch.closed("run-1", None, take_more=True)["decision"] == "more_work"
    assert watch.closed("run-1", None, take_more=False)["decision"] == "empty"
    place.sqs.receive_message(QueueUrl=place.queue_url)
    assert watch.closed("run-1", None, take_more=True)["decision"] == "in_flight"
    assert watch.closed("run-1", None, take_more=False)["decision"] == "in_flight"


def test_a_drained_queue_is_the_end_of_the_run_only_if_it_is_still_empty_once_the_trigger_is_closed(
    watch: QueueChecks, place: Place
) -> None:
    drained = carried(empty_seconds=60, wait_seconds=20)
    assert watch.draining("run-1", drained)["decision"] == "drained"
    place.fill(IMAGE)
    assert watch.closed("run-1", drained, take_more=True)["decision"] == "more_work"
    # Something else may end the run now, such as the time limit.
    assert watch.closed("run-1", drained, take_more=False)["decision"] == "empty"
    assert place.records.read("run-1").end_is_proven is None
    place.sqs.purge_queue(QueueUrl=place.queue_url)
    assert watch.closed("run-1", drained, take_more=True)["decision"] == "empty"
    record = place.records.read("run-1")
    assert (record.end_is_proven, record.end_reason) == (
        False,
        "1 images are in s3://photos/logos/, such as logos/a.jpg",
    )


@pytest.mark.parametrize("idle_before", [0, 175])
def test_a_trigger_that_closes_on_a_full_queue_ends_the_run_as_it_was_to_end(
    idle_before: int, watch: QueueChecks, place: Place
) -> None:
    """At a limit of time the queue is as full as it is, and a killed batch hides its messages for twelve minutes."""
    place.fill(*[IMAGE] * 3)
    place.sqs.receive_message(QueueUrl=place.queue_url)
    before: DrainState | None = carried(total=3, idle_seconds=idle_before, wait_seconds=60)
    waited = 0
    while (answer := watch.closed("run-1", before, take_more=False))["decision"] == "in_flight":
        before, waited = DrainState.from_workflow(answer["drain_state"]), waited + answer["wait_seconds"]
        place.records.add_batch("run-1", BatchCounts(blocked=1, blocked_reason="no"))
    assert (answer["decision"], waited) == ("empty", 180)


def test_a_run_that_has_lasted_long_enough_is_out_of_time(place: Place) -> None:
    place.fill(IMAGE)
    place.lease.acquire(RUN)
    place.records.open("run-1")
    assert place.watch(max_run=timedelta(0)).draining("run-1", None)["decision"] == "time_limit_reached"
    assert (
        place.records.read("run-1").reason == "the run has lasted for max_run_minutes; 1 images wait for the next run"
    )
    assert place.watch(max_run=timedelta(hours=1)).draining("run-1", None)["decision"] == "busy"


def test_the_time_that_the_model_took_to_start_is_none_of_the_runs(place: Place) -> None:
    place.fill(IMAGE)
    place.lease.acquire(RUN)
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as wall:
        place.records.open("run-1")
        wall.shift(timedelta(minutes=70))
        place.records.record_model_running("run-1", inference_units=1, ours=True)
        watch = place.watch(max_run=timedelta(minutes=60))
        wall.shift(timedelta(minutes=59))
        assert watch.draining("run-1", None)["decision"] == "busy"
        wall.shift(timedelta(minutes=1))
        assert watch.draining("run-1", None)["decision"] == "time_limit_reached"


def test_the_lease_lasts_through_the_wait_that_is_asked_for(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    before = carried(total=1_000_000, images_done=0, watched_seconds=864_000)
    answer = watch.draining("run-1", before)
    place.clock.now += answer["wait_seconds"] + 899
    assert not place.lease.acquire(RUN_2).acquired


def test_refusals_of_the_whole_analysis_end_the_run_before_the_long_wait_for_progress(
    watch: QueueChecks, place: Place
) -> None:
    place.fill(IMAGE)
    before = DrainState.from_workflow(watch.draining("run-1", None)["drain_state"])
    place.records.add_batch(
        "run-1", BatchCounts(blocked=3, blocked_reason="ResourceNotReadyException: the model is STOPPED")
    )
    while before and before.idle_seconds + before.wait_seconds < 30:
        before = DrainState.from_workflow(watch.draining("run-1", before)["drain_state"])
    with pytest.raises(
        AnalysisBlocked, match=r"^ResourceNotReadyException: the model is STOPPED\. 1 messages .* for 3[0-4] s"
    ):
        watch.draining("run-1", before)


def test_refusals_that_an_image_overcame_do_not_end_the_run() -> None:
    before = carried(total=5, images_done=1, blocked_before=0, idle_seconds=15, wait_seconds=15)
    progress = Progress(images_done=2, blocked=3)
    assert not draining(Backlog(4, 0, 0), progress, before).is_blocked
    still = draining(Backlog(4, 0, 0), Progress(2, 3), carried(total=4, images_done=2, blocked_before=3))
    assert not still.is_blocked


def test_the_state_survives_the_way_through_the_workflow() -> None:
    state = carried(total=3, images_done=2, empty_seconds=20, idle_seconds=15, wait_seconds=20)
    assert DrainState.from_workflow(json.loads(json.dumps(state.to_workflow()))) == state
    assert DrainState.from_workflow(None) is None


# --- the gate: small backlogs wait for company


HOURLY = Gate(min_backlog=10, max_wait_seconds=4 * 3600, schedule_seconds=3600)


@pytest.mark.parametrize(
    ("images", "waited_minutes", "waits"),
    [
        (9, 1, True),
        (10, 1, False),
        (11, 1, False),
        # The next check, in an hour and at most a minute, has to be in time.
        (9, 178, True),
        (9, 179, False),
        (1, 24 * 60, False),
        # Nobody knows how long they have waited.
        (1, None, False),
    ],
)
def test_few_images_wait_for_company_and_never_too_long(images: int, waited_minutes: int | None, waits: bool) -> None:
    reason = reason_to_defer_start(images, None if waited_minutes is None else waited_minutes * 60, HOURLY)
    assert (reason is not None) == waits
    if reason:
        assert f"{images} images, fewer than min_backlog (10), have waited for at most {waited_minutes} min" in reason


@pytest.mark.parametrize(("waited_minutes", "waits"), [(0, True), (239, True), (240, False), (64 * 60, False)])
def test_where_the_schedule_does_not_tell_the_first_check_after_the_wait_starts_the_model(
    waited_minutes: int, waits: bool
) -> None:
    reason = reason_to_defer_start(1, waited_minutes * 60, Gate(10, 4 * 3600))
    assert (reason is not None) == waits
    assert reason is None or reason.endswith(
        "the first check after max_wait_minutes (240) starts the model, however few they are"
    )


@given(
    arrivals=st.lists(st.integers(0, 48 * 60), min_size=1, max_size=30),
    gaps=st.lists(st.sampled_from([5, 60, 360, 64 * 60]), min_size=1, max_size=5),
    is_rate=st.booleans(),
    max_wait=st.integers(1, 24 * 60),
    min_batch=st.integers(2, 40),
)
def test_no_image_waits_longer_for_company_than_promised(
    arrivals: list[int], gaps: list[int], is_rate: bool, max_wait: int, min_batch: int
) -> None:
    """Minutes. With a rate no longer than max_wait; else until the next check after it, also over a weekend."""
    gaps = gaps[:1] if is_rate else gaps
    gate = Gate(min_batch, max_wait * 60, gaps[0] * 60 if is_rate else None)
    todo, checks = sorted(arrivals), [0]
    for gap in itertools.cycle(gaps):
        checks.append(checks[-1] + gap)
        waiting = [minute for minute in todo if minute <= checks[-1]]
        waited = checks[-1] - waiting[0] if waiting else 0
        if waiting and reason_to_defer_start(len(waiting), waited * 60, gate) is None:
            # Where even the very next check is too late for the promise, an image waits for that and no longer.
            assert waited <= max(max_wait, gap) if is_rate else waited < max_wait + gap or len(waiting) >= min_batch
            todo = todo[len(waiting) :]
        if not todo:
            break


def uploaded(place: Place, *names: str, at: float, message: bool = True) -> None:
    """Upload images at an instant, each with its message."""
    with time_machine.travel(at, tick=False):
        for name in names:
            place.s3.put_object(Bucket="photos", Key=f"logos/{name}.jpg", Body=b"image")
    if message:
        place.fill(*(IMAGE.replace("a.jpg", f"{name}.jpg") for name in names))


def test_a_run_that_waits_for_more_says_so_and_receives_nothing(place: Place) -> None:
    place.lease.acquire(RUN)
    gated = place.watch(gate=HOURLY)
    uploaded(place, "a", at=place.clock.now)
    place.clock.now += 178 * 60
    assert gated.before_start("run-1", scheduled=True)["decision"] == "waiting_for_more_images"
    assert "in time for max_wait_minutes (240)" in str(place.records.read("run-1").reason)
    received = place.sqs.receive_message(QueueUrl=place.queue_url, AttributeNames=["ApproximateReceiveCount"])[
        "Messages"
    ][0]
    assert received["Attributes"]["ApproximateReceiveCount"] == "1"
    place.sqs.change_message_visibility(
        QueueUrl=place.queue_url, ReceiptHandle=received["ReceiptHandle"], VisibilityTimeout=0
    )
    place.clock.now += 60
    assert gated.before_start("run-1", scheduled=True)["decision"] == "work"


def test_the_gate_counts_images_that_sqs_does_not_count_yet(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.lease.acquire(RUN)
    monkeypatch.setattr(place.queue, "count", lambda: Backlog(0, 0, 0))
    uploaded(place, *"abcdefghij", at=place.clock.now)
    answer = place.watch(gate=HOURLY).before_start("run-1", scheduled=True)
    # For the sizing.
    assert (answer["decision"], answer["backlog"]) == ("work", 10)


def test_an_image_without_a_message_starts_nothing_and_is_left_to_the_reconcile(place: Place) -> None:
    place.lease.acquire(RUN)
    gated = place.watch(gate=HOURLY)
    uploaded(place, *"abcdefghij", at=place.clock.now, message=False)
    assert gated.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert place.lease.renew(RUN).queue_empty_at == int(place.clock.now)


def test_where_no_image_is_listed_no_message_starts_the_model_and_what_is_over_goes(
    watch: QueueChecks, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.s3.delete_object(Bucket="photos", Key="logos/a.jpg")
    place.fill(IMAGE, GONE, TEST_EVENT)
    monkeypatch.setattr(place.queue, "count", lambda: Backlog(3, 500, 7))
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    assert "Messages" not in place.sqs.receive_message(QueueUrl=place.queue_url)


def test_where_the_listing_proves_nothing_what_is_counted_came_after_the_queue_was_empty(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.waiting, "look_for", lambda *_: UNKNOWN)
    place.lease.acquire(RUN)
    gated = place.watch(gate=HOURLY)
    assert gated.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"
    place.fill(IMAGE)
    # SQS's count may have been a minute late.
    for minutes, decision in ((177, "waiting_for_more_images"), (1, "work")):
        place.clock.now += minutes * 60
        assert gated.before_start("run-1", scheduled=True)["decision"] == decision


def test_a_model_that_a_dead_run_left_running_is_used_for_few_images_too(place: Place) -> None:
    place.lease.acquire(RUN)
    gated = place.watch(gate=HOURLY)
    gated.before_start("run-1", scheduled=True)
    ask_for_start(place.states, RUN)
    place.fill(IMAGE)
    assert gated.before_start("run-1", scheduled=True)["decision"] == "work"


# --- the cap


@pytest.mark.parametrize(("used", "decision"), [(0, "work"), (3420, "work"), (3421, "daily_cap_reached")])
def test_at_the_daily_cap_no_run_starts(
    used: int, decision: str, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    metrics: list[str] = []
    monkeypatch.setattr(queue_checks.metrics, "add_metric", lambda name, **_: metrics.append(name))
    watch = place.capped(used)
    place.fill(IMAGE)
    assert watch.before_start("run-1", scheduled=True)["decision"] == decision
    assert metrics == (["DailyCapReached"] if decision == "daily_cap_reached" else [])
    assert ("the 1 hours of max_model_hours_per_day" in str(place.records.read("run-1").reason)) == bool(metrics)


def test_the_cap_is_no_reason_to_do_nothing_about_an_empty_queue(place: Place) -> None:
    watch = place.capped(99999)
    assert watch.before_start("run-1", scheduled=True)["decision"] == "nothing_to_do"


def test_a_run_that_reaches_the_cap_ends_in_order(place: Place) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as wall:
        watch = place.capped(3000)
        place.fill(*[IMAGE] * 3)
        place.records.record_model_running("run-1", inference_units=1, ours=True)
        wall.shift(590)
        answer = watch.draining("run-1", None)
        assert (answer["decision"], answer["wait_seconds"]) == ("busy", 2)
        wall.shift(10)
        assert watch.draining("run-1", None)["decision"] == "daily_cap_reached"


def test_no_wait_is_longer_than_what_is_left_of_the_day_or_the_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.queue, "count", lambda: Backlog(1_000_000, 0, 0))
    monkeypatch.setattr(place.waiting, "look", lambda _: Waiting(1000, "", is_all=False))
    before = carried(total=1_000_000, images_done=0, watched_seconds=864_000)
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as wall:
        capped = place.capped(3000)
        place.records.record_model_running("run-1", inference_units=1, ours=True)
        wall.shift(570)
        assert capped.draining("run-1", before)["wait_seconds"] == 30
        assert place.watch(max_run=timedelta(seconds=590)).draining("run-1", before)["wait_seconds"] == 20


def test_a_model_that_somebody_else_runs_uses_nothing_of_the_cap(place: Place) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as wall:
        watch = place.capped(0)
        place.fill(IMAGE)
        place.records.record_model_running("run-1", inference_units=1, ours=False)
        wall.shift(4000)
        assert watch.draining("run-1", None)["decision"] == "busy"


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        ("2026-01-01T10:00:00+00:00", "2026-01-01T10:00:30+00:00", {"2026-01-01": 30}),
        ("2026-01-01T23:59:00+00:00", "2026-01-02T00:02:00+00:00", {"2026-01-01": 60, "2026-01-02": 120}),
        (
            "2026-01-01T12:00:00+00:00",
            "2026-01-03T12:00:00+00:00",
            {"2026-01-01": 43200, "2026-01-02": 86400, "2026-01-03": 43200},
        ),
        ("2026-01-01T23:00:00-02:00", "2026-01-01T23:30:00-02:00", {"2026-01-02": 1800}),
        ("2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00+00:00", {}),
    ],
)
def test_model_time_falls_on_the_days_of_utc(begin: str, end: str, days: dict[str, float]) -> None:
    assert split_by_utc_day(datetime.fromisoformat(begin), datetime.fromisoformat(end)) == days


# --- how fast it was, and how long it may look


def test_only_time_with_images_waiting_shows_how_fast_the_model_is() -> None:
    state = draining(Backlog(100, 10, 0), Progress(0, 0, 0), None, at=1000)
    state = draining(Backlog(70, 10, 0), Progress(30, 0, 25), state, at=1010)
    assert (state.saturated_ms, state.saturated_images) == (10_000, 25)
    # No progress: a look is only as new as the last batch that ended.
    state = draining(Backlog(70, 10, 0), Progress(30, 0, 25), state, at=1015)
    assert (state.saturated_ms, state.saturated_images) == (10_000, 25)
    # Images that were deleted meanwhile, or are too large, never asked the model.
    state = draining(Backlog(20, 10, 0), Progress(80, 0, 25), state, at=1020)
    assert (state.saturated_ms, state.saturated_images) == (10_000, 25)
    # Nothing waits any more: the model may have had less to do than it could.
    state = draining(Backlog(0, 10, 0), Progress(90, 0, 35), state, at=1030)
    assert (state.saturated_ms, state.saturated_images) == (10_000, 25)
    closed = poll_closed(Backlog(9, 0, 0), Progress(100, 0, 45), state, now_ms=1_040_000)
    reopened = draining(Backlog(5, 0, 0), Progress(104, 0, 49), closed, at=1100)
    assert (reopened.saturated_ms, reopened.saturated_images) == (10_000, 25)


def test_the_time_with_images_waiting_is_in_the_runs_record(
    watch: QueueChecks, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.queue, "count", lambda: Backlog(50, 10, 0))
    before = DrainState.from_workflow(watch.draining("run-1", None)["drain_state"])
    place.records.add_batch("run-1", BatchCounts(processed=25, labelled=20))
    place.clock.now += 10
    watch.draining("run-1", before)
    record = place.records.read("run-1")
    assert (record.saturated_seconds, record.saturated_images) == (10, 20)


def test_a_run_that_has_polled_as_often_as_its_history_allows_ends_in_order(watch: QueueChecks, place: Place) -> None:
    place.fill(IMAGE)
    assert not draining(Backlog(1, 0, 0), Progress(0, 0), carried(total=1, visits=MAX_VISITS - 1)).is_history_full
    before = carried(total=1, visits=MAX_VISITS)
    assert watch.draining("run-1", before)["decision"] == "time_limit_reached"
    assert (
        place.records.read("run-1").reason
        == "the run has polled as often as its history allows; 1 images wait for the next run"
    )


def test_a_look_at_the_closed_trigger_counts_for_the_switches_around_it() -> None:
    before = carried(total=0, images_done=0, visits=10)
    assert poll_closed(Backlog(0, 0, 0), Progress(0, 0), before, now_ms=0).visits == 30


# --- many images that fail, each for its own fault


@pytest.mark.parametrize(
    ("processed", "failed", "percent"), [(25, 24, None), (25, 25, 50), (0, 50, 100), (60, 0, 0), (0, 49, None)]
)
def test_the_share_of_failed_images_is_reported_while_the_run_goes_on(
    processed: int, failed: int, percent: int | None, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    reported: dict[str, float] = {}
    monkeypatch.setattr(queue_checks.metrics, "add_metric", lambda name, value, **_: reported.update({name: value}))
    place.lease.acquire(RUN)
    place.records.open("run-1")
    place.records.add_batch("run-1", BatchCounts(processed=processed, failed=failed))
    place.fill(IMAGE)
    for check in (
        lambda: place.watch().draining("run-1", None),
        lambda: place.watch().closed("run-1", None, take_more=True),
    ):
        reported.clear()
        check()
        assert reported == ({} if percent is None else {"FailedImagesPercent": percent})


class Functions:
    """A Lambda client with the analysis function, which leaves some messages unfinished."""

    def __init__(self, *unfinished: str, error: ClientError | None = None, **more: str) -> None:
        self.unfinished, self.error, self.more = unfinished, error, more
        self.events: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "analyze"
        self.events.append(json.loads(Payload))
        if self.error:
            raise self.error
        records = self.events[-1]["Records"]
        failures = [{"itemIdentifier": r["messageId"]} for r in records if r["body"] in self.unfinished]
        answer = {"errorMessage": "killed"} if self.more else {"batchItemFailures": failures}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **self.more}


def look_again(place: Place, functions: Functions, *bodies: str) -> Look:
    """Look into a queue whose messages were received before."""
    place.fill(*bodies)
    place.sqs.receive_message(QueueUrl=place.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    finished = FinishedImages(functions, "analyze")
    dead_letters = DeadLetterQueue(place.sqs, "unused")
    queue = PeekableQueue(place.sqs, place.queue_url, dead_letters, SOURCE, finished.finish)
    return queue.look("run-1", lambda upload: upload.key == "logos/a.jpg")


def test_a_message_that_came_before_and_whose_image_is_gone_is_counted_by_the_analysis(place: Place) -> None:
    functions = Functions()
    look = look_again(place, functions, GONE, GONE)
    assert (look.gone, look.is_complete) == (2, True)
    [record, _] = [record for event in functions.events for record in event["Records"]]
    assert RetryState.read(record).redelivered
    assert place.queue.count().total == 0


def test_a_message_that_came_for_the_first_time_is_deleted_without_the_analysis(place: Place) -> None:
    place.fill(GONE)
    assert place.queue.look("run-1", lambda _: False) == Look(gone=1, is_complete=True)


@pytest.mark.parametrize(
    "functions",
    [
        Functions(GONE),
        Functions(error=aws_error("TooManyRequestsException")),
        Functions(FunctionError="Unhandled"),
    ],
)
def test_what_the_analysis_did_not_finish_stays_and_counts_as_work(functions: Functions, place: Place) -> None:
    look = look_again(place, functions, GONE)
    assert (look.image, look.is_complete) == (None, False)
    assert (len(functions.events), place.queue.count().visible) == (1, 1)
