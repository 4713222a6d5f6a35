"""What the counts mean: work, nothing to do, busy, drained, stuck."""

import json
from typing import Any

import pytest

from check_queue.logic import Backlog, Sample, is_drained, sample_closed, sample_draining
from check_queue.queue import ImageQueue, kind_of
from check_queue.queue_watch import QueueWatch
from shared.errors import LeaseLost, NoProgress
from shared.lease import Lease
from shared.run_record import RunRecords

IMAGE = json.dumps({"Records": [{"eventSource": "aws:s3", "s3": {}}]})
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})


@pytest.fixture
def queue_url(sqs: Any) -> str:  # noqa: ANN401
    return sqs.create_queue(QueueName="images")["QueueUrl"]


@pytest.fixture
def watch(sqs: Any, queue_url: str, lease: Lease, records: RunRecords) -> QueueWatch:  # noqa: ANN401
    lease.acquire("run-1")
    return QueueWatch(ImageQueue(sqs, queue_url), lease, records, longest_wait=300)


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
    queue_url: str,
) -> None:
    fill(sqs, queue_url, TEST_EVENT, TEST_EVENT)
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"
    assert ImageQueue(sqs, queue_url).count() == Backlog(0, 0, 0)


def test_an_image_behind_test_events_is_work(watch: QueueWatch, sqs: Any, queue_url: str) -> None:  # noqa: ANN401
    fill(sqs, queue_url, TEST_EVENT, TEST_EVENT, IMAGE)
    assert watch.before_start("run-1")["verdict"] == "work"
    assert ImageQueue(sqs, queue_url).count() == Backlog(1, 0, 0)


def test_a_message_that_is_no_event_starts_nothing_and_stays(
    watch: QueueWatch,
    sqs: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    fill(sqs, queue_url, "hello", "[1]", "{}")
    assert watch.before_start("run-1")["verdict"] == "nothing_to_do"
    assert ImageQueue(sqs, queue_url).count().visible == 3


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
    watch.closed("run-1", None)
    assert not lease.renew("run-1").images_waiting


def test_receives_that_return_less_than_there_is_are_repeated() -> None:
    class Miser:
        """Gives one message a receive."""

        def __init__(self, *bodies: str) -> None:
            self.bodies, self.put_back, self.deleted = list(bodies), [], []

        def receive_message(self, **parameters: object) -> dict[str, Any]:
            assert parameters["VisibilityTimeout"] == 30
            body = self.bodies.pop(0)
            return {"Messages": [{"Body": body, "ReceiptHandle": body}]}

        def delete_message(self, **parameters: str) -> None:
            self.deleted.append(parameters["ReceiptHandle"])

        def change_message_visibility(self, **parameters: Any) -> None:  # noqa: ANN401
            assert parameters["VisibilityTimeout"] == 0
            self.put_back.append(parameters["ReceiptHandle"])

    miser = Miser(TEST_EVENT, "hello", IMAGE, IMAGE)
    peek = ImageQueue(miser, "url").peek()
    assert (peek.images, peek.test_events, peek.foreign) == (1, 1, 1)
    assert (miser.deleted, miser.put_back) == ([TEST_EVENT], ["hello", IMAGE])


def test_a_look_ends_although_strangers_keep_coming() -> None:
    class Flood:
        """Always has one more message of a stranger, as a queue whose count was far too low."""

        receives = put_back = 0

        def receive_message(self, **_: object) -> dict[str, Any]:
            self.receives += 1
            return {"Messages": [{"Body": "hello", "ReceiptHandle": str(self.receives)}]}

        def change_message_visibility(self, **_: object) -> None:
            self.put_back += 1

    flood = Flood()
    assert ImageQueue(flood, "url").peek().foreign == 10
    assert (flood.receives, flood.put_back) == (10, 10)


def test_a_long_queue_is_work_without_a_look_into_it(watch: QueueWatch, sqs: Any, queue_url: str) -> None:  # noqa: ANN401
    fill(sqs, queue_url, *[TEST_EVENT] * 11)
    assert watch.before_start("run-1")["verdict"] == "work"
    assert ImageQueue(sqs, queue_url).count().visible == 11


def test_messages_in_flight_or_delayed_are_work(watch: QueueWatch, sqs: Any, queue_url: str) -> None:  # noqa: ANN401
    fill(sqs, queue_url, IMAGE)
    sqs.receive_message(QueueUrl=queue_url)
    assert watch.before_start("run-1")["verdict"] == "work"
    sqs.purge_queue(QueueUrl=queue_url)
    sqs.send_message(QueueUrl=queue_url, MessageBody=IMAGE, DelaySeconds=60)
    assert watch.before_start("run-1")["delayed"] == 1
    assert watch.before_start("run-1")["verdict"] == "work"


def test_every_look_needs_the_lease(watch: QueueWatch) -> None:
    for look in (watch.before_start, lambda run: watch.draining(run, None), lambda run: watch.closed(run, None)):
        with pytest.raises(LeaseLost):
            look("run-2")


def test_a_queue_is_drained_when_seen_empty_over_a_minute() -> None:
    sample, waited = None, 0
    for _ in range(20):
        sample = sample_draining(Backlog(0, 0, 0), 5, sample, 300)
        if is_drained(sample):
            break
        waited += sample.wait_seconds
    assert waited == 60


@pytest.mark.parametrize("backlog", [Backlog(1, 0, 0), Backlog(0, 1, 0), Backlog(0, 0, 1)])
def test_any_message_begins_the_minute_again(backlog: Backlog) -> None:
    almost = Sample(total=0, images_done=5, empty_samples=3, wait_seconds=20)
    assert sample_draining(backlog, 5, almost, 300).empty_samples == 0


@pytest.mark.parametrize(
    ("total", "longest", "wait"), [(1, 300, 15), (2_000, 300, 40), (1_000_000, 300, 300), (1_000_000, 100, 100)]
)
def test_the_wait_grows_with_the_backlog_up_to_a_bound(total: int, longest: int, wait: int) -> None:
    assert sample_draining(Backlog(total, 0, 0), 0, None, longest).wait_seconds == wait


def test_progress_is_an_image_that_ended_and_not_a_lower_count() -> None:
    before = Sample(total=10, images_done=5, idle_seconds=100, wait_seconds=15)
    assert sample_draining(Backlog(10, 0, 0), 6, before, 300).idle_seconds == 0
    assert sample_draining(Backlog(9, 0, 0), 5, before, 300).idle_seconds == 115
    assert sample_draining(Backlog(10, 0, 0), 5, before, 300).idle_seconds == 115
    assert sample_closed(Backlog(0, 10, 0), 5, before).idle_seconds == 115


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
    assert watch.closed("run-1", None)["verdict"] == "empty"
    fill(sqs, queue_url, IMAGE)
    assert watch.closed("run-1", None)["verdict"] == "more_work"
    sqs.receive_message(QueueUrl=queue_url)
    assert watch.closed("run-1", None)["verdict"] == "in_flight"


def test_the_sample_survives_the_way_through_the_workflow() -> None:
    sample = Sample(total=3, images_done=2, empty_samples=1, idle_seconds=15, wait_seconds=20)
    assert Sample.from_workflow(json.loads(json.dumps(sample.to_workflow()))) == sample
    assert Sample.from_workflow(None) is None


@pytest.mark.parametrize("body", ["", "null", "7", '"x"', "{", '{"Records": 3}', '{"Event": "other"}'])
def test_anything_else_is_foreign(body: str) -> None:
    assert kind_of(body) == "foreign"
