"""How a message is requeued: what its copy carries, its delay, and what each class of error does to the batch."""

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from analyze_image.batch import ONE_IMAGE_SECONDS, REQUEUE_SECONDS
from analyze_image.requeue import delay_after_deferral, delay_after_failure
from shared.retry_state import RetryState
from tests.unit.analyze_image_kit import (
    RUN,
    VISIBILITY_SECONDS,
    Pipeline,
    body,
    detect_error,
    document,
    event_of,
    keys,
    put,
)
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, aws_error

URL = "https://service"


def record(attributes: Any = None, receives: Any = "1", sent: Any = "1800000000999") -> dict[str, Any]:  # noqa: ANN401
    message: dict[str, Any] = {
        "messageId": "m",
        "receiptHandle": "handle",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": receives, "SentTimestamp": sent},
    }
    if attributes is not None:
        message["messageAttributes"] = attributes
    return message


def numbers(**values: str) -> dict[str, Any]:
    return {name: {"stringValue": value, "dataType": "Number"} for name, value in values.items()}


# --- what a copy carries


def test_a_message_of_s3_has_no_history() -> None:
    assert RetryState.read(record({})) == RetryState(first_sent_at=1_800_000_000)
    assert not RetryState.read(record()).redelivered


def test_what_a_copy_carries_is_read_back() -> None:
    history = RetryState(deferrals=3, attempts=2, counted_failures=1, first_sent_at=1_700_000_000)
    sent = {name: {"stringValue": value["StringValue"]} for name, value in history.attributes().items()}
    assert set(sent) == {"deferrals", "attempts", "counted_failures", "first_sent_at"}
    assert all(value["DataType"] == "Number" for value in history.attributes().values())
    again = RetryState.read(record(sent))
    assert (again.deferrals, again.attempts, again.counted_failures, again.first_sent_at) == (3, 2, 1, 1_700_000_000)


@pytest.mark.parametrize(
    ("attributes", "receives"),
    [
        ({}, "2"),
        (numbers(deferrals="1"), "1"),
        (numbers(attempts="1"), "1"),
        # From the dead-letter queue, where it may have gone after a claim.
        ({"error_code": {"stringValue": "InternalServerError", "dataType": "String"}}, "1"),
    ],
)
def test_an_earlier_attempt_may_have_claimed_a_name(attributes: dict[str, Any], receives: str) -> None:
    assert RetryState.read(record(attributes, receives)).redelivered


@pytest.mark.parametrize(
    "junk",
    [
        None,
        7,
        [],
        {},
        {"stringValue": None},
        {"stringValue": 7},
        *({"stringValue": text} for text in ("", "many", "-1", "1.5", "٣", "9" * 400, "1e3", " 1", "0x10", "\n1")),
        {"binaryValue": "AA=="},
    ],
)
def test_junk_in_an_attribute_counts_as_nothing(junk: Any) -> None:  # noqa: ANN401
    names = ("deferrals", "attempts", "counted_failures", "first_sent_at", "whatever")
    history = RetryState.read(record(dict.fromkeys(names, junk), receives=junk, sent=junk))
    assert (history.deferrals, history.attempts, history.counted_failures, history.first_sent_at) == (0, 0, 0, None)
    assert history.redelivered
    assert history.receives == 1


def test_numbers_far_out_of_bounds_are_no_crash() -> None:
    enormous = "9" * 15
    history = RetryState.read(record(numbers(deferrals=enormous, attempts=enormous, first_sent_at=enormous)))
    assert 30 <= delay_after_deferral(history.deferrals + 1, 60) <= 60
    assert delay_after_failure(history.attempts) == 60
    assert history.waited_seconds(0) == 0
    assert all(
        len(value["StringValue"]) <= 16 for value in history.deferred(0).failed_once(counted=True).attributes().values()
    )


def test_the_delay_of_a_deferral_grows_with_jitter_to_a_minute() -> None:
    for deferrals, longest in enumerate([5, 10, 20, 40, 60, 60, 60]):
        delays = {delay_after_deferral(deferrals, 60) for _ in range(300)}
        assert longest // 2 <= min(delays) < max(delays) <= longest
        assert max(delays) >= 0.8 * longest


def test_the_delay_of_a_failure_grows_to_a_minute() -> None:
    assert [delay_after_failure(attempts) for attempts in range(6)] == [5, 15, 45, 60, 60, 60]


def test_how_long_an_image_waited_is_known_from_its_first_message() -> None:
    assert RetryState(first_sent_at=100).waited_seconds(160.9) == 60
    assert RetryState().waited_seconds(160.9) is None


