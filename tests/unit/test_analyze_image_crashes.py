"""The function killed at any point, and the services it needs to keep its messages failing: one result all the same."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from analyze_image import batch as budget
from analyze_image import handler as handler_module
from analyze_image import store as store_module
from analyze_image.analysis import COUNT_ATTEMPTS, Analysis
from analyze_image.rate_limiter import MAX_WAIT_SECONDS
from shared.model_state import ModelState
from shared.run_record import BatchCounts, CountedImage, RunRecords
from shared.s3_events import Source
from tests.unit.analyze_image_kit import (
    RECEIVES_AT_MOST,
    RUN,
    VISIBILITY_SECONDS,
    Crash,
    CrashingS3,
    Pipeline,
    body,
    detect_error,
    event_of,
    keys,
)
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, TABLE, aws_error

# A killed function has no metrics to tell.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

ONE_RESULT = ["processed/a.jpg", "processed/a.jpg.json"]


def kill(pipeline: Pipeline) -> None:
    with pytest.raises(Crash):
        pipeline.invoke()
    pipeline.start_environment()


# --- killed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 7))
def test_killed_at_any_call_to_s3(call: int, after: bool, pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.faulty_s3._client = CrashingS3(pipeline.s3, call, after=after)
    kill(pipeline)
    pipeline.faulty_s3._client = pipeline.s3
    pipeline.drain()
    assert len(pipeline.messages()) == 1, "hidden for the visibility timeout"
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert keys(pipeline.s3, FINAL) == ONE_RESULT
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize(
    "error",
    [
        detect_error("ThrottlingException"),
        detect_error("ResourceNotReadyException"),
        detect_error("InternalServerError"),
        aws_error("SlowDown", operation="PutObject"),
    ],
    ids=str,
)
def test_killed_between_sending_a_copy_and_deleting_the_original(error: Exception, pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.rekognition.error = error
    pipeline.faulty_sqs.after["send_message"] = Crash()
    kill(pipeline)
    assert len(pipeline.messages()) == 2
    pipeline.rekognition.error = None
    pipeline.faulty_sqs.after.clear()
    pipeline.run_for(VISIBILITY_SECONDS + 10)
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert len(pipeline.rekognition.calls) == 2
    assert keys(pipeline.s3, FINAL) == ONE_RESULT
    assert (pipeline.record.processed, pipeline.record.nothing_to_do) == (1, 0), "a redelivery is no progress"
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_killed_before_a_copy_is_sent(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.rekognition.error = detect_error("ThrottlingException")
    pipeline.faulty_sqs.faults["send_message"] = Crash()
    kill(pipeline)
    pipeline.rekognition.error = None
    pipeline.faulty_sqs.faults.clear()
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert keys(pipeline.s3, FINAL) == ONE_RESULT
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_copy_and_its_original_at_once_make_one_result(pipeline: Pipeline) -> None:
    [upload] = pipeline.upload("a.jpg")
    pipeline.send(body(event_of(upload)), {"deferrals": {"DataType": "Number", "StringValue": "1"}})
    assert pipeline.invoke() == 2
    assert keys(pipeline.s3, FINAL) == ONE_RESULT
    assert pipeline.messages() == []


def test_killed_between_dead_lettering_and_deleting(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("good.jpg", "a.jpg")
    pipeline.rekognition.errors["a.jpg"] = detect_error("InternalServerError")
    for _ in range(3):
        pipeline.drain()
        pipeline.pass_time(61)
    pipeline.faulty_sqs.after["send_message"] = Crash()
    kill(pipeline)
    assert len(pipeline.dead_letters()) == len(pipeline.messages()) == 1
    pipeline.faulty_sqs.after.clear()
    pipeline.assert_nothing_lost_or_doubled(uploads)
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.messages() == []
    assert len(pipeline.dead_letters()) == 2
    # Both brought back: the second finds the work of the first.
    pipeline.rekognition.errors.clear()
    for dead in pipeline.dead_letters():
        pipeline.send(dead["body"])
    pipeline.drain()
    assert keys(pipeline.s3, FINAL) == [*ONE_RESULT, "processed/good.jpg", "processed/good.jpg.json"]
    assert keys(pipeline.s3, SOURCE) == []


def test_a_function_that_always_dies_at_an_image_gives_it_to_the_dead_letters(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg")
    pipeline.rekognition.error = Crash()
    for _ in range(RECEIVES_AT_MOST):
        kill(pipeline)
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert len(pipeline.dead_letters()) == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


# --- a message that cannot be sent


@pytest.mark.parametrize(
    "error",
    [
        detect_error("ThrottlingException"),
        detect_error("ResourceNotReadyException"),
        detect_error("InternalServerError"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "refusal",
    [aws_error("AccessDenied", operation="SendMessage"), ConnectTimeoutError(endpoint_url="https://sqs")],
    ids=["refused", "out of reach"],
)
def test_a_message_whose_copy_cannot_be_sent_is_reported_and_redelivered(
    refusal: Exception, error: Exception, pipeline: Pipeline
) -> None:
    uploads = pipeline.upload("a.jpg", "b.jpg")
    pipeline.rekognition.error = error
    pipeline.faulty_sqs.faults["send_message"] = refusal
    pipeline.invoke()
    assert len(pipeline.failures) == len(pipeline.messages()) == 2
    pipeline.assert_nothing_lost_or_doubled(uploads)
    if "NotReady" in str(error):
        assert pipeline.record.blocked == 2, "the run has to know it all the same"
    pipeline.rekognition.error = None
    pipeline.faulty_sqs.faults.clear()
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.record.processed == 2
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_message_that_cannot_be_dead_lettered_stays_in_the_queue(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("good.jpg", "a.jpg")
    pipeline.rekognition.errors["a.jpg"] = detect_error("InternalServerError")
    for _ in range(3):
        pipeline.drain()
        pipeline.pass_time(61)
    pipeline.send("who sent this?")
    pipeline.faulty_sqs.faults["send_message"] = aws_error("AccessDenied", operation="SendMessage")
    pipeline.drain()
    assert pipeline.dead_letters() == []
    assert len(pipeline.messages()) == 2
    assert pipeline.record.dead_lettered == 0
    pipeline.assert_nothing_lost_or_doubled(uploads)
    pipeline.faulty_sqs.faults.clear()
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert len(pipeline.dead_letters()) == 2
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("error", [KeyError("CustomLabels"), RuntimeError("a defect of ours"), RecursionError()])
def test_an_error_that_nobody_foresaw_stops_neither_the_batch_nor_the_function(
    error: Exception, pipeline: Pipeline
) -> None:
    uploads = pipeline.upload("odd.jpg", "good.jpg")
    pipeline.rekognition.errors["odd.jpg"] = error
    pipeline.run_for(120)
    assert pipeline.record.processed == 1
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_code"] == type(error).__name__
    pipeline.assert_nothing_lost_or_doubled(uploads)


# --- counting


def test_a_batch_is_counted_although_another_is_counted_at_the_same_moment(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts = [aws_error("TransactionCanceledException")] * (COUNT_ATTEMPTS - 1)
    add = RunRecords.add_batch

    def conflicted(records: RunRecords, run_id: str, counts: BatchCounts, images: list[CountedImage]) -> None:
        if conflicts:
            raise conflicts.pop()
        add(records, run_id, counts, images)

    monkeypatch.setattr(RunRecords, "add_batch", conflicted)
    pipeline.upload("a.jpg")
    pipeline.drain()
    assert pipeline.record.processed == 1


@pytest.mark.parametrize("code", ["TransactionCanceledException", "ProvisionedThroughputExceededException"])
def test_a_batch_that_cannot_be_counted_is_labelled_and_its_messages_come_again_to_be_counted(
    code: str, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def refuse(_: RunRecords, run_id: str, *__: object) -> None:
        calls.append(run_id)
        raise aws_error(code)

    with monkeypatch.context() as patch:
        patch.setattr(RunRecords, "add_batch", refuse)
        uploads = pipeline.upload("a.jpg", "bad.jpg")
        pipeline.rekognition.errors["bad.jpg"] = detect_error("ImageTooLargeException")
        pipeline.invoke()
    assert calls == [RUN] * (COUNT_ATTEMPTS if code.startswith("Transaction") else 1)
    assert len(pipeline.failures) == len(pipeline.messages()) == 2
    assert keys(pipeline.s3, SOURCE) == []
    # Another run goes on, in batches of its own.
    for _ in range(3):
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
        pipeline.drain()
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert (pipeline.record.processed, pipeline.record.failed, pipeline.record.nothing_to_do) == (1, 1, 0)
    assert pipeline.rekognition.calls_for("a.jpg") == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_an_image_that_can_never_be_counted_does_not_end_in_the_dead_letters(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise aws_error("AccessDeniedException")

    monkeypatch.setattr(RunRecords, "add_batch", refuse)
    uploads = pipeline.upload("a.jpg")
    for _ in range(RECEIVES_AT_MOST + 1):
        pipeline.drain()
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert pipeline.most_receives == RECEIVES_AT_MOST - 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("after", [False, True])
def test_killed_while_it_counts_a_batch_counts_every_image_once(
    after: bool, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RunRecords.add_batch

    def killed(records: RunRecords, run_id: str, counts: BatchCounts, images: list[CountedImage]) -> None:
        if after:
            add(records, run_id, counts, images)
        raise Crash

    uploads = pipeline.upload("a.jpg", "b.jpg", "bad.jpg")
    pipeline.rekognition.errors["bad.jpg"] = detect_error("ImageTooLargeException")
    # Killed twice: the second time while it counts what the first batch did.
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(RunRecords, "add_batch", killed)
            if not after or not pipeline.record.processed:
                kill(pipeline)
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.messages() == pipeline.dead_letters() == []
    assert (pipeline.record.processed, pipeline.record.failed) == (2, 1)
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_message_that_cannot_be_deleted_counts_its_image_once(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    for _ in range(3):
        assert pipeline.invoke(can_delete=False) == 1
        pipeline.pass_time(VISIBILITY_SECONDS + 1)
    assert (pipeline.record.processed, pipeline.record.nothing_to_do) == (1, 0)


def test_a_batch_that_ends_after_its_run_leaves_its_images_for_the_next_run_to_count(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("a.jpg", "bad.jpg")
    pipeline.rekognition.errors["bad.jpg"] = detect_error("ImageTooLargeException")
    pipeline.records.finish(RUN, datetime.now(UTC))
    pipeline.invoke()
    assert (len(pipeline.failures), keys(pipeline.s3, SOURCE)) == (2, [])
    assert pipeline.record.images_done == 0, "the receipt is written"
    pipeline.run_id = "the-next-run"
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    record = pipeline.records.read("the-next-run")
    assert (record.processed, record.failed, pipeline.messages()) == (1, 1, [])
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("known", [False, True])
def test_without_a_run_images_are_labelled_and_a_later_run_counts_them(known: bool, pipeline: Pipeline) -> None:
    def unknown() -> None:
        raise aws_error("ThrottlingException")

    nobody = ModelState()
    object.__setattr__(handler_module._analysis(), "read_state", (lambda: nobody) if known else unknown)
    uploads = pipeline.upload("good.jpg", "poison.jpg")
    pipeline.rekognition.errors["poison.jpg"] = detect_error("InternalServerError")
    pipeline.run_for(120)
    assert pipeline.record.images_done == 0
    assert [dead["attributes"]["error_code"] for dead in pipeline.dead_letters()] == ["InternalServerError"]
    pipeline.assert_nothing_lost_or_doubled(uploads)
    pipeline.start_environment()
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert pipeline.messages() == []
    assert (pipeline.record.processed, pipeline.rekognition.calls_for("good.jpg")) == (1, 1)


# --- the time it may take


@pytest.fixture
def analysis(aws: None, monkeypatch: pytest.MonkeyPatch) -> Analysis:  # noqa: ARG001
    """What the function makes of its environment, with a boto3 that does not know the condition of a copy."""
    monkeypatch.setattr(store_module, "KNOWS_CONDITION", False)
    variables = {
        "SOURCE_BUCKET_NAME": SOURCE,
        "FINAL_BUCKET_NAME": FINAL,
        "IMAGE_SUFFIXES": '[".jpg"]',
        "RUNS_TABLE_NAME": TABLE,
        "PROJECT_VERSION_ARN": MODEL_ARN,
        "QUEUE_URL": "https://sqs/images",
        "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made: Analysis = handler_module._analysis.__wrapped__()
    return made


@pytest.fixture
def clients(analysis: Analysis) -> dict[str, Any]:
    """The configuration of the clients as the function makes them."""
    made = [
        analysis.labelling._detector._rekognition,
        analysis.labelling._store._s3,
        analysis.queue._sqs,
        analysis.records._items._dynamodb,
    ]
    assert (analysis.queue._url, analysis.dead_letters._url) == ("https://sqs/images", "https://sqs/dead")
    return {client.meta.service_model.service_name: client.meta.config for client in made}


def test_the_function_takes_images_alone_and_sends_the_condition_of_a_copy_in_any_case(analysis: Analysis) -> None:
    assert analysis.source == Source(SOURCE, "", (".jpg",))
    s3, sent = analysis.labelling._store._s3, []
    s3.meta.events.register("before-send.s3.CopyObject", lambda request, **_: sent.append(request.headers))
    with pytest.raises(ClientError):
        s3.copy_object(Bucket=FINAL, Key="a.jpg", CopySource={"Bucket": SOURCE, "Key": "a.jpg"})
    assert [headers["If-None-Match"] for headers in sent] == [b"*"]


def worst(config: Any, held_back_seconds: float = 0) -> float:  # noqa: ANN401
    attempts = config.retries["total_max_attempts"]
    # botocore waits up to 1, 2, 4 s between attempts.
    between = sum(2**attempt for attempt in range(attempts - 1))
    return attempts * (config.connect_timeout + config.read_timeout + held_back_seconds) + between


def test_what_one_image_may_take_fits_the_clients_and_the_functions_timeout(clients: dict[str, Any]) -> None:
    assert worst(clients["rekognition"], held_back_seconds=MAX_WAIT_SECONDS) == budget.DETECT_SECONDS
    assert worst(clients["s3"]) == budget.S3_CALL_SECONDS
    assert worst(clients["sqs"]) == budget.SEND_SECONDS
    assert worst(clients["dynamodb"]) == budget.COUNT_SECONDS
    function_tf = (Path(__file__).parents[2] / "terraform" / "function_analyze_image.tf").read_text()
    timeout = int(re.search(r"analyze_image_timeout_seconds\s*=\s*(\d+)", function_tf)[1])
    read_whose_run_seconds = budget.COUNT_SECONDS
    assert budget.ONE_IMAGE_SECONDS + read_whose_run_seconds < timeout
