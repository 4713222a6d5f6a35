"""What the counts mean: work, nothing to do, busy, drained, stuck."""

import json
from datetime import timedelta
from typing import Any

import pytest

from check_queue.daily_cap import DailyCap
from check_queue.logic import Backlog, Progress, Sample, is_blocked, is_drained, sample_closed, sample_draining
from check_queue.queue import ImageQueue, kind_of
from check_queue.queue_watch import QueueWatch
from check_queue.start_gate import Gate
from shared.dead_letters import DeadLetters
from shared.errors import AnalysisBlocked, LeaseLost, NoProgress
from shared.lease import Lease
from shared.model_hours import ModelHours
from shared.run_record import BatchCounts, RunRecords
from tests.unit.conftest import MODEL_ARN, TABLE, Clock

IMAGE = json.dumps({"Records": [{"eventSource": "aws:s3", "s3": {}}]})
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})


@pytest.fixture
def queue_url(sqs: Any) -> str:  # noqa: ANN401
    return sqs.create_queue(QueueName="images")["QueueUrl"]


@pytest.fixture
def dead_letter_url(sqs: Any) -> str:  # noqa: ANN401
    return sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]


@pytest.fixture
def queue(sqs: Any, queue_url: str, dead_letter_url: str) -> ImageQueue:  # noqa: ANN401
    return ImageQueue(sqs, queue_url, DeadLetters(sqs, dead_letter_url))


def make_watch(
    queue: ImageQueue,
    lease: Lease,
    records: RunRecords,
    dynamodb: Any,  # noqa: ANN401
    clock: Clock,
    *,
    longest_run: timedelta = timedelta(hours=24),
    gate: Gate | None = None,
    cap_hours: float | None = None,
) -> QueueWatch:
    return QueueWatch(
        queue,
        lease,
        records,
        longest_run=longest_run,
        gate=gate or Gate(min_batch_size=1, max_wait_seconds=0),
        cap=DailyCap(cap_hours, ModelHours(dynamodb, TABLE, MODEL_ARN)),
        epoch=clock,
    )


@pytest.fixture
def watch(queue: ImageQueue, lease: Lease, records: RunRecords, dynamodb: Any, clock: Clock) -> QueueWatch:  # noqa: ANN401
    lease.acquire("run-1")
    records.open("run-1")
    return make_watch(queue, lease, records, dynamodb, clock)


def draining(backlog: Backlog, progress: Progress, before: Sample | None, left: int = 3600, at: float = 0) -> Sample:
    return sample_draining(backlog, progress, before, seconds_left=left, now_ms=int(at * 1000))


def fill(sqs: Any, queue_url: str, *bodies: str) -> None:  # noqa: ANN401
    for body in bodies:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)


def test_an_empty_queue_is_nothing_to_do(watch: QueueWatch) -> None:
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"


def test_an_image_is_work_and_stays_visible(watch: QueueWatch, sqs: Any, queue_url: str) -> None:  # noqa: ANN401
    fill(sqs, queue_url, IMAGE)
    assert watch.before_start("run-1")["verdict"] == "work"
    again = watch.before_start("run-1")
    assert (again["visible"], again["in_flight"]) == (1, 0)


def test_test_events_are_acknowledged_and_start_nothing(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue: ImageQueue,
    queue_url: str,
) -> None:
    fill(sqs, queue_url, TEST_EVENT, TEST_EVENT)
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"
    assert queue.count() == Backlog(0, 0, 0)


def test_an_image_behind_test_events_is_work(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue: ImageQueue,
    queue_url: str,
) -> None:
    fill(sqs, queue_url, TEST_EVENT, TEST_EVENT, IMAGE)
    assert watch.before_start("run-1")["verdict"] == "work"
    assert queue.count() == Backlog(1, 0, 0)


