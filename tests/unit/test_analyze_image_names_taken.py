"""Nothing in the final bucket is overwritten, whoever put it there and whatever it is called."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from analyze_image import store as store_module
from analyze_image.detector import Detector
from analyze_image.documents import InferenceSettings
from analyze_image.labelling import ImageOutcome, Labelling, NamesTakenError
from analyze_image.names import candidates, json_key
from analyze_image.store import Store, send_condition
from shared.s3_events import Upload
from tests.rig.quick_moto import listening, session
from tests.unit.analyze_image_kit import (
    AnnotatedS3,
    Crash,
    CrashingS3,
    FakeRekognition,
    Pipeline,
    detect_error,
    document,
    keys,
    labelling,
    put,
)
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, aws_error

OWNERS = b"the owner's"


def way_of(s3: Any, store_s3: Any, fault: str | None = None, prefix: str = "") -> Labelling:  # noqa: ANN401
    detector = Detector(FakeRekognition(s3, detect_error(fault) if fault else None), InferenceSettings(MODEL_ARN, None))
    return Labelling(detector, Store(store_s3, SOURCE, FINAL, prefix))


def own(s3: Any, *names: str) -> None:  # noqa: ANN401
    for name in names:
        s3.put_object(Bucket=FINAL, Key=name, Body=OWNERS)


def body_of(s3: Any, key: str) -> bytes:  # noqa: ANN401
    return s3.get_object(Bucket=FINAL, Key=key)["Body"].read()


def finished_at(s3: Any, image_key: str, upload: Upload, body: bytes) -> bool:  # noqa: ANN401
    stored = document(s3, json_key(image_key))
    assert stored["image"] == {"bucket": FINAL, "key": image_key}
    return stored["source"]["etag"] == upload.etag and body_of(s3, image_key) == body


@pytest.mark.parametrize("prefix", ["", "logos/"])
@pytest.mark.parametrize(("fault", "folder"), [(None, "processed"), ("InvalidImageFormatException", "failed")])
@pytest.mark.parametrize("taken", [1, 2])
@pytest.mark.parametrize("what", ["image", "JSON", "image and JSON"])
def test_an_upload_takes_the_next_name_that_nothing_lies_under(
    what: str,
    taken: int,
    fault: str | None,
    folder: str,
    prefix: str,
    s3: Any,  # noqa: ANN401
) -> None:
    upload = put(s3)
    names = candidates(f"{prefix}{folder}", upload)
    lying = [
        key
        for name in names[:taken]
        for key in ([name] if "image" in what else []) + ([json_key(name)] if "JSON" in what else [])
    ]
    own(s3, *lying)
    way = way_of(s3, s3, fault, prefix)
    way.label(upload, redelivered=False)
    assert finished_at(s3, names[taken], upload, b"picture")
    assert all(body_of(s3, key) == OWNERS for key in lying)
    assert keys(s3, FINAL) == sorted([*lying, names[taken], json_key(names[taken])])
    assert keys(s3, SOURCE) == []
    assert len(way._detector._rekognition.calls) == 1


def test_when_nothing_is_free_all_stays_as_it_is_and_the_image_waits(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    names = candidates("processed", upload)
    own(s3, *names)
    with pytest.raises(NamesTakenError):
        labelling(s3).label(upload, redelivered=False)
    assert keys(s3, FINAL) == sorted(names), "no JSON of ours is left beside the owner's images"
    assert all(body_of(s3, name) == OWNERS for name in names)
    assert keys(s3, SOURCE) == ["a/b.jpg"]


@pytest.mark.parametrize("kms", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 9))
def test_killed_at_any_call_on_the_way_to_the_second_name(call: int, after: bool, kms: bool, s3: Any) -> None:  # noqa: ANN401
    if kms:
        encryption = {"ServerSideEncryption": "aws:kms"}
        s3.put_object(Bucket=SOURCE, Key="a/b.jpg", Body=b"x", **encryption)
    own(s3, "processed/a/b.jpg")
    upload = put(s3)
    with pytest.raises(Crash):
        way_of(s3, CrashingS3(s3, call, after=after)).label(upload, redelivered=False)
    labelling(s3).label(upload, redelivered=True)
    second = candidates("processed", upload)[1]
    assert keys(s3, FINAL) == sorted(["processed/a/b.jpg", second, json_key(second)])
    assert finished_at(s3, second, upload, b"picture")
    assert body_of(s3, "processed/a/b.jpg") == OWNERS
    assert keys(s3, SOURCE) == []


class AtTheCopy:
    """S3 in which something happens just before an image is copied, between the look at its name and the copy."""

    def __init__(self, s3: Any, action: Callable[[], object], *, enforces: bool) -> None:  # noqa: ANN401
        self._s3, self._action, self._enforces = s3, action, enforces

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._s3, name)

    def copy_object(self, **parameters: Any) -> Any:  # noqa: ANN401
        action, self._action = self._action, lambda: None
        action()
        if self._enforces and parameters.get("IfNoneMatch") == "*" and parameters["Key"] in keys(self._s3, FINAL):
            raise aws_error("PreconditionFailed", operation="CopyObject")
        return self._s3.copy_object(**parameters)


def test_what_comes_between_the_check_and_the_copy_is_not_overwritten_where_s3_enforces_it(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    late = AtTheCopy(s3, lambda: own(s3, "processed/a/b.jpg"), enforces=True)
    assert way_of(s3, late).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert body_of(s3, "processed/a/b.jpg") == OWNERS
    second = candidates("processed", upload)[1]
    assert finished_at(s3, second, upload, b"picture")
    assert keys(s3, FINAL) == sorted(["processed/a/b.jpg", second, json_key(second)])


@pytest.mark.parametrize("enforces", [False, True])
def test_two_attempts_at_once_make_one_result(enforces: bool, s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    # The other one has no time for the deletion.
    other = way_of(s3, CrashingS3(s3, 5, after=False))

    def copy_too() -> None:
        with pytest.raises(Crash):
            other.label(upload, redelivered=True)

    late = AtTheCopy(s3, copy_too, enforces=enforces)
    way_of(s3, late).label(upload, redelivered=False)
    assert keys(s3, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert finished_at(s3, "processed/a/b.jpg", upload, b"picture")


@pytest.mark.parametrize("knows", [True, False])
def test_the_copy_is_conditional_whatever_boto3_knows(
    knows: bool,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_module, "KNOWS_CONDITION", knows)
    upload = put(s3)
    own_client = session().client("s3")
    send_condition(own_client)
    sent: list[Any] = []
    own_client.meta.events.register("before-send.s3.CopyObject", lambda request, **_: sent.append(request.headers))
    way_of(s3, own_client).label(upload, redelivered=False)
    assert [headers["If-None-Match"] for headers in sent] == [b"*"]
    assert all("if-none-match" in str(headers["Authorization"]) for headers in sent), "it is signed"
    assert finished_at(s3, "processed/a/b.jpg", upload, b"picture")


@pytest.mark.parametrize("late", [False, True])
def test_an_image_in_parts_overwrites_nothing_either(late: bool, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(store_module, "MAX_QUICK_COPY_BYTES", 3)

    class OwnedAtTheEnd(AnnotatedS3):
        def complete_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401
            assert parameters["IfNoneMatch"] == "*"
            if parameters["Key"] == "processed/a/b.jpg":
                own(s3, "processed/a/b.jpg")
                raise aws_error("PreconditionFailed", operation="CompleteMultipartUpload")
            return self._s3.complete_multipart_upload(**parameters)

    if not late:
        own(s3, "processed/a/b.jpg")
    upload = put(s3)
    assert way_of(s3, OwnedAtTheEnd(s3)).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert body_of(s3, "processed/a/b.jpg") == OWNERS
    assert finished_at(s3, candidates("processed", upload)[1], upload, b"picture")


class Unreadable:
    """S3 that refuses to look at what the owner put into the final bucket under a key of his own."""

    def __init__(self, s3: Any, code: str) -> None:  # noqa: ANN401
        self._s3, self._code = s3, code

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._s3, name)

    def head_object(self, **parameters: Any) -> Any:  # noqa: ANN401
        found = self._s3.head_object(**parameters)
        if parameters["Bucket"] == FINAL and found["ContentLength"] == len(OWNERS):
            raise aws_error(self._code, "Bad Request", "HeadObject")
        return found


@pytest.mark.parametrize("code", ["400", "403"])
def test_a_name_is_taken_too_when_what_lies_there_may_not_be_looked_at(code: str, s3: Any) -> None:  # noqa: ANN401
    own(s3, "processed/a/b.jpg")
    upload = put(s3)
    assert way_of(s3, Unreadable(s3, code)).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert body_of(s3, "processed/a/b.jpg") == OWNERS
    assert finished_at(s3, candidates("processed", upload)[1], upload, b"picture")


@pytest.mark.parametrize("code", ["InvalidObjectState", "too large"])
def test_a_json_that_cannot_be_read_is_an_older_uploads(code: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    own(s3, "processed/a/b.jpg.json")
    upload = put(s3)
    if code == "too large":
        monkeypatch.setattr(store_module, "MAX_RESULT_BYTES", 3)
    else:

        class Archived(Unreadable):
            def get_object(self, **_: Any) -> Any:  # noqa: ANN401
                raise aws_error("InvalidObjectState", operation="GetObject")

        s3 = Archived(s3, "400")
    assert way_of(s3, s3).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert candidates("processed", upload)[1] in keys(s3, FINAL)


@pytest.mark.parametrize("name", ["a.jpg.json", "a.jpg.JSON", "a.jpg.json.json", "x/.json", "a.json"])
@pytest.mark.parametrize("fault", [None, "InvalidImageFormatException"])
def test_an_upload_with_the_suffix_of_results_is_dead_lettered_and_no_result_is_touched(
    fault: str | None, name: str, pipeline: Pipeline
) -> None:
    if fault:
        pipeline.rekognition.errors["a.jpg"] = detect_error(fault)
    folder = "failed" if fault else "processed"
    pipeline.upload("a.jpg")
    pipeline.drain()
    first = document(pipeline.s3, f"{folder}/a.jpg.json")
    pipeline.upload(name, content=b"another picture")
    pipeline.drain()
    assert document(pipeline.s3, f"{folder}/a.jpg.json") == first
    assert keys(pipeline.s3, FINAL) == [f"{folder}/a.jpg", f"{folder}/a.jpg.json"]
    assert keys(pipeline.s3, SOURCE) == [name]
    [dead] = pipeline.dead_letters()
    assert dead["attributes"]["error_code"] == "UnexpectedMessage"
    assert dead["attributes"]["error_message"] == (
        f"the key ends with .json, the suffix of results; give the image another name: {name}"
    )
    assert pipeline.rekognition.calls_for(name) == 0


def test_a_redelivery_does_not_copy_again_what_is_copied(s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    with pytest.raises(Crash):
        way_of(s3, CrashingS3(s3, 6, after=False)).label(upload, redelivered=False)
    copies: list[str] = []
    with listening(s3, "before-call.s3.CopyObject", lambda **_: copies.append("copy")):
        assert labelling(s3).label(upload, redelivered=True) is ImageOutcome.PROCESSED
    assert copies == []
    assert keys(s3, SOURCE) == []


@pytest.mark.parametrize("body", [b"picture", b"Picture", b"picturE"])
@pytest.mark.parametrize("large", [False, True])
def test_where_etags_say_nothing_the_bytes_tell_a_copy_from_something_else(
    large: bool,
    body: bytes,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key of KMS, and copying in parts, give equal bytes different etags."""
    monkeypatch.setattr(store_module, "MAX_QUICK_COPY_BYTES", 3 if large else 7)
    monkeypatch.setattr(store_module, "END_BYTES", 2)
    upload = put(s3)
    parts = s3.create_multipart_upload(Bucket=FINAL, Key="processed/a/b.jpg")["UploadId"]
    place = {"Bucket": FINAL, "Key": "processed/a/b.jpg", "UploadId": parts}
    etag = s3.upload_part(**place, PartNumber=1, Body=body)["ETag"]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert Store(s3, SOURCE, FINAL).is_copy(upload, "processed/a/b.jpg") is (body == b"picture")


def test_a_size_in_the_message_says_nothing_of_what_was_copied(s3: Any) -> None:  # noqa: ANN401
    upload = replace(put(s3), size=1)
    own(s3, "processed/a/b.jpg")
    assert not Store(s3, SOURCE, FINAL).is_copy(upload, "processed/a/b.jpg")


@pytest.mark.parametrize("place", [1, 2])
def test_a_second_message_goes_on_with_the_name_that_the_first_claimed_though_a_better_one_is_free_again(
    place: int,
    s3: Any,  # noqa: ANN401
) -> None:
    upload = put(s3)
    names = candidates("processed", upload)
    own(s3, *names[:place])
    with pytest.raises(Crash):
        way_of(s3, AtTheCopy(s3, Mock(side_effect=Crash), enforces=False)).label(upload, redelivered=False)
    for name in names[:place]:
        s3.delete_object(Bucket=FINAL, Key=name)
    labelling(s3).label(upload, redelivered=False)
    assert keys(s3, FINAL) == [names[place], json_key(names[place])]
    assert finished_at(s3, names[place], upload, b"picture")
