"""One image ends once: as a result, a failure, or still waiting, whatever happens on the way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from analyze_image.detector import MAX_IMAGE_BYTES, Detector, NoAnswerError
from analyze_image.documents import InferenceSettings
from analyze_image.labelling import AccessMissingError, ImageOutcome, Labelling, NamesTakenError
from analyze_image.names import candidates, json_key
from analyze_image.store import SourceGoneError, Store
from shared.s3_events import Upload
from tests.rig.quick_moto import listening
from tests.unit.analyze_image_kit import (
    LABELS,
    Crash,
    CrashingS3,
    FakeRekognition,
    detect_error,
    document,
    keys,
    labelling,
    put,
)
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, aws_error


@pytest.fixture(params=["plain", "versioned"])
def bucket(request: pytest.FixtureRequest, s3: Any) -> Any:  # noqa: ANN401
    if request.param == "versioned":
        s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    return s3


def test_an_image_ends_as_result_and_image_and_leaves_the_source(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    assert labelling(bucket).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert keys(bucket, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    assert bucket.list_object_versions(Bucket=SOURCE).get("Versions", []) == []
    assert bucket.list_object_versions(Bucket=SOURCE).get("DeleteMarkers", []) == []
    result = document(bucket, "processed/a/b.jpg.json")
    assert result["source"] == upload.provenance()
    assert result["image"] == {"bucket": FINAL, "key": "processed/a/b.jpg"}
    assert result["CustomLabels"] == LABELS


def test_the_model_looks_at_exactly_this_version(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    way = labelling(bucket)
    way.label(upload, redelivered=False)
    looked_at = way._detector._rekognition.calls[0]["Image"]["S3Object"]
    version = {"Version": upload.version_id} if upload.version_id else {}
    assert looked_at == {"Bucket": SOURCE, "Name": "a/b.jpg", **version}


@pytest.mark.parametrize("code", ["ImageTooLargeException", "InvalidImageFormatException"])
def test_a_bad_image_ends_with_its_reason_after_one_call(code: str, bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    way = labelling(bucket, detect_error(code, "too bad"))
    assert way.label(upload, redelivered=False) is ImageOutcome.FAILED
    assert len(way._detector._rekognition.calls) == 1
    assert keys(bucket, FINAL) == ["failed/a/b.jpg", "failed/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    failure = document(bucket, "failed/a/b.jpg.json")
    assert failure["error"] == {"code": code, "message": "too bad"}
    assert "CustomLabels" not in failure


@pytest.mark.parametrize("size", [0, MAX_IMAGE_BYTES + 1])
def test_a_size_that_only_the_message_claims_ends_no_image(s3: Any, size: int) -> None:  # noqa: ANN401
    upload = put(s3)
    assert labelling(s3).label(replace(upload, size=size), redelivered=False) is ImageOutcome.PROCESSED
    assert document(s3, "processed/a/b.jpg.json")["source"]["size"] == upload.size


def test_an_image_over_15_mb_fails_without_a_call(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3, body=bytes(MAX_IMAGE_BYTES + 1))
    way = labelling(s3)
    assert way.label(upload, redelivered=False) is ImageOutcome.FAILED
    assert way._detector._rekognition.calls == []
    assert document(s3, "failed/a/b.jpg.json")["error"]["code"] == "ImageTooLargeException"


@pytest.mark.parametrize("fault", [None, "InvalidImageFormatException"])
def test_everything_is_written_below_the_final_prefix(s3: Any, fault: str | None) -> None:  # noqa: ANN401
    folder = "logos/failed" if fault else "logos/processed"
    detector = Detector(FakeRekognition(s3, detect_error(fault) if fault else None), InferenceSettings(MODEL_ARN, None))
    way = Labelling(detector, Store(s3, SOURCE, FINAL, "logos/"))
    upload = put(s3, "incoming/a.jpg")
    way.label(upload, redelivered=False)
    assert keys(s3, FINAL) == [f"{folder}/incoming/a.jpg", f"{folder}/incoming/a.jpg.json"]
    stored = document(s3, f"{folder}/incoming/a.jpg.json")
    assert stored["image"] == {"bucket": FINAL, "key": f"{folder}/incoming/a.jpg"}
    assert stored["source"]["key"] == "incoming/a.jpg"
    calls = len(detector._rekognition.calls)
    way.label(upload, redelivered=True)
    assert len(detector._rekognition.calls) == calls, "a redelivery finds the claim below the prefix"


def test_an_image_takes_six_calls_and_one_more_to_see_whether_a_version_was_deleted(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    counting = CrashingS3(bucket, at=0, after=False)
    detector = Detector(FakeRekognition(bucket), InferenceSettings(MODEL_ARN, None))
    Labelling(detector, Store(counting, SOURCE, FINAL)).label(upload, redelivered=False)
    assert -counting._left == (7 if upload.version_id else 6)


@pytest.mark.parametrize("fault", [None, "InvalidImageFormatException"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 8))
def test_a_crash_at_any_call_is_made_good_by_the_redelivery(
    call: int,
    after: bool,
    fault: str | None,
    bucket: Any,  # noqa: ANN401
) -> None:
    upload = put(bucket)
    if upload.version_id is None:
        # Whether its owner deleted it is only looked up for a version.
        call = max(call - 1, 1)
    error = detect_error(fault) if fault else None
    prefix = "failed" if fault else "processed"
    crashing = CrashingS3(bucket, call, after=after)
    detector = Detector(FakeRekognition(bucket, error), InferenceSettings(MODEL_ARN, None))
    with pytest.raises(Crash):
        Labelling(detector, Store(crashing, SOURCE, FINAL)).label(upload, redelivered=False)
    first = document(bucket, f"{prefix}/a/b.jpg.json") if f"{prefix}/a/b.jpg.json" in keys(bucket, FINAL) else None
    labelling(bucket, error).label(upload, redelivered=True)
    assert keys(bucket, FINAL) == [f"{prefix}/a/b.jpg", f"{prefix}/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    if first:
        assert document(bucket, f"{prefix}/a/b.jpg.json") == first


def test_a_redelivery_after_the_claim_does_not_detect_again(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    with pytest.raises(Crash):
        Labelling(
            Detector(FakeRekognition(s3), InferenceSettings(MODEL_ARN, None)),
            Store(CrashingS3(s3, 5, after=False), SOURCE, FINAL),
        ).label(upload, redelivered=False)
    way = labelling(s3)
    assert way.label(upload, redelivered=True) is ImageOutcome.PROCESSED
    assert way._detector._rekognition.calls == []


@pytest.mark.parametrize("redelivered", [False, True])
def test_an_event_that_comes_twice_makes_one_result(redelivered: bool, bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    labelling(bucket).label(upload, redelivered=False)
    first = document(bucket, "processed/a/b.jpg.json")
    ending = labelling(bucket).label(upload, redelivered=redelivered)
    assert ending in (ImageOutcome.GONE, ImageOutcome.ALREADY_DONE)
    assert keys(bucket, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert document(bucket, "processed/a/b.jpg.json") == first


def test_two_uploads_under_one_key_end_side_by_side(bucket: Any) -> None:  # noqa: ANN401
    first = put(bucket, body=b"one")
    labelling(bucket).label(first, redelivered=False)
    second = put(bucket, body=b"two")
    assert labelling(bucket).label(second, redelivered=False) is ImageOutcome.PROCESSED
    marked = f"processed/a/b~{second.etag[:8]}.jpg"
    assert keys(bucket, FINAL) == sorted(["processed/a/b.jpg", "processed/a/b.jpg.json", marked, json_key(marked)])
    assert bucket.get_object(Bucket=FINAL, Key="processed/a/b.jpg")["Body"].read() == b"one"
    assert bucket.get_object(Bucket=FINAL, Key=marked)["Body"].read() == b"two"
    assert document(bucket, json_key(marked))["source"]["etag"] == second.etag
    assert document(bucket, json_key(marked))["image"]["key"] == marked


def test_two_versions_waiting_together_both_get_their_result(s3: Any) -> None:  # noqa: ANN401
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    first, second = put(s3, body=b"one"), put(s3, body=b"two")
    labelling(s3).label(second, redelivered=False)
    labelling(s3).label(first, redelivered=False)
    assert len(keys(s3, FINAL)) == 4
    assert s3.list_object_versions(Bucket=SOURCE).get("Versions", []) == []


def test_the_same_bytes_again_and_again_under_one_key_all_find_a_name(s3: Any) -> None:  # noqa: ANN401
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(3):
        assert labelling(s3).label(put(s3), redelivered=False) is ImageOutcome.PROCESSED
    assert len(keys(s3, FINAL)) == 6


def test_when_every_name_is_taken_the_image_keeps_waiting(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    for name in candidates("processed", upload):
        s3.put_object(Bucket=FINAL, Key=json_key(name), Body=b"not ours")
    with pytest.raises(NamesTakenError):
        labelling(s3).label(upload, redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_an_unversioned_upload_that_was_replaced_is_done_and_the_newer_stays(s3: Any) -> None:  # noqa: ANN401
    older = put(s3, body=b"older")
    put(s3, body=b"newer")
    ending = labelling(s3, detect_error("InvalidS3ObjectException")).label(older, redelivered=False)
    assert ending is ImageOutcome.REPLACED
    assert s3.get_object(Bucket=SOURCE, Key="a/b.jpg")["Body"].read() == b"newer"


def test_an_upload_deleted_by_its_owner_is_done(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    version = {"VersionId": upload.version_id} if upload.version_id else {}
    bucket.delete_object(Bucket=SOURCE, Key=upload.key, **version)
    assert labelling(bucket).label(upload, redelivered=False) is ImageOutcome.GONE
    assert keys(bucket, FINAL) == []


def test_an_upload_that_is_gone_when_it_comes_again_needs_no_model(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    version = {"VersionId": upload.version_id} if upload.version_id else {}
    bucket.delete_object(Bucket=SOURCE, Key=upload.key, **version)
    # In a bucket with versions, another upload under its key is there.
    if upload.version_id:
        put(bucket, body=b"newer")
    stopped = labelling(bucket, detect_error("ResourceNotReadyException"))
    assert stopped.label(upload, redelivered=True) is ImageOutcome.GONE


def test_an_upload_deleted_between_detection_and_copy_leaves_no_result(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)

    class DeletesBeforeCopy(CrashingS3):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "copy_object":
                s3.delete_object(Bucket=SOURCE, Key=upload.key)
            return super().__getattr__(name)

    store = Store(DeletesBeforeCopy(s3, 99, after=False), SOURCE, FINAL)
    detector = Detector(FakeRekognition(s3), InferenceSettings(MODEL_ARN, None))
    assert Labelling(detector, store).label(upload, redelivered=False) is ImageOutcome.GONE
    assert keys(s3, FINAL) == []


def test_a_redelivery_keeps_a_result_whose_image_was_fetched_meanwhile(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    labelling(s3).label(upload, redelivered=False)
    s3.delete_object(Bucket=FINAL, Key="processed/a/b.jpg")
    assert labelling(s3).label(upload, redelivered=True) is ImageOutcome.ALREADY_DONE
    assert keys(s3, FINAL) == ["processed/a/b.jpg.json"]


class RefusesCopy:
    """S3 that finds the source changed at the copy, which moto does not check."""

    def __init__(self, s3: Any) -> None:  # noqa: ANN401
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._s3, name)

    def copy_object(self, **parameters: Any) -> None:  # noqa: ANN401
        assert parameters["CopySourceIfMatch"]
        raise aws_error("PreconditionFailed")


def test_a_result_of_replaced_bytes_is_withdrawn(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    detector = Detector(FakeRekognition(s3), InferenceSettings(MODEL_ARN, None))
    ending = Labelling(detector, Store(RefusesCopy(s3), SOURCE, FINAL)).label(upload, redelivered=False)
    assert ending is ImageOutcome.REPLACED
    assert keys(s3, FINAL) == []
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_a_redelivery_after_a_replacement_keeps_the_result_of_the_first(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    labelling(s3).label(upload, redelivered=False)
    put(s3, body=b"newer")
    detector = Detector(FakeRekognition(s3), InferenceSettings(MODEL_ARN, None))
    ending = Labelling(detector, Store(RefusesCopy(s3), SOURCE, FINAL)).label(upload, redelivered=True)
    assert ending is ImageOutcome.REPLACED
    assert keys(s3, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_the_delete_names_exactly_this_upload() -> None:
    calls: list[dict[str, Any]] = []

    class Recorder:
        def delete_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
            calls.append(parameters)
            return {}

    store = Store(Recorder(), SOURCE, FINAL)
    store.delete_source(Upload(SOURCE, "k", "e", None, 1))
    store.delete_source(Upload(SOURCE, "k", "e", "v", 1))
    assert calls == [
        {"Bucket": SOURCE, "Key": "k", "IfMatch": '"e"'},
        {"Bucket": SOURCE, "Key": "k", "VersionId": "v"},
    ]


def test_a_version_id_of_any_printable_characters_reaches_s3_and_the_model_as_it_is(s3: Any) -> None:  # noqa: ANN401
    odd = Upload(SOURCE, "k", "e", "3/a+b c?versionId=%2F&.json", 1)
    sent: list[Any] = []
    with (
        listening(s3, "before-send.s3", lambda request, **_: sent.append(request)),
        pytest.raises(SourceGoneError),
    ):
        Store(s3, SOURCE, FINAL).copy_image(odd, "processed/k")
    encoded = "3%2Fa%2Bb%20c%3FversionId%3D%252F%26.json"
    assert sent[0].headers["x-amz-copy-source"] == f"{SOURCE}/k?versionId={encoded}".encode()
    way = labelling(s3, detect_error("InvalidS3ObjectException"))
    assert way.label(odd, redelivered=False) is ImageOutcome.GONE


def test_an_image_that_rekognition_may_not_read_keeps_waiting(s3: Any) -> None:  # noqa: ANN401
    with pytest.raises(AccessMissingError, match="check that the function's role"):
        labelling(s3, detect_error("InvalidS3ObjectException")).label(put(s3), redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]
    assert keys(s3, FINAL) == []


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "InternalServerError", "AccessDeniedException", "ResourceNotFoundException"]
)
def test_what_is_not_the_images_fault_leaves_it_waiting(code: str, s3: Any) -> None:  # noqa: ANN401
    with pytest.raises(Exception, match=code):
        labelling(s3, detect_error(code)).label(put(s3), redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]
    assert keys(s3, FINAL) == []


def test_conflicting_claims_are_tried_again() -> None:
    outcomes = [aws_error("ConditionalRequestConflict"), aws_error("PreconditionFailed")]

    class Conflicted:
        def put_object(self, **parameters: Any) -> None:  # noqa: ANN401
            assert parameters["IfNoneMatch"] == "*"
            raise outcomes.pop(0)

    assert Store(Conflicted(), SOURCE, FINAL).claim("processed/x", {}, "batch") is None
    assert outcomes == []


def test_an_answer_that_never_comes_is_told_from_a_connection_that_cannot_be_made(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    for silence in (ReadTimeoutError(endpoint_url="https://x"), ConnectionClosedError(endpoint_url="https://x")):
        with pytest.raises(NoAnswerError):
            labelling(s3, silence).label(upload, redelivered=False)
    with pytest.raises(ConnectTimeoutError):
        labelling(s3, ConnectTimeoutError(endpoint_url="https://x")).label(upload, redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_an_empty_object_fails_without_a_call(s3: Any) -> None:  # noqa: ANN401
    way = labelling(s3)
    assert way.label(put(s3, body=b""), redelivered=False) is ImageOutcome.FAILED
    assert way._detector._rekognition.calls == []
    assert document(s3, "failed/a/b.jpg.json")["error"]["code"] == "InvalidImageFormatException"