def test_a_message_that_is_no_event_starts_nothing_and_is_kept_with_its_reason(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue: ImageQueue,
    queue_url: str,
    dead_letter_url: str,
) -> None:
    bodies = ["hello", "[1]", "{}"]
    fill(sqs, queue_url, *bodies)
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"
    assert queue.count() == Backlog(0, 0, 0)
    kept = sqs.receive_message(QueueUrl=dead_letter_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    assert sorted(message["Body"] for message in kept["Messages"]) == sorted(bodies)
    attributes = kept["Messages"][0]["MessageAttributes"]
    assert attributes["error_message"]["StringValue"] == "not an S3 event message"
    assert attributes["run_id"]["StringValue"] == "run-1"


def test_images_that_are_known_to_wait_are_not_looked_at_again(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    for _ in range(20):
        assert watch.before_start("run-1")["verdict"] == "work"
    received = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert received[0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_an_empty_queue_forgets_that_images_waited(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    watch.before_start("run-1")
    sqs.purge_queue(QueueUrl=queue_url)
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"
    fill(sqs, queue_url, TEST_EVENT)
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"


def test_a_drained_queue_forgets_that_images_waited(watch: QueueWatch, lease: Lease) -> None:
    lease.note_images_waiting("run-1", waiting=True)
    watch.closed("run-1", None, take_more=True)
    assert not lease.renew("run-1").images_waiting


def test_an_empty_queue_is_written_down_with_its_instant(
    watch: QueueWatch,
    lease: Lease,
    clock: Clock,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    watch.before_start("run-1")
    watch.closed("run-1", None, take_more=True)
    assert lease.renew("run-1").queue_empty_at is None
    sqs.purge_queue(QueueUrl=queue_url)
    watch.closed("run-1", None, take_more=True)
    assert lease.renew("run-1").queue_empty_at == int(clock.now)
    clock.now += 50
    watch.before_start("run-1")
    assert lease.renew("run-1").queue_empty_at == int(clock.now)


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

    miser = Miser(TEST_EVENT, "hello", IMAGE, IMAGE)
    peek = ImageQueue(miser, "url", DeadLetters(miser, "dead-letter-url")).peek("run-1")
    assert (peek.images, peek.test_events, peek.foreign) == (1, 1, 1)
    assert (miser.deleted, miser.put_back, miser.set_aside) == ([TEST_EVENT, "hello"], [IMAGE], ["hello"])


def test_a_look_ends_although_strangers_keep_coming() -> None:
    class Flood:
        """Always has one more message of a stranger, as a queue whose count was far too low."""

        receives = deleted = 0

        def receive_message(self, **_: object) -> dict[str, Any]:
            self.receives += 1
            return {"Messages": [{"Body": "hello", "ReceiptHandle": str(self.receives)}]}

        def send_message(self, **_: object) -> None:
            pass

        def delete_message(self, **_: object) -> None:
            self.deleted += 1

    flood = Flood()
    assert ImageQueue(flood, "url", DeadLetters(flood, "dead-letter-url")).peek("run-1").foreign == 10
    assert (flood.receives, flood.deleted) == (10, 10)


def test_a_long_queue_is_work_without_a_look_into_it(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue: ImageQueue,
    queue_url: str,
) -> None:
    fill(sqs, queue_url, *[TEST_EVENT] * 11)
    assert watch.before_start("run-1")["verdict"] == "work"
    assert queue.count().visible == 11


def test_messages_in_flight_or_delayed_are_work(watch: QueueWatch, sqs: Any, queue_url: str) -> None:  # noqa: ANN401
    fill(sqs, queue_url, IMAGE)
    sqs.receive_message(QueueUrl=queue_url)
    assert watch.before_start("run-1")["verdict"] == "work"
    sqs.purge_queue(QueueUrl=queue_url)
    sqs.send_message(QueueUrl=queue_url, MessageBody=IMAGE, DelaySeconds=60)
    assert watch.before_start("run-1")["delayed"] == 1
    assert watch.before_start("run-1")["verdict"] == "work"


def test_every_look_needs_the_lease(watch: QueueWatch) -> None:
    for look in (
        watch.before_start,
        lambda run: watch.draining(run, None),
        lambda run: watch.closed(run, None, take_more=True),
    ):
        with pytest.raises(LeaseLost):
            look("run-2")


def test_a_queue_is_drained_when_seen_empty_over_a_minute() -> None:
    sample, waited = None, 0
    for _ in range(20):
        sample = draining(Backlog(0, 0, 0), Progress(5, 0), sample)
        if is_drained(sample):
            break
        waited += sample.wait_seconds
    assert waited == 60


@pytest.mark.parametrize("backlog", [Backlog(1, 0, 0), Backlog(0, 1, 0), Backlog(0, 0, 1)])
def test_any_message_begins_the_minute_again(backlog: Backlog) -> None:
    almost = Sample(total=0, images_done=5, empty_samples=3, wait_seconds=20)
    assert draining(backlog, Progress(5, 0), almost).empty_samples == 0


@pytest.mark.parametrize(
    ("total", "watched", "left", "wait"),
    [
        (1, 0, 9999, 5),
        (2_000, 0, 9999, 40),
        (1_000_000, 0, 9999, 60),
        (1_000_000, 12_000, 9999, 600),
        (1_000, 12_000, 9999, 20),
        (1_000_000, 864_000, 9999, 1800),
        (1_000_000, 864_000, 100, 100),
        (1_000_000, 864_000, -5, 5),
    ],
)
def test_the_wait_grows_with_the_work_left_and_the_time_watched(total: int, watched: int, left: int, wait: int) -> None:
    before = Sample(total=total, images_done=1, watched_seconds=watched)
    assert draining(Backlog(total, 0, 0), Progress(2, 0), before, left).wait_seconds == wait


def test_progress_is_an_image_that_ended_and_not_a_lower_count() -> None:
    before = Sample(total=10, images_done=5, idle_seconds=100, wait_seconds=15)
    assert draining(Backlog(10, 0, 0), Progress(6, 0), before).idle_seconds == 0
    assert draining(Backlog(9, 0, 0), Progress(5, 0), before).idle_seconds == 115
    assert draining(Backlog(10, 0, 0), Progress(5, 0), before).idle_seconds == 115
    assert sample_closed(Backlog(0, 10, 0), Progress(5, 0), before, now_ms=0).idle_seconds == 115


def test_a_queue_that_does_not_move_ends_the_run_within_minutes(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    before, waited = None, 0
    while waited < 180:
        answer = watch.draining("run-1", before)
        assert answer["verdict"] == "busy"
        before, waited = Sample.from_workflow(answer["sample"]), waited + answer["wait_seconds"]
    with pytest.raises(NoProgress, match="1 messages are in the queue and none was finished for 180 s"):
        watch.draining("run-1", before)


def test_after_closing_what_is_left_decides(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    assert watch.closed("run-1", None, take_more=True)["verdict"] == "empty"
    fill(sqs, queue_url, IMAGE)
    assert watch.closed("run-1", None, take_more=True)["verdict"] == "more_work"
    assert watch.closed("run-1", None, take_more=False)["verdict"] == "empty"
    sqs.receive_message(QueueUrl=queue_url)
    assert watch.closed("run-1", None, take_more=True)["verdict"] == "in_flight"
    assert watch.closed("run-1", None, take_more=False)["verdict"] == "in_flight"


def test_a_run_that_has_lasted_long_enough_is_out_of_time(
    queue: ImageQueue,
    lease: Lease,
    records: RunRecords,
    dynamodb: Any,  # noqa: ANN401
    clock: Clock,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    lease.acquire("run-1")
    records.open("run-1")
    parts = (queue, lease, records, dynamodb, clock)
    assert make_watch(*parts, longest_run=timedelta(0)).draining("run-1", None)["verdict"] == "time_limit_reached"
    assert make_watch(*parts, longest_run=timedelta(hours=1)).draining("run-1", None)["verdict"] == "busy"


def test_the_lease_lasts_through_the_wait_that_is_asked_for(
    watch: QueueWatch,
    lease: Lease,
    clock: Clock,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    before = Sample(total=1_000_000, images_done=0, watched_seconds=864_000)
    answer = watch.draining("run-1", before)
    clock.now += answer["wait_seconds"] + 899
    assert not lease.acquire("run-2").acquired


def test_refusals_of_the_whole_analysis_end_the_run_before_the_long_wait_for_progress(
    watch: QueueWatch,
    records: RunRecords,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, IMAGE)
    before = Sample.from_workflow(watch.draining("run-1", None)["sample"])
    records.add_batch("run-1", BatchCounts(refused=3, refusal="ResourceNotReadyException: the model is STOPPED"))
    for _ in range(5):
        before = Sample.from_workflow(watch.draining("run-1", before)["sample"])
    with pytest.raises(AnalysisBlocked, match="for 30 s, and the analysis sends them back: ResourceNotReadyException"):
        watch.draining("run-1", before)


def test_refusals_that_an_image_overcame_do_not_end_the_run() -> None:
    before = Sample(total=5, images_done=1, refused_before=0, idle_seconds=15, wait_seconds=15)
    progress = Progress(images_done=2, refused=3)
    assert not is_blocked(draining(Backlog(4, 0, 0), progress, before), progress)
    still = draining(Backlog(4, 0, 0), Progress(2, 3), Sample(total=4, images_done=2, refused_before=3))
    assert not is_blocked(still, Progress(2, 3))


def test_the_sample_survives_the_way_through_the_workflow() -> None:
    sample = Sample(total=3, images_done=2, empty_samples=1, idle_seconds=15, wait_seconds=20)
    assert Sample.from_workflow(json.loads(json.dumps(sample.to_workflow()))) == sample
    assert Sample.from_workflow(None) is None


@pytest.mark.parametrize("body", ["", "null", "7", '"x"', "{", '{"Records": 3}', '{"Event": "other"}'])
def test_anything_else_is_foreign(body: str) -> None:
    assert kind_of(body) == "foreign"
