"""What is refused until a person acts: for all images it ends the run by name, for one it costs the others nothing."""

import re

import pytest

from analyze_image.poison import MAX_ATTEMPTS, MAX_FAILURES_WITHOUT_SUCCESS
from tests.rig.corpus.pictures import plain
from tests.unit.analyze_image_kit import RUN, Pipeline, body, detect_error, document, event_of, keys, put
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, SOURCE, aws_error
from tests.unit.test_analyze_image_outages import FRUITLESS_RUN_SECONDS, hourly_runs, names

OPERATIONS = {"put_object": "PutObject", "copy_object": "CopyObject", "delete_object": "DeleteObject"}


def deny(pipeline: Pipeline, method: str, code: str) -> None:
    pipeline.faulty_s3.faults[method] = aws_error(code, "explicit deny in a policy", OPERATIONS[method])


# --- for all images


# What each code means for each operation, test_analyze_image_errors.py shows.
@pytest.mark.parametrize(
    ("code", "method"),
    [("AccessDenied", "put_object"), ("NoSuchBucket", "copy_object"), ("KMS.DisabledException", "delete_object")],
)
def test_what_is_refused_for_all_images_is_told_by_operation_and_object_and_leaves_all(
    code: str, method: str, pipeline: Pipeline
) -> None:
    uploads = pipeline.upload(*names(6))
    deny(pipeline, method, code)
    pipeline.run_for(60)
    assert pipeline.record.blocked >= 6, "AnalysisBlocked"
    assert pipeline.record.images_done == 0
    place = rf"{method[:3].title()}.*s3://({SOURCE}|{FINAL})/.*\d\.jpg"
    assert re.match(rf"{code}: explicit deny in a policy \({place}", pipeline.record.blocked_reason)
    assert pipeline.dead_letters() == pipeline.failures == []
    assert keys(pipeline.s3, SOURCE) == names(6)
    assert len(pipeline.messages()) == 6
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(62)
    assert pipeline.record.processed == 6
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("count", [1, 3])
def test_days_of_denied_copies_send_no_image_to_the_dead_letters(count: int, pipeline: Pipeline) -> None:
    """A day and more of hourly runs have been fruitless already."""
    uploads = [put(pipeline.s3, name) for name in names(count)]
    behind = {
        "attempts": {"DataType": "Number", "StringValue": str(MAX_ATTEMPTS - 1)},
        "counted_failures": {"DataType": "Number", "StringValue": str(MAX_FAILURES_WITHOUT_SUCCESS - 1)},
    }
    for upload in uploads:
        pipeline.send(body(event_of(upload)), behind)
    deny(pipeline, "copy_object", "AccessDenied")
    assert hourly_runs(pipeline, 3) == 3
    assert pipeline.dead_letters() == []
    assert keys(pipeline.s3, SOURCE) == names(count)
    pipeline.faulty_s3.faults.clear()
    pipeline.run_id = RUN
    pipeline.run_for(62)
    assert pipeline.record.processed == count
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_policy_that_changes_in_the_middle_of_a_run_ends_it_too(pipeline: Pipeline) -> None:
    good = pipeline.upload(*names(5, "before-"))
    pipeline.drain()
    uploads = pipeline.upload(*names(10))
    deny(pipeline, "copy_object", "AccessDenied")
    pipeline.run_for(FRUITLESS_RUN_SECONDS)
    assert pipeline.record.blocked > 10
    assert pipeline.dead_letters() == []
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(62)
    pipeline.assert_nothing_lost_or_doubled(good + uploads)


def test_a_message_that_may_not_be_sent_is_told_too(pipeline: Pipeline) -> None:
    uploads = pipeline.upload("busy.jpg", "good.jpg")
    pipeline.rekognition.errors["busy.jpg"] = detect_error("InternalServerError")
    pipeline.faulty_sqs.faults["send_message"] = aws_error("KmsAccessDenied", "no key", "SendMessage")
    pipeline.invoke()
    assert (pipeline.record.processed, pipeline.record.blocked) == (1, 1)
    assert pipeline.record.blocked_reason == f"KmsAccessDenied: no key (SendMessage {pipeline.url})"
    pipeline.assert_nothing_lost_or_doubled(uploads)


# --- for one image


