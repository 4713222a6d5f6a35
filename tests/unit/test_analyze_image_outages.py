"""Hours of trouble, simulated: no outage fills the dead-letter queue, and an image that always errors ends there."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ReadTimeoutError

from analyze_image.poison import MAX_ATTEMPTS, MAX_FAILURES_WITHOUT_SUCCESS
from shared.s3_events import Upload
from tests.unit.analyze_image_kit import INVOCATIONS_OF_A_CHAIN, RUN, Pipeline, body, detect_error, event_of, keys, put
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, SOURCE, aws_error

# A run that gets nothing done ends after three minutes; the next one starts in the next hour.
FRUITLESS_RUN_SECONDS, HOUR_SECONDS = 210, 3600
URL = "https://service"
SERVER_ERROR = detect_error("InternalServerError", "Internal server error")


def names(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{n}.jpg" for n in range(count)]


def hourly_runs(pipeline: Pipeline, runs: int, until: Callable[[], bool] = lambda: False) -> int:
    """Run without progress once an hour, each time in a new environment; return how many runs there were."""
    for run in range(runs):
        pipeline.run_id = f"run-{run}"
        pipeline.start_environment()
        pipeline.run_for(FRUITLESS_RUN_SECONDS, until)
        if until():
            return run + 1
        pipeline.pass_time(HOUR_SECONDS)
    return runs


# --- outages


@pytest.mark.parametrize("code", ["ThrottlingException", "ResourceNotReadyException"])
def test_half_an_hour_of_throttle_burns_no_receives_and_loses_nothing(code: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*names(2))
    pipeline.rekognition.error = detect_error(code)
    pipeline.run_for(1800)
    assert pipeline.dead_letters() == []
    assert pipeline.most_receives == 1
    assert len(pipeline.messages()) == 2
    assert all(message["attributes"]["attempts"] == "0" for message in pipeline.messages())
    assert all(int(message["attributes"]["deferrals"]) > 30 for message in pipeline.messages())
    assert all(message["delay_seconds"] <= 60 and message["hidden_seconds"] == 0 for message in pipeline.messages())
    assert pipeline.longest_chain > 2 * INVOCATIONS_OF_A_CHAIN, "Lambda's bound on recursive loops was met"
    # An image comes back every three quarters of a minute, and its batch makes one call.
    assert len(pipeline.rekognition.calls) < 2 * 1800 / 40
    pipeline.rekognition.error = None
    pipeline.run_for(62)
    assert pipeline.record.processed == 2
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("burst_seconds", [0, 150])
def test_a_burst_of_server_errors_sends_no_image_to_the_dead_letters(burst_seconds: int, pipeline: Pipeline) -> None:
    good = pipeline.upload(*names(5, "before-"))
    pipeline.drain()
    uploads = pipeline.upload(*names(12))
    pipeline.rekognition.error = SERVER_ERROR
    pipeline.run_for(burst_seconds)
    assert pipeline.dead_letters() == []
    held = sorted(int(message["attributes"]["counted_failures"]) for message in pipeline.messages())
    assert held == [0] * 10 + [1] * 2, "the third image that failed in a row told of an outage"
    pipeline.rekognition.error = None
    pipeline.run_for(120)
    assert pipeline.record.processed == 17
    pipeline.assert_nothing_lost_or_doubled(good + uploads)


@pytest.mark.parametrize("error", [SERVER_ERROR, ReadTimeoutError(endpoint_url=URL)], ids=["server error", "no answer"])
def test_an_outage_over_many_runs_sends_no_image_to_the_dead_letters(error: Exception, pipeline: Pipeline) -> None:
    # As few as tell an outage from a poison image.
    uploads = pipeline.upload(*names(3))
    pipeline.rekognition.error = error
    assert hourly_runs(pipeline, 6) == 6
    assert pipeline.dead_letters() == []
    assert pipeline.most_receives == 1
    assert min(int(message["attributes"]["attempts"]) for message in pipeline.messages()) > MAX_FAILURES_WITHOUT_SUCCESS
    pipeline.rekognition.error = None
    pipeline.run_id = RUN
    pipeline.run_for(62)
    assert pipeline.record.processed == 3
    pipeline.assert_nothing_lost_or_doubled(uploads)


# --- images that always error


def test_a_poison_image_among_good_ones_ends_after_four_attempts_with_its_reason(pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*names(9), "poison.jpg")
    pipeline.rekognition.errors["poison.jpg"] = SERVER_ERROR
    pipeline.run_for(120, lambda: bool(pipeline.dead_letters()))
    [dead] = pipeline.dead_letters()
    image = uploads[-1]
    assert dead["attributes"] == {
        "error_code": "InternalServerError",
        "error_message": f"InternalServerError: Internal server error (DetectCustomLabels {image}) (failed 4 times)",
        "run_id": RUN,
    }
    assert pipeline.rekognition.calls_for("poison.jpg") == 4
    assert (pipeline.record.processed, pipeline.record.dead_lettered) == (9, 1)
    assert pipeline.messages() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_poison_image_alone_in_its_environment_ends_when_the_run_labels_others(pipeline: Pipeline) -> None:
    pipeline.upload("poison.jpg")
    pipeline.rekognition.error = SERVER_ERROR
    pipeline.run_for(70)
    assert pipeline.dead_letters() == []
    # Another environment labels an image.
    pipeline.start_environment()
    pipeline.rekognition.errors["poison.jpg"], pipeline.rekognition.error = SERVER_ERROR, None
    pipeline.upload("good.jpg")
    pipeline.drain()
    pipeline.start_environment()
    pipeline.run_for(120)
    assert len(pipeline.dead_letters()) == 1
    assert pipeline.rekognition.calls_for("poison.jpg") <= 5


def test_a_success_of_an_earlier_run_does_not_speak_against_an_image(pipeline: Pipeline) -> None:
    pipeline.upload("good.jpg")
    pipeline.drain()
    pipeline.run_id = "run-2"
    pipeline.upload("late.jpg")
    pipeline.rekognition.error = SERVER_ERROR
    pipeline.run_for(FRUITLESS_RUN_SECONDS)
    assert pipeline.rekognition.calls_for("late.jpg") >= 5
    assert pipeline.dead_letters() == []


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_poison_images_alone_end_within_twenty_attempts(count: int, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*names(count))
    pipeline.rekognition.error = SERVER_ERROR
    runs = hourly_runs(pipeline, 20, lambda: len(pipeline.dead_letters()) == count)
    assert 4 <= runs <= 7
    assert len(pipeline.dead_letters()) == count
    assert all(pipeline.rekognition.calls_for(name) <= MAX_FAILURES_WITHOUT_SUCCESS for name in names(count))
    assert pipeline.messages() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_several_poison_images_alone_end_too_after_a_day_of_hourly_runs(pipeline: Pipeline) -> None:
    uploads = [put(pipeline.s3, name) for name in names(3)]
    behind = {"attempts": {"DataType": "Number", "StringValue": str(MAX_ATTEMPTS - 10)}}
    for upload in uploads:
        pipeline.send(body(event_of(upload)), behind)
    pipeline.rekognition.error = SERVER_ERROR
    # Four attempts in a run of three minutes, so a hundred are a day.
    assert hourly_runs(pipeline, 9, lambda: len(pipeline.dead_letters()) == 3) == 3
    assert all(pipeline.rekognition.calls_for(name) == 10 for name in names(3))
    assert pipeline.messages() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_several_poison_images_among_good_ones_end_in_one_run(pipeline: Pipeline) -> None:
    poison, good = names(5, "poison-"), names(20, "good-")
    for name in poison:
        pipeline.rekognition.errors[name] = SERVER_ERROR
    uploads = pipeline.upload(*poison, *good[:2])
    for name in good[2:]:
        pipeline.run_for(20)
        uploads += pipeline.upload(name)
    pipeline.run_for(130)
    assert len(pipeline.dead_letters()) == 5
    assert pipeline.messages() == []
    assert (pipeline.record.processed, pipeline.record.dead_lettered) == (20, 5)
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("fault", ["copy_object", "delete_object"])
def test_an_image_that_s3_always_refuses_ends_with_its_reason_and_a_redrive_finishes_it(
    fault: str, pipeline: Pipeline
) -> None:
    pipeline.upload("good.jpg")
    pipeline.drain()
    [upload] = pipeline.upload("locked.jpg")
    pipeline.faulty_s3.faults[fault] = aws_error("AccessDenied", "not this one", "Operation")
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_code"] == "AccessDenied"
    assert keys(pipeline.s3, SOURCE) == ["locked.jpg"]
    # What `clb redrive` does: the message moves as it is, attributes and all.
    pipeline.faulty_s3.faults.clear()
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in dead["attributes"].items()}
    pipeline.send(dead["body"], attributes)
    calls = len(pipeline.rekognition.calls)
    pipeline.drain()
    assert len(pipeline.rekognition.calls) == calls, "its result was there already"
    assert "processed/locked.jpg" in keys(pipeline.s3, FINAL)
    assert upload.key not in keys(pipeline.s3, SOURCE)
    assert pipeline.messages() == []


def test_an_image_that_rekognition_may_not_read_ends_with_what_to_check(pipeline: Pipeline) -> None:
    pipeline.upload("good.jpg", "secret.jpg")
    pipeline.rekognition.errors["secret.jpg"] = detect_error("InvalidS3ObjectException")
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_code"] == "AccessMissingError"
    assert "check that the function's role" in dead["attributes"]["error_message"]


def test_a_redriven_image_has_all_its_attempts_again(pipeline: Pipeline) -> None:
    pipeline.upload("good.jpg", "poison.jpg")
    pipeline.rekognition.errors["poison.jpg"] = SERVER_ERROR
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    pipeline.send(
        dead["body"], {name: {"DataType": "String", "StringValue": text} for name, text in dead["attributes"].items()}
    )
    pipeline.drain()
    assert pipeline.messages()[0]["attributes"]["attempts"] == "1"
    assert len(pipeline.dead_letters()) == 1


def test_what_the_run_has_labelled_cannot_be_known_for_a_while(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer nothing is given up; the next failure asks again."""
    pipeline.upload("good.jpg")
    pipeline.drain()
    pipeline.start_environment()
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise aws_error("ThrottlingException")

        patch.setattr("shared.run_record.RunRecords.read", refuse)
        pipeline.upload("poison.jpg")
        pipeline.rekognition.error = SERVER_ERROR
        pipeline.run_for(200)
        assert pipeline.dead_letters() == pipeline.failures == []
    pipeline.run_for(62)
    assert len(pipeline.dead_letters()) == 1


def test_unforeseen_errors_before_the_first_image_count_for_each_message(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of them are an outage. Under one name they would count as one image, which fails too often."""

    def unforeseen(*_: object) -> list[Upload]:
        raise RuntimeError("unforeseen")

    pipeline.upload("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    monkeypatch.setattr("analyze_image.batch.uploads_in", unforeseen)
    pipeline.invoke()
    counted = [int(message["attributes"]["counted_failures"]) for message in pipeline.messages()]
    assert counted == [1, 1, 0, 0]
