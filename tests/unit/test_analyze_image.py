"""One image ends once: as a result, a failure, or still waiting, whatever happens on the way."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from analyze_image.batch import Batch, NotEnoughTimeError
from analyze_image.detector import IMAGE_BYTES_AT_MOST, Detector, ModelNotReadyError
from analyze_image.documents import ModelUse
from analyze_image.labelling import AccessMissingError, Ending, Labelling, NamesTakenError
from analyze_image.names import KEY_BYTES_AT_MOST, candidates, json_key
from analyze_image.store import Store
from analyze_image.upload import ForeignMessageError, Upload, uploads_in
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, aws_error

LABELS = [{"Name": "logo", "Confidence": 98.5, "Geometry": {"BoundingBox": {"Width": 0.5}}}]


class FakeRekognition:
    """Answers LABELS or raises what it is told, and looks at the object as Rekognition does."""

    def __init__(self, s3: Any, error: Exception | None = None) -> None:  # noqa: ANN401
        self.s3, self.error, self.calls = s3, error, []

    def detect_custom_labels(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        self.calls.append(parameters)
        if self.error:
            raise self.error
        s3_object = parameters["Image"]["S3Object"]
        version = {"VersionId": s3_object["Version"]} if "Version" in s3_object else {}
        try:
            self.s3.head_object(Bucket=s3_object["Bucket"], Key=s3_object["Name"], **version)
        except self.s3.exceptions.ClientError:
            raise aws_error("InvalidS3ObjectException", "Unable to get object metadata from S3.") from None
        return {"CustomLabels": LABELS}


class Crash(BaseException):
    """The function is killed: nothing catches it."""


class CrashingS3:
    """Passes every call on and is killed before, or after, the n-th one."""

    def __init__(self, s3: Any, at: int, *, after: bool) -> None:  # noqa: ANN401
        self._s3, self._left, self._after = s3, at, after
        self.exceptions = s3.exceptions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:  # noqa: ANN401
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            answer = getattr(self._s3, name)(**parameters)
            if self._left == 0:
                raise Crash
            return answer

        return call


def put(s3: Any, key: str = "a/b.jpg", body: bytes = b"picture") -> Upload:  # noqa: ANN401
    answer = s3.put_object(Bucket=SOURCE, Key=key, Body=body)
    return Upload(SOURCE, key, answer["ETag"].strip('"'), answer.get("VersionId"), len(body))


def labelling(s3: Any, error: Exception | None = None, confidence: float | None = None) -> Labelling:  # noqa: ANN401
    return Labelling(Detector(FakeRekognition(s3, error), ModelUse(MODEL_ARN, confidence)), Store(s3, SOURCE, FINAL))


def keys(s3: Any, bucket: str) -> list[str]:  # noqa: ANN401
    return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []))


def document(s3: Any, key: str) -> dict[str, Any]:  # noqa: ANN401
    return json.loads(s3.get_object(Bucket=FINAL, Key=key)["Body"].read())


@pytest.fixture(params=["plain", "versioned"])
def bucket(request: pytest.FixtureRequest, s3: Any) -> Any:  # noqa: ANN401
    if request.param == "versioned":
        s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    return s3


def test_an_image_ends_as_result_and_image_and_leaves_the_source(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    assert labelling(bucket).label(upload, redelivered=False) is Ending.PROCESSED
    assert keys(bucket, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    assert bucket.list_object_versions(Bucket=SOURCE).get("Versions", []) == []
    assert bucket.list_object_versions(Bucket=SOURCE).get("DeleteMarkers", []) == []
    result = document(bucket, "processed/a/b.jpg.json")
    assert list(result) == ["schema", "source", "image", "model", "min_confidence", "analyzed_at", "CustomLabels"]
    assert result["schema"] == "1"
    assert result["source"] == {
        "bucket": SOURCE,
        "key": "a/b.jpg",
        "etag": upload.etag,
        "version_id": upload.version_id,
        "size": 7,
    }
    assert result["image"] == {"bucket": FINAL, "key": "processed/a/b.jpg"}
    assert result["model"] == {"project_version_arn": MODEL_ARN}
    assert result["min_confidence"] is None
    assert result["analyzed_at"].endswith("Z")
    assert result["CustomLabels"] == LABELS


def test_the_model_looks_at_exactly_this_version(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    way = labelling(bucket)
    way.label(upload, redelivered=False)
    looked_at = way._detector._rekognition.calls[0]["Image"]["S3Object"]
    version = {"Version": upload.version_id} if upload.version_id else {}
    assert looked_at == {"Bucket": SOURCE, "Name": "a/b.jpg", **version}


@pytest.mark.parametrize("code", ["ImageTooLargeException", "InvalidImageFormatException", "InvalidParameterException"])
def test_a_bad_image_ends_with_its_reason_after_one_call(code: str, bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    way = labelling(bucket, aws_error(code, "too bad"))
    assert way.label(upload, redelivered=False) is Ending.FAILED
    assert len(way._detector._rekognition.calls) == 1
    assert keys(bucket, FINAL) == ["failed/a/b.jpg", "failed/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    failure = document(bucket, "failed/a/b.jpg.json")
    assert failure["error"] == {"code": code, "message": "too bad"}
    assert "CustomLabels" not in failure


def test_an_image_over_15_mb_fails_without_a_call(s3: Any) -> None:  # noqa: ANN401
    small = put(s3)
    upload = Upload(small.bucket, small.key, small.etag, None, IMAGE_BYTES_AT_MOST + 1)
    way = labelling(s3)
    assert way.label(upload, redelivered=False) is Ending.FAILED
    assert way._detector._rekognition.calls == []
    assert document(s3, "failed/a/b.jpg.json")["error"]["code"] == "ImageTooLargeException"


def test_the_threshold_is_sent_and_written_only_when_there_is_one(s3: Any) -> None:  # noqa: ANN401
    way = labelling(s3, confidence=0.0)
    way.label(put(s3), redelivered=False)
    assert way._detector._rekognition.calls[0]["MinConfidence"] == 0.0
    assert document(s3, "processed/a/b.jpg.json")["min_confidence"] == 0.0
    default = labelling(s3)
    default.label(put(s3, "c.png"), redelivered=False)
    assert "MinConfidence" not in default._detector._rekognition.calls[0]


def test_an_image_takes_four_calls(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    counting = CrashingS3(s3, at=0, after=False)
    way = Labelling(Detector(FakeRekognition(s3), ModelUse(MODEL_ARN, None)), Store(counting, SOURCE, FINAL))
    way.label(upload, redelivered=False)
    assert -counting._left + 1 == 4


@pytest.mark.parametrize("fault", [None, "InvalidImageFormatException"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_crash_at_any_call_is_made_good_by_the_redelivery(
    call: int,
    after: bool,
    fault: str | None,
    bucket: Any,  # noqa: ANN401
) -> None:
    upload = put(bucket)
    error = aws_error(fault) if fault else None
    prefix = "failed" if fault else "processed"
    crashing = CrashingS3(bucket, call, after=after)
    detector = Detector(FakeRekognition(bucket, error), ModelUse(MODEL_ARN, None))
    with pytest.raises(Crash):
        Labelling(detector, Store(crashing, SOURCE, FINAL)).label(upload, redelivered=False)
    first = document(bucket, f"{prefix}/a/b.jpg.json") if (call, after) != (1, False) else None
    labelling(bucket, error).label(upload, redelivered=True)
    assert keys(bucket, FINAL) == [f"{prefix}/a/b.jpg", f"{prefix}/a/b.jpg.json"]
    assert keys(bucket, SOURCE) == []
    if first:
        assert document(bucket, f"{prefix}/a/b.jpg.json") == first


def test_a_redelivery_after_the_claim_does_not_detect_again(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    with pytest.raises(Crash):
        Labelling(
            Detector(FakeRekognition(s3), ModelUse(MODEL_ARN, None)),
            Store(CrashingS3(s3, 2, after=False), SOURCE, FINAL),
        ).label(upload, redelivered=False)
    way = labelling(s3)
    assert way.label(upload, redelivered=True) is Ending.PROCESSED
    assert way._detector._rekognition.calls == []


@pytest.mark.parametrize("redelivered", [False, True])
def test_an_event_that_comes_twice_makes_one_result(redelivered: bool, bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    labelling(bucket).label(upload, redelivered=False)
    first = document(bucket, "processed/a/b.jpg.json")
    ending = labelling(bucket).label(upload, redelivered=redelivered)
    assert ending in (Ending.GONE, Ending.ALREADY_DONE)
    assert keys(bucket, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert document(bucket, "processed/a/b.jpg.json") == first


def test_two_uploads_under_one_key_end_side_by_side(bucket: Any) -> None:  # noqa: ANN401
    first = put(bucket, body=b"one")
    labelling(bucket).label(first, redelivered=False)
    second = put(bucket, body=b"two")
    assert labelling(bucket).label(second, redelivered=False) is Ending.PROCESSED
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
        assert labelling(s3).label(put(s3), redelivered=False) is Ending.PROCESSED
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
    ending = labelling(s3, aws_error("InvalidS3ObjectException")).label(older, redelivered=False)
    assert ending is Ending.REPLACED
    assert s3.get_object(Bucket=SOURCE, Key="a/b.jpg")["Body"].read() == b"newer"


def test_an_upload_deleted_by_its_owner_is_done(bucket: Any) -> None:  # noqa: ANN401
    upload = put(bucket)
    version = {"VersionId": upload.version_id} if upload.version_id else {}
    bucket.delete_object(Bucket=SOURCE, Key=upload.key, **version)
    assert labelling(bucket).label(upload, redelivered=False) is Ending.GONE
    assert keys(bucket, FINAL) == []


def test_an_upload_deleted_between_detection_and_copy_leaves_no_result(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)

    class DeletesBeforeCopy(CrashingS3):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "copy_object":
                s3.delete_object(Bucket=SOURCE, Key=upload.key)
            return super().__getattr__(name)

    store = Store(DeletesBeforeCopy(s3, 99, after=False), SOURCE, FINAL)
    detector = Detector(FakeRekognition(s3), ModelUse(MODEL_ARN, None))
    assert Labelling(detector, store).label(upload, redelivered=False) is Ending.GONE
    assert keys(s3, FINAL) == []


def test_a_redelivery_keeps_a_result_whose_image_was_fetched_meanwhile(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    labelling(s3).label(upload, redelivered=False)
    s3.delete_object(Bucket=FINAL, Key="processed/a/b.jpg")
    assert labelling(s3).label(upload, redelivered=True) is Ending.ALREADY_DONE
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
    detector = Detector(FakeRekognition(s3), ModelUse(MODEL_ARN, None))
    ending = Labelling(detector, Store(RefusesCopy(s3), SOURCE, FINAL)).label(upload, redelivered=False)
    assert ending is Ending.REPLACED
    assert keys(s3, FINAL) == []
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_a_redelivery_after_a_replacement_keeps_the_result_of_the_first(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    labelling(s3).label(upload, redelivered=False)
    put(s3, body=b"newer")
    detector = Detector(FakeRekognition(s3), ModelUse(MODEL_ARN, None))
    ending = Labelling(detector, Store(RefusesCopy(s3), SOURCE, FINAL)).label(upload, redelivered=True)
    assert ending is Ending.REPLACED
    assert keys(s3, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert keys(s3, SOURCE) == ["a/b.jpg"]


def test_the_delete_names_exactly_this_upload() -> None:
    calls: list[dict[str, Any]] = []

    class Recorder:
        def delete_object(self, **parameters: Any) -> None:  # noqa: ANN401
            calls.append(parameters)

    store = Store(Recorder(), SOURCE, FINAL)
    store.delete_source(Upload(SOURCE, "k", "e", None, 1))
    store.delete_source(Upload(SOURCE, "k", "e", "v", 1))
    assert calls == [
        {"Bucket": SOURCE, "Key": "k", "IfMatch": '"e"'},
        {"Bucket": SOURCE, "Key": "k", "VersionId": "v"},
    ]


def test_an_image_that_rekognition_may_not_read_keeps_waiting(s3: Any) -> None:  # noqa: ANN401
    with pytest.raises(AccessMissingError, match="check that the function's role"):
        labelling(s3, aws_error("InvalidS3ObjectException")).label(put(s3), redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]
    assert keys(s3, FINAL) == []


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "InternalServerError", "AccessDeniedException", "ResourceNotFoundException"]
)
def test_what_is_not_the_images_fault_leaves_it_waiting(code: str, s3: Any) -> None:  # noqa: ANN401
    with pytest.raises(Exception, match=code):
        labelling(s3, aws_error(code)).label(put(s3), redelivered=False)
    assert keys(s3, SOURCE) == ["a/b.jpg"]
    assert keys(s3, FINAL) == []


def test_conflicting_claims_are_tried_again() -> None:
    outcomes = [aws_error("ConditionalRequestConflict"), aws_error("PreconditionFailed")]

    class Conflicted:
        def put_object(self, **parameters: Any) -> None:  # noqa: ANN401
            assert parameters["IfNoneMatch"] == "*"
            raise outcomes.pop(0)

    assert Store(Conflicted(), SOURCE, FINAL).claim("processed/x", {}) is False
    assert outcomes == []


# --- names


def upload_of(key: str, etag: str = "0123456789abcdef", version_id: str | None = None) -> Upload:
    return Upload(SOURCE, key, etag, version_id, 1)


@pytest.mark.parametrize(
    ("key", "marked"),
    [
        ("a.jpg", "processed/a~01234567.jpg"),
        ("x/y/a.b.PNG", "processed/x/y/a.b~01234567.PNG"),
        ("x.d/noext", "processed/x.d/noext~01234567"),
        ("x/.jpg", "processed/x/.jpg~01234567"),
        ("写真 (1).jpeg", "processed/写真 (1)~01234567.jpeg"),
        ("/a.jpg", "processed//a~01234567.jpg"),
        ("a//b.jpg", "processed/a//b~01234567.jpg"),
    ],
)
def test_a_taken_name_is_marked_before_the_extension(key: str, marked: str) -> None:
    assert candidates("processed", upload_of(key))[:2] == [f"processed/{key}", marked]


def test_a_third_name_tells_versions_of_the_same_bytes_apart() -> None:
    one, two = upload_of("a.jpg", version_id="v1"), upload_of("a.jpg", version_id="v2")
    assert candidates("failed", one)[2] == "failed/a~0123456789abcdef-v1.jpg"
    assert candidates("failed", one)[2] != candidates("failed", two)[2]


@pytest.mark.parametrize("letter", ["a", "é", "写"])
def test_a_key_at_s3s_limit_still_finds_a_name_within_it(letter: str) -> None:
    stem = letter * ((KEY_BYTES_AT_MOST - 4) // len(letter.encode()))
    upload = upload_of(stem + ".jpg", version_id="v" * 32)
    for prefix in ("processed", "failed"):
        names = candidates(prefix, upload)
        assert names
        assert all(len(json_key(name).encode()) <= KEY_BYTES_AT_MOST for name in names)
        assert all(name.endswith(".jpg") for name in names)


# --- messages


def event(key: str = "a.jpg", bucket: str = SOURCE, **entity: object) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e", "size": 3, **entity}},
    }


def body(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": list(records)})


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b.jpg", "a b.jpg"),
        ("a%2Bb.jpg", "a+b.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("a%2520b.jpg", "a%20b.jpg"),
        ("K%C3%A4fer+%281%29.jpg", "Käfer (1).jpg"),
    ],
)
def test_keys_are_decoded_once(encoded: str, key: str) -> None:
    assert uploads_in(body(event(encoded)), SOURCE)[0].key == key


def test_every_record_of_a_message_is_an_upload() -> None:
    uploads = uploads_in(body(event("a.jpg"), event("b.jpg", versionId="v1")), SOURCE)
    assert [(upload.key, upload.version_id) for upload in uploads] == [("a.jpg", None), ("b.jpg", "v1")]


def test_the_null_version_counts_as_no_version() -> None:
    assert uploads_in(body(event(versionId="null")), SOURCE)[0].version_id is None


def test_a_test_event_holds_no_upload() -> None:
    assert uploads_in(json.dumps({"Event": "s3:TestEvent"}), SOURCE) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "hello",
        "null",
        "[]",
        "{}",
        '{"Records": null}',
        '{"Records": [1]}',
        body({"eventSource": "aws:sns", "eventName": "x"}),
        body({**event(), "eventName": "ObjectRemoved:Delete"}),
        body(event(bucket="another-bucket")),
        body({**event(), "s3": {}}),
        body(event(size="many")),
    ],
)
def test_anything_else_is_refused(foreign: str) -> None:
    with pytest.raises(ForeignMessageError):
        uploads_in(foreign, SOURCE)


# --- batches


def record(message: str, receives: int = 1) -> SQSRecord:
    return SQSRecord(
        {
            "messageId": "m",
            "receiptHandle": "handle",
            "body": message,
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }
    )


class ScriptedLabelling:
    """Answers or raises the next of a list, and remembers what it was asked."""

    def __init__(self, *script: Ending | Exception) -> None:
        self.script, self.asked = list(script), []

    def label(self, upload: Upload, *, redelivered: bool) -> Ending:
        self.asked.append((upload.key, redelivered))
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def batch(way: ScriptedLabelling, put_back: list[str], seconds_left: float = 120) -> Batch:
    return Batch(way, SOURCE, put_back.append, lambda: seconds_left)  # type: ignore[arg-type]


def test_a_batch_counts_how_its_images_ended() -> None:
    way = ScriptedLabelling(Ending.PROCESSED, Ending.FAILED, Ending.PROCESSED)
    run = batch(way, [])
    run.handle(record(body(event("a.jpg"), event("b.jpg"))))
    run.handle(record(body(event("c.jpg")), receives=2))
    assert way.asked == [("a.jpg", False), ("b.jpg", False), ("c.jpg", True)]
    assert run.endings == {Ending.PROCESSED: 2, Ending.FAILED: 1}


def test_a_foreign_message_fails_and_is_spent_at_once() -> None:
    put_back: list[str] = []
    with pytest.raises(ForeignMessageError):
        batch(ScriptedLabelling(), put_back).handle(record("hello"))
    assert put_back == ["handle"]


def test_a_model_that_is_not_ready_is_asked_once_a_batch() -> None:
    way = ScriptedLabelling(ModelNotReadyError("stopped"))
    run = batch(way, [])
    for _ in range(3):
        with pytest.raises(ModelNotReadyError):
            run.handle(record(body(event())))
    assert len(way.asked) == 1


def test_an_image_is_not_begun_without_time_to_end_it() -> None:
    put_back: list[str] = []
    way = ScriptedLabelling()
    with pytest.raises(NotEnoughTimeError):
        batch(way, put_back, seconds_left=10).handle(record(body(event())))
    assert (way.asked, put_back) == ([], ["handle"])