@pytest.mark.parametrize(
    ("method", "code"),
    [("copy_object", "AccessDenied"), ("copy_object", "InvalidObjectState"), ("delete_object", "InvalidRequest")],
)
def test_one_image_that_is_refused_blocks_no_other_and_ends_with_its_reason(
    method: str, code: str, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = pipeline.upload("locked.jpg", *names(9))
    original = getattr(pipeline.s3, method)

    def refuse(**parameters: object) -> object:
        if "locked.jpg" in str(parameters):
            raise aws_error(code, "not this one", OPERATIONS[method])
        return original(**parameters)

    monkeypatch.setattr(pipeline.faulty_s3._client, method, refuse)
    pipeline.run_for(130)
    assert pipeline.record.processed == 9
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_code"] == code
    assert re.match(
        rf"{code}: not this one \({OPERATIONS[method]} s3://{SOURCE}/locked.jpg .*\(failed 4 times\)$",
        dead["attributes"]["error_message"],
    )
    assert pipeline.record.blocked <= 1, "before any other had passed"
    assert pipeline.messages() == []
    monkeypatch.undo()
    assert uploads[0].key in keys(pipeline.s3, SOURCE)


@pytest.mark.parametrize("what", ["unreadable", "undeletable"])
def test_an_image_alone_that_only_its_owner_can_unlock_does_not_start_the_model_for_ever(
    what: str, pipeline: Pipeline
) -> None:
    pipeline.upload("locked.jpg")
    if what == "unreadable":
        pipeline.rekognition.error = detect_error("InvalidS3ObjectException", "Unable to get object metadata from S3.")
        pipeline.faulty_s3.faults["head_object"] = aws_error("403", "Forbidden", "HeadObject")
    else:
        deny(pipeline, "delete_object", "AccessDenied")
    assert hourly_runs(pipeline, 20, lambda: bool(pipeline.dead_letters())) <= 7
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_message"].endswith(f"(failed {MAX_FAILURES_WITHOUT_SUCCESS} times)")
    assert keys(pipeline.s3, SOURCE) == ["locked.jpg"]
    assert pipeline.messages() == []


def test_what_rekognition_and_we_may_not_read_says_what_was_asked_and_what_to_check(pipeline: Pipeline) -> None:
    pipeline.upload("good.jpg", "secret.jpg")
    pipeline.rekognition.errors["secret.jpg"] = detect_error(
        "InvalidS3ObjectException", "Unable to get object metadata"
    )
    pipeline.faulty_s3.faults["head_object"] = aws_error("403", "Forbidden", "HeadObject")
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    reason = dead["attributes"]["error_message"]
    assert f"403: Forbidden (HeadObject s3://{SOURCE}/secret.jpg)" in reason
    assert "check that the function's role may read the object" in reason


# --- a request that the model refuses


def validation_error(member: str) -> Exception:
    return detect_error(
        "ValidationException", f"1 validation error detected: Value 'x' at '{member}' failed to satisfy constraint"
    )


@pytest.mark.parametrize("key", ["a\nb.jpg", "a\rb.jpg", "a\u2028b.jpg", "a\x01b.jpg"])
def test_a_key_that_the_model_does_not_take_ends_in_failed_after_one_call(key: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(key)
    pipeline.invoke()
    assert pipeline.rekognition.calls_for(key) == 1
    assert keys(pipeline.s3, FINAL) == [f"failed/{key}", f"failed/{key}.json"]
    assert document(pipeline.s3, f"failed/{key}.json")["error"]["code"] == "ValidationException"
    assert pipeline.messages() == pipeline.dead_letters() == []
    pipeline.assert_nothing_lost_or_doubled(uploads)


REFUSED_REQUESTS = ["InvalidParameterException", "ValidationException", "SerializationException", "400"]


@pytest.mark.parametrize("code", REFUSED_REQUESTS)
def test_a_request_that_is_refused_while_others_pass_is_the_images_fault(code: str, pipeline: Pipeline) -> None:
    pipeline.upload("good.jpg")
    pipeline.drain()
    pipeline.upload("odd.jpg")
    pipeline.rekognition.errors["odd.jpg"] = detect_error(code)
    pipeline.invoke()
    assert pipeline.rekognition.calls_for("odd.jpg") == 1
    assert document(pipeline.s3, "failed/odd.jpg.json")["error"] == {"code": code, "message": "said AWS"}
    assert pipeline.messages() == pipeline.dead_letters() == []


@pytest.mark.parametrize(
    ("member", "code"),
    [
        *(
            (member, "ValidationException")
            for member in ("projectVersionArn", "minConfidence", "image.s3Object.bucket")
        ),
        *(("nothing", code) for code in REFUSED_REQUESTS),
    ],
)
def test_a_request_that_is_refused_for_every_image_fails_none(member: str, code: str, pipeline: Pipeline) -> None:
    uploads = pipeline.upload(*names(5))
    message = str(validation_error(member)) if member != "nothing" else "said AWS"
    pipeline.rekognition.error = detect_error(code, message)
    pipeline.run_for(60)
    assert keys(pipeline.s3, FINAL) == pipeline.dead_letters() == []
    assert pipeline.record.blocked >= 5, "AnalysisBlocked"
    assert pipeline.record.blocked_reason.startswith(code)
    pipeline.assert_nothing_lost_or_doubled(uploads)


@pytest.mark.parametrize("code", ["InvalidParameterException", "InternalServerError"])
def test_a_claim_of_an_earlier_run_does_not_show_that_the_model_works(code: str, pipeline: Pipeline) -> None:
    pipeline.upload("old.jpg")
    deny(pipeline, "copy_object", "AccessDenied")
    pipeline.run_id = "run-0"
    pipeline.drain()
    pipeline.faulty_s3.faults.clear()
    pipeline.start_environment()
    pipeline.run_id = RUN
    pipeline.rekognition.error = detect_error(code)
    uploads = pipeline.upload(*names(2))
    pipeline.run_for(FRUITLESS_RUN_SECONDS)
    assert keys(pipeline.s3, FINAL) == ["processed/old.jpg", "processed/old.jpg.json"]
    assert pipeline.dead_letters() == []
    assert (pipeline.record.processed, pipeline.record.labelled) == (1, 0)
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_picture_that_breaks_the_limits_ends_in_failed_after_one_call_although_no_other_succeeds(
    pipeline: Pipeline,
) -> None:
    odd = {"narrow.png": plain(63, 64, "PNG"), "low.jpg": plain(200, 63, "JPEG"), "long.jpg": plain(64, 1281, "JPEG")}
    for name, content in odd.items():
        pipeline.upload(name, content=content)
        pipeline.rekognition.errors[name] = detect_error("InvalidParameterException")
    pipeline.upload("good.jpg", content=plain(64, 1280, "JPEG"))
    pipeline.rekognition.errors["good.jpg"] = detect_error("InvalidParameterException")
    pipeline.invoke()
    assert sorted(key for key in keys(pipeline.s3, FINAL) if not key.endswith(".json")) == [
        f"failed/{name}" for name in sorted(odd)
    ]
    assert all(pipeline.rekognition.calls_for(name) == 1 for name in odd)
    assert keys(pipeline.s3, SOURCE) == ["good.jpg"]


def test_a_picture_that_s3_does_not_show_is_not_blamed(pipeline: Pipeline) -> None:
    pipeline.upload("a.png", content=plain(63, 64, "PNG"))
    pipeline.rekognition.error = detect_error("InvalidParameterException")
    pipeline.faulty_s3.faults["get_object"] = aws_error("AccessDenied", "no", "GetObject")
    pipeline.invoke()
    assert keys(pipeline.s3, FINAL) == []
    assert pipeline.record.blocked_reason.startswith("InvalidParameterException")


# --- a claim without its image


@pytest.mark.parametrize("code", ["InternalError", "AccessDenied"])
def test_an_image_that_its_owner_deletes_before_it_was_copied_leaves_no_json(code: str, pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    deny(pipeline, "copy_object", code)
    pipeline.run_for(20)
    assert keys(pipeline.s3, FINAL) == ["processed/a.jpg.json"]
    pipeline.faulty_s3.faults.clear()
    pipeline.s3.delete_object(Bucket=SOURCE, Key="a.jpg")
    pipeline.run_for(62)
    assert keys(pipeline.s3, FINAL) == []
    assert pipeline.messages() == pipeline.dead_letters() == []


def test_an_image_that_was_replaced_before_it_was_copied_leaves_no_json_either(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    deny(pipeline, "copy_object", "InternalError")
    pipeline.run_for(20)
    pipeline.faulty_s3.faults.clear()
    [newer] = pipeline.upload("a.jpg", content=b"newer")
    pipeline.run_for(62)
    results = [key for key in keys(pipeline.s3, FINAL) if key.endswith(".json")]
    assert [document(pipeline.s3, key)["source"]["etag"] for key in results] == [newer.etag]


def test_an_image_dead_lettered_without_a_copy_and_then_deleted_leaves_no_json_after_a_redrive(
    pipeline: Pipeline,
) -> None:
    pipeline.upload("good.jpg")
    pipeline.drain()
    pipeline.upload("locked.jpg")
    deny(pipeline, "copy_object", "AccessDenied")
    pipeline.run_for(120)
    [dead] = pipeline.dead_letters()
    pipeline.faulty_s3.faults.clear()
    pipeline.s3.delete_object(Bucket=SOURCE, Key="locked.jpg")
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in dead["attributes"].items()}
    pipeline.send(dead["body"], attributes)
    pipeline.drain()
    assert keys(pipeline.s3, FINAL) == ["processed/good.jpg", "processed/good.jpg.json"]


def test_a_result_whose_image_was_fetched_stays_whatever_an_earlier_attempt_said(pipeline: Pipeline) -> None:
    """Its message says that a copy is missing, then the function finished it and died before the message went."""
    pipeline.upload("a.jpg")
    deny(pipeline, "copy_object", "InternalError")
    pipeline.drain()
    [waiting] = pipeline.messages()
    assert "uncopied" in waiting["attributes"]
    pipeline.faulty_s3.faults.clear()
    pipeline.pass_time(60)
    pipeline.sqs.receive_message(QueueUrl=pipeline.url, VisibilityTimeout=0)
    pipeline.drain()
    assert keys(pipeline.s3, FINAL) == ["processed/a.jpg", "processed/a.jpg.json"]
    pipeline.s3.delete_object(Bucket=FINAL, Key="processed/a.jpg")
    attributes = {
        name: {"DataType": "String" if name == "uncopied" else "Number", "StringValue": text}
        for name, text in waiting["attributes"].items()
    }
    pipeline.send(waiting["body"], attributes)
    pipeline.sqs.receive_message(QueueUrl=pipeline.url, VisibilityTimeout=0)
    pipeline.drain()
    assert keys(pipeline.s3, FINAL) == ["processed/a.jpg.json"]