def test_a_copy_says_the_same_and_remembers_when_the_first_was_sent(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    [upload] = pipeline.upload("a b.jpg")
    pipeline.rekognition.error = detect_error("ThrottlingException")
    monkeypatch.setattr("analyze_image.batch.time.time", lambda: 1_800_000_000.5)
    for _ in range(3):
        pipeline.drain()
        pipeline.pass_time(100)
    [message] = pipeline.messages()
    assert message["body"] == body(event_of(upload))
    assert message["attributes"] == {
        "deferrals": "3",
        "deferred_since": "1800000000",
        "attempts": "0",
        "counted_failures": "0",
        "first_sent_at": "1800000000",
    }


# --- what each class of error does


def test_a_bad_image_fails_after_one_call_and_stops_nothing(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("bad.jpg", "good.jpg")
    pipeline.rekognition.errors["bad.jpg"] = detect_error("InvalidImageFormatException")
    pipeline.drain()
    pipeline.assert_nothing_lost_or_doubled(uploads)
    assert (pipeline.record.processed, pipeline.record.failed) == (1, 1)
    assert pipeline.messages() == []


def test_an_empty_object_fails_without_a_call(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("empty.jpg", content=b"")
    pipeline.drain()
    pipeline.assert_nothing_lost_or_doubled(uploads)
    assert pipeline.rekognition.calls == []
    assert document(pipeline.s3, "failed/empty.jpg.json")["error"] == {
        "code": "InvalidImageFormatException",
        "message": "the object is empty: it has 0 bytes",
    }


BLOCKING = ["ResourceNotReadyException", "ResourceNotFoundException", "AccessDeniedException"]


@pytest.mark.parametrize("code", BLOCKING)
def test_when_nothing_can_be_labelled_the_batch_goes_back_after_one_call(code: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*(f"{n}.jpg" for n in range(10)))
    pipeline.rekognition.error = detect_error(code, "is not for you")
    pipeline.invoke()
    assert len(pipeline.rekognition.calls) == 1
    assert pipeline.record.blocked == 10
    assert re.fullmatch(
        rf"{code}: is not for you \(DetectCustomLabels s3://{SOURCE}/\d\.jpg \(etag \w+\)\)",
        pipeline.record.blocked_reason,
    )
    assert pipeline.record.images_done == 0
    assert [message["attributes"]["deferrals"] for message in pipeline.messages()] == ["1"] * 10
    assert all(2 <= message["delay_seconds"] <= 5 for message in pipeline.messages())
    assert pipeline.failures == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "KMS.DisabledException"])
def test_when_the_final_bucket_refuses_nothing_leaves_the_source(code: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg", "b.jpg", "c.jpg")
    pipeline.faulty_s3.faults["put_object"] = aws_error(code, "no", "PutObject")
    pipeline.drain()
    assert pipeline.record.blocked == 3
    assert re.fullmatch(
        rf"{code}: no \(PutObject s3://{FINAL}/processed/[abc]\.jpg\.json\)", pipeline.record.blocked_reason
    )
    # The second time names are looked up first.
    pipeline.faulty_s3.faults["get_object"] = aws_error(code, "no", "GetObject")
    pipeline.pass_time(10)
    pipeline.drain()
    assert pipeline.record.blocked == 6
    assert keys(pipeline.s3, SOURCE) == ["a.jpg", "b.jpg", "c.jpg"]
    assert keys(pipeline.s3, FINAL) == []
    assert pipeline.dead_letters() == []
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(60)
    assert pipeline.record.processed == 3
    pipeline.assert_nothing_lost_or_doubled(uploads)


CONGESTING = [
    detect_error("ThrottlingException"),
    detect_error("ProvisionedThroughputExceededException"),
    detect_error("LimitExceededException"),
    EndpointConnectionError(endpoint_url=URL),
    ConnectTimeoutError(endpoint_url=URL),
]


@pytest.mark.parametrize("error", CONGESTING, ids=lambda error: str(error)[:40])
def test_after_a_throttle_the_batch_goes_back_without_another_call(error: Exception, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*(f"{n}.jpg" for n in range(10)))
    pipeline.rekognition.error = error
    pipeline.invoke()
    assert len(pipeline.rekognition.calls) == 1
    assert pipeline.record.blocked == 0
    assert [message["attributes"]["attempts"] for message in pipeline.messages()] == ["0"] * 10
    pipeline.rekognition.error = None
    pipeline.run_for(60)
    assert pipeline.record.processed == 10
    pipeline.assert_nothing_lost_or_doubled(uploads)


S3_CALLS = ["put_object", "copy_object", "delete_object"]
OPERATIONS = {
    "put_object": "PutObject",
    "copy_object": "CopyObject",
    "delete_object": "DeleteObject",
    "get_object": "GetObject",
    "head_object": "HeadObject",
}


@pytest.mark.parametrize(
    ("code", "carried_out"),
    [
        ("SlowDown", False),
        ("InternalError", False),
        ("InternalError", True),
        ("503", True),
        ("OperationAborted", False),
        ("ConditionalRequestConflict", False),
    ],
)
@pytest.mark.parametrize("call", S3_CALLS)
def test_a_passing_trouble_of_s3_at_any_call_is_made_good(
    call: str, code: str, carried_out: bool, pipeline: Pipeline
) -> None:
    uploads = pipeline.upload("a.jpg", "b.jpg")
    faults = pipeline.faulty_s3.after if carried_out else pipeline.faulty_s3.faults
    faults[call] = aws_error(code, "later", OPERATIONS[call])
    pipeline.drain()
    assert pipeline.rekognition.calls_for("b.jpg") == 1, "one image's trouble does not stop the next"
    assert pipeline.record.images_done == 0
    assert len(pipeline.messages()) == 2
    assert {message["attributes"]["attempts"] for message in pipeline.messages()} == {"0"}
    faults.clear()
    pipeline.run_for(120)
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert keys(pipeline.s3, FINAL) == [
        "processed/a.jpg",
        "processed/a.jpg.json",
        "processed/b.jpg",
        "processed/b.jpg.json",
    ]
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("call", ["get_object", "head_object"])
def test_a_passing_trouble_of_s3_while_looking_is_made_good(call: str, pipeline: Pipeline) -> None:
    uploads = [put(pipeline.s3, "a.jpg")]
    pipeline.send(body(event_of(uploads[0])), {"deferrals": {"DataType": "Number", "StringValue": "1"}})
    pipeline.rekognition.error = detect_error("InvalidS3ObjectException")
    pipeline.faulty_s3.faults[call] = aws_error("503", "later", OPERATIONS[call])
    pipeline.drain()
    [message] = pipeline.messages()
    assert (message["attributes"]["deferrals"], message["attributes"]["attempts"]) == ("2", "0")
    pipeline.rekognition.error = None
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(60)
    assert pipeline.messages() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("call", S3_CALLS)
def test_a_time_out_of_s3_sends_the_batch_back(call: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*(f"{n}.jpg" for n in range(5)))
    pipeline.faulty_s3.faults[call] = ReadTimeoutError(endpoint_url=URL)
    pipeline.invoke()
    assert len(pipeline.rekognition.calls) == 1, "each would take its 27 seconds"
    assert pipeline.record.blocked == 0
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(60)
    assert pipeline.messages() == pipeline.dead_letters() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_claims_that_conflict_for_ever_keep_the_image_waiting(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.faulty_s3.faults["put_object"] = aws_error("ConditionalRequestConflict", "meanwhile", "PutObject")
    pipeline.run_for(1800)
    assert pipeline.dead_letters() == []
    assert len(pipeline.messages()) == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_an_image_that_fails_is_retried_later_each_time(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    pipeline.rekognition.error = detect_error("InternalServerError")
    delays = []
    for _ in range(6):
        pipeline.drain()
        delays.append(pipeline.messages()[0]["delay_seconds"])
        pipeline.pass_time(delays[-1])
    assert delays == [5, 15, 45, 60, 60, 60]
    assert pipeline.messages()[0]["attributes"]["attempts"] == "6"


@pytest.mark.parametrize(
    "unexpected",
    ["who sent this?", "{}", '{"Records": []}', '{"Records": {}}', '{"Records": [{"s3": {}}]}', "[" * 10_000],
)
def test_an_unexpected_message_is_kept_with_its_reason_at_once(unexpected: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.send(unexpected)
    pipeline.drain()
    assert pipeline.messages() == []
    [dead] = pipeline.dead_letters()
    assert dead["body"] == unexpected
    assert dead["attributes"]["error_code"] == "UnexpectedMessage"
    assert dead["attributes"]["error_message"]
    assert dead["attributes"]["run_id"] == RUN
    assert pipeline.record.dead_lettered == 0, "it is no image, and no progress"
    assert pipeline.record.processed == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_an_unexpected_message_is_kept_while_nothing_can_be_labelled(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    pipeline.send("who sent this?")
    pipeline.send(json.dumps({"Event": "s3:TestEvent"}))
    pipeline.rekognition.error = detect_error("ResourceNotReadyException")
    pipeline.drain()
    assert len(pipeline.messages()) == len(pipeline.dead_letters()) == 1


def test_a_test_event_is_acknowledged(pipeline: Pipeline) -> None:
    pipeline.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": SOURCE}))
    pipeline.drain()
    assert pipeline.messages() == pipeline.dead_letters() == []


def test_an_image_is_not_begun_without_time_to_end_it(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg", "b.jpg")
    pipeline.seconds_left = ONE_IMAGE_SECONDS - 1
    pipeline.invoke()
    assert pipeline.rekognition.calls == []
    assert [message["delay_seconds"] for message in pipeline.messages()] == [0, 0]
    assert [message["attributes"]["deferrals"] for message in pipeline.messages()] == ["1", "1"], "time has a bound too"
    pipeline.seconds_left = ONE_IMAGE_SECONDS
    pipeline.drain()
    assert pipeline.record.processed == 2
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_message_is_left_where_it_is_without_time_to_send_it_again(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.seconds_left = REQUEUE_SECONDS - 1
    pipeline.invoke()
    assert len(pipeline.failures) == len(pipeline.messages()) == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_message_of_several_images_is_requeued_without_those_that_are_done(pipeline: Pipeline) -> None:
    uploads = [put(pipeline.s3, name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    pipeline.send(body(*(event_of(upload) for upload in uploads)))
    pipeline.rekognition.errors["b.jpg"] = detect_error("InternalServerError")
    pipeline.drain()
    assert [pipeline.rekognition.calls_for(upload.key) for upload in uploads] == [1, 1, 0]
    [message] = pipeline.messages()
    assert message["body"] == body(event_of(uploads[1]), event_of(uploads[2]))
    pipeline.assert_nothing_lost_or_doubled(uploads)
    pipeline.rekognition.errors.clear()
    pipeline.run_for(30)
    assert [pipeline.rekognition.calls_for(upload.key) for upload in uploads] == [1, 2, 1]
    assert pipeline.messages() == []
    assert (pipeline.record.processed, pipeline.record.nothing_to_do) == (3, 0)
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_what_one_image_of_a_message_went_through_does_not_count_against_the_next(pipeline: Pipeline) -> None:
    uploads = [put(pipeline.s3, name) for name in ("a.jpg", "b.jpg")]
    tried = {
        "attempts": {"DataType": "Number", "StringValue": "3"},
        "deferrals": {"DataType": "Number", "StringValue": "9"},
    }
    pipeline.send(body(*(event_of(upload) for upload in uploads)), tried)
    pipeline.rekognition.errors["b.jpg"] = detect_error("InternalServerError")
    pipeline.drain()
    [message] = pipeline.messages()
    assert (message["attributes"]["attempts"], message["attributes"]["deferrals"]) == ("1", "0")


def test_a_poison_image_takes_no_other_image_of_its_message_to_the_dead_letters(pipeline: Pipeline) -> None:
    uploads = [put(pipeline.s3, name) for name in ("a.jpg", "poison.jpg", "c.jpg")]
    pipeline.send(body(*(event_of(upload) for upload in uploads)))
    pipeline.rekognition.errors["poison.jpg"] = detect_error("InternalServerError")
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    assert dead["body"] == body(event_of(uploads[1]))
    assert (pipeline.record.processed, pipeline.record.dead_lettered) == (2, 1)
    assert pipeline.messages() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


DAY_SECONDS = 24 * 3600


@pytest.mark.parametrize(
    ("error", "days"),
    [
        (aws_error("SlowDown", "later", "PutObject"), 1),
        (detect_error("ThrottlingException"), 14),
        (detect_error("ResourceNotReadyException"), 14),
        (aws_error("AccessDenied", "no", "PutObject"), 14),
    ],
    ids=["S3's trouble", "throttled", "blocked", "refused"],
)
def test_an_image_that_is_deferred_for_too_long_is_dead_lettered_with_its_reason(
    error: Exception, days: int, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyze_image.batch.time.time", lambda: pipeline.milliseconds / 1000)
    # It may have waited for long, and time counts only from its first deferral.
    uploads = pipeline.upload("a.jpg")
    pipeline.pass_time(3 * DAY_SECONDS)
    if isinstance(error, ClientError) and error.operation_name == "DetectCustomLabels":
        pipeline.rekognition.error = error
    else:
        pipeline.faulty_s3.faults["put_object"] = error
    pipeline.drain()
    for _ in range(4 * days):
        assert pipeline.dead_letters() == []
        pipeline.pass_time(DAY_SECONDS / 4)
        pipeline.drain()
    assert pipeline.messages() == []
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_message"].endswith(f"(deferred {4 * days + 1} times in {24 * days} hours)")
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("code", ["ThrottlingException", "ResourceNotReadyException"])
def test_an_image_that_was_not_tried_does_not_take_anothers_error_for_its_own(code: str, pipeline: Pipeline) -> None:
    for name in ("a.jpg", "b.jpg"):
        long_ago = {"deferred_since": {"DataType": "Number", "StringValue": "1"}}
        pipeline.send(body(event_of(put(pipeline.s3, name))), long_ago)
    pipeline.rekognition.error = detect_error(code)
    pipeline.invoke()
    reasons = [dead["attributes"]["error_message"] for dead in pipeline.dead_letters()]
    call = rf"{code}: said AWS \(DetectCustomLabels s3://{SOURCE}/a.jpg .*\) \(deferred 1 times in \d+ hours\)"
    assert re.fullmatch(call, reasons[0])
    assert re.fullmatch(f"not tried, because of {call}", reasons[1])


def test_a_message_that_cannot_be_deleted_is_copied_once(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    pipeline.rekognition.error = detect_error("ThrottlingException")
    pipeline.invoke(can_delete=False)
    assert len(pipeline.messages()) == 2
    for _ in range(4):
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
        pipeline.drain()
    assert len(pipeline.messages()) == 2, "the copy, and the message that could not be deleted"


def test_a_message_that_somebody_only_looked_at_is_copied(pipeline: Pipeline) -> None:
    """The run looks into a short queue, which SQS counts as a receive."""
    pipeline.upload("a.jpg")
    [seen] = pipeline.sqs.receive_message(QueueUrl=pipeline.url)["Messages"]
    pipeline.sqs.change_message_visibility(
        QueueUrl=pipeline.url, ReceiptHandle=seen["ReceiptHandle"], VisibilityTimeout=0
    )
    pipeline.rekognition.error = detect_error("ThrottlingException")
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    assert pipeline.invoke() == 1
    assert pipeline.most_receives == 2
    assert pipeline.failures == []
    [copy] = pipeline.messages()
    assert copy["attributes"]["deferrals"] == "1"


def test_a_message_whose_copy_could_not_be_sent_is_copied_at_the_next_failure(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    pipeline.sqs.receive_message(QueueUrl=pipeline.url, VisibilityTimeout=0)
    pipeline.rekognition.error = detect_error("InternalServerError")
    pipeline.faulty_sqs.faults["send_message"] = aws_error("RequestThrottled", operation="SendMessage")
    pipeline.invoke()
    assert len(pipeline.failures) == 1
    pipeline.faulty_sqs.faults.clear()
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.invoke()
    [copy] = pipeline.messages()
    assert copy["attributes"]["attempts"] == "1"


def test_images_that_are_gone_are_no_progress_when_their_message_comes_again(pipeline: Pipeline) -> None:
    [gone] = pipeline.upload("a.jpg")
    pipeline.s3.delete_object(Bucket=SOURCE, Key=gone.key)
    pipeline.invoke(can_delete=False)
    assert pipeline.record.nothing_to_do == 1
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.messages() == []
    assert pipeline.record.nothing_to_do == 1


def test_an_image_deleted_or_overwritten_before_the_run_is_done(pipeline: Pipeline) -> None:
    [gone] = pipeline.upload("gone.jpg")
    pipeline.s3.delete_object(Bucket=SOURCE, Key=gone.key)
    pipeline.upload("newer.jpg", content=b"older")
    [newer] = pipeline.upload("newer.jpg", content=b"newer")
    refusing = detect_error("InvalidS3ObjectException")
    pipeline.rekognition.errors["gone.jpg"] = refusing
    pipeline.drain()
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert pipeline.s3.get_object(Bucket=FINAL, Key="processed/newer.jpg")["Body"].read() == b"newer"
    assert document(pipeline.s3, "processed/newer.jpg.json")["model"] == {"project_version_arn": MODEL_ARN}
    assert newer.key not in keys(pipeline.s3, SOURCE)


def test_the_metrics_count_what_became_of_a_batch(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.upload("good.jpg", "bad.jpg", "late.jpg", "later.jpg")
    pipeline.rekognition.errors["bad.jpg"] = detect_error("ImageTooLargeException")
    pipeline.rekognition.errors["late.jpg"] = detect_error("ThrottlingException")
    pipeline.invoke()
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    measured = json.loads(line)
    names = ("ImagesProcessed", "ImagesFailed", "ImagesDeadLettered", "MessagesRequeued", "DetectionsThrottled")
    assert [measured[name] for name in names] == [[1], [1], [0], [2], [1]]
