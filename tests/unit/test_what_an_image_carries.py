"""Invariant I8: what an image carried arrives, whatever its size: metadata, tags, annotations, and a true checksum."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyze_image import large_copies
from analyze_image import store as store_module
from analyze_image.detector import MAX_IMAGE_BYTES
from analyze_image.labelling import ImageOutcome
from analyze_image.large_copies import AnnotationsUnreadableError
from shared.s3_events import Upload
from tests.rig.quick_moto import client, mock_aws
from tests.unit.analyze_image_kit import AnnotatedS3, Crash, keys
from tests.unit.conftest import FINAL, SOURCE, aws_error
from tests.unit.test_analyze_image_names_taken import way_of


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than three bytes is copied in parts of two."""
    monkeypatch.setattr(store_module, "MAX_QUICK_COPY_BYTES", 3)
    monkeypatch.setattr(large_copies, "PART_BYTES", 2)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


def carried(s3: AnnotatedS3, bucket: str, key: str) -> dict[str, Any]:
    """What an object carries, and its bytes."""
    head = s3.head_object(Bucket=bucket, Key=key)
    system = {name: head.get(name) for name in large_copies.CARRIED}
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return system | {
        "tags": sorted((tag["Key"], tag["Value"]) for tag in tags),
        "annotations": s3.annotations.get((bucket, key), {}),
        "body": s3.get_object(Bucket=bucket, Key=key)["Body"].read(),
    }


def uploaded(s3: AnnotatedS3, body: bytes, annotations: dict[str, bytes], **carries: Any) -> Upload:  # noqa: ANN401
    answer = s3.put_object(Bucket=SOURCE, Key="a.jpg", Body=body, **carries)
    s3.annotations[SOURCE, "a.jpg"] = annotations
    return Upload(SOURCE, "a.jpg", answer["ETag"].strip('"'), answer.get("VersionId"), len(body))


words = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789 -_.:/=+@", min_size=1, max_size=20).map(str.strip).filter(bool)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=10)
# moto refuses more than what AWS reserves, which is "aws:".
tag_keys = names.filter(lambda name: not name.startswith("aws"))
system_metadata = st.fixed_dictionaries(
    {},
    optional={
        "CacheControl": words,
        "ContentDisposition": words,
        "ContentEncoding": words,
        "ContentLanguage": words,
        "ContentType": st.sampled_from(["image/jpeg", "image/png; profile=x", "application/x-custom"]),
        "Expires": st.just(datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)),
        "Metadata": st.dictionaries(names, words, max_size=4),
        "Tagging": st.dictionaries(tag_keys, words, max_size=10).map(large_copies.urlencode),
    },
)
all_annotations = st.dictionaries(words, st.binary(min_size=1, max_size=20), max_size=4)


@given(st.binary(min_size=1, max_size=12), st.booleans(), system_metadata, all_annotations)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_an_image_carries_arrives_whatever_its_size(
    body: bytes, versioned: bool, carries: dict[str, Any], annotations: dict[str, bytes]
) -> None:
    with moved() as s3:
        if versioned:
            s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
        upload = uploaded(s3, body, annotations, **carries)
        before = carried(s3, SOURCE, "a.jpg")
        assert fail_for_its_size(s3, upload) is ImageOutcome.FAILED
        assert carried(s3, FINAL, "failed/a.jpg") == before
        assert keys(s3, SOURCE) == []
        assert ("create_multipart_upload" in s3.calls) is (len(body) > 3)


class moved(AbstractContextManager[AnnotatedS3]):  # noqa: N801 - reads as a function
    """Empty buckets, for each example anew."""

    def __enter__(self) -> AnnotatedS3:
        names = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self._stack = ExitStack()
        self._stack.enter_context(patch.dict(os.environ, names))
        self._stack.enter_context(mock_aws())
        s3 = client("s3")
        for bucket in (SOURCE, FINAL):
            s3.create_bucket(Bucket=bucket)
        return AnnotatedS3(s3)

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def fail_for_its_size(s3: AnnotatedS3, upload: Upload, *, redelivered: bool = False) -> ImageOutcome:
    """Label an image that is too large for Rekognition, although it has few bytes."""
    way = way_of(s3, s3, "ImageTooLargeException")
    return way.label(upload, redelivered=redelivered)


LARGE = b"larger than three bytes"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "call",
    ["create_multipart_upload", "upload_part_copy", "complete_multipart_upload", "put_object_annotation"],
)
def test_killed_within_a_copy_in_parts_nothing_that_it_carried_is_lost(
    call: str,
    after: bool,
    s3: Any,  # noqa: ANN401
) -> None:
    annotated = AnnotatedS3(s3)
    upload = uploaded(annotated, LARGE, {"one": b"1", "two": b"2"}, ContentType="image/jpeg", Tagging="a=b")
    before = carried(annotated, SOURCE, "a.jpg")
    dying = AnnotatedS3(s3, call, after=after)
    dying.annotations = annotated.annotations
    with pytest.raises(Crash):
        fail_for_its_size(dying, upload)
    assert keys(s3, SOURCE) == ["a.jpg"]
    assert fail_for_its_size(annotated, upload, redelivered=True) is ImageOutcome.FAILED
    assert carried(annotated, FINAL, "failed/a.jpg") == before


class AnswersChecksums(AnnotatedS3):
    """S3 whose objects have a checksum, which moto does not compute; keeps what a copy in parts asks for."""

    def __init__(self, s3: Any, checksums: dict[str, str]) -> None:  # noqa: ANN401
        super().__init__(s3)
        self.checksums = checksums
        self.sent: dict[str, dict[str, Any]] = {}

    def head_object(self, **parameters: Any) -> Any:  # noqa: ANN401
        asked = parameters.pop("ChecksumMode", None)
        return self._s3.head_object(**parameters) | (self.checksums if asked else {})

    def create_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401
        self.sent["create"] = parameters
        return self._s3.create_multipart_upload(**parameters)

    def upload_part_copy(self, **parameters: Any) -> Any:  # noqa: ANN401
        answer = self._s3.upload_part_copy(**parameters)
        algorithm = self.sent["create"].get("ChecksumAlgorithm")
        if algorithm:
            answer["CopyPartResult"][f"Checksum{algorithm}"] = f"of part {parameters['PartNumber']}"
        return answer

    def complete_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401
        self.sent["complete"] = parameters
        plain = [
            {name: part[name] for name in ("PartNumber", "ETag")} for part in parameters["MultipartUpload"]["Parts"]
        ]
        place = {name: parameters[name] for name in ("Bucket", "Key", "UploadId")}
        return self._s3.complete_multipart_upload(**place, MultipartUpload={"Parts": plain})


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32C", "CRC32"])
def test_s3_checks_that_the_parts_have_the_checksum_of_the_whole(algorithm: str, s3: Any) -> None:  # noqa: ANN401
    summed = AnswersChecksums(s3, {"ChecksumType": "FULL_OBJECT", f"Checksum{algorithm}": "abc="})
    fail_for_its_size(summed, uploaded(summed, LARGE, {}))
    assert summed.sent["create"]["ChecksumType"] == "FULL_OBJECT"
    assert summed.sent["create"]["ChecksumAlgorithm"] == algorithm
    assert summed.sent["complete"][f"Checksum{algorithm}"] == "abc="
    assert summed.sent["complete"]["IfNoneMatch"] == "*", "and it overwrites nothing"


@pytest.mark.parametrize(
    "checksums",
    [
        {"ChecksumType": "COMPOSITE", "ChecksumSHA256": "abc=-2"},
        {"ChecksumType": "FULL_OBJECT", "ChecksumSHA256": "c="},
    ],
)
def test_a_checksum_that_parts_cannot_have_as_a_whole_is_made_of_the_parts(checksums: dict[str, str], s3: Any) -> None:  # noqa: ANN401
    summed = AnswersChecksums(s3, checksums)
    fail_for_its_size(summed, uploaded(summed, LARGE, {}))
    assert (summed.sent["create"]["ChecksumAlgorithm"], summed.sent["create"]["ChecksumType"]) == (
        "SHA256",
        "COMPOSITE",
    )
    assert "ChecksumSHA256" not in summed.sent["complete"]
    parts = summed.sent["complete"]["MultipartUpload"]["Parts"]
    assert [part["ChecksumSHA256"] for part in parts] == [f"of part {part['PartNumber']}" for part in parts]


def test_the_largest_object_fits_into_the_parts_that_s3_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    largest = 50 * 1024**4
    ranges = list(large_copies._ranges(largest))
    assert len(ranges) <= 10_000
    assert ranges[-1].endswith(f"-{largest - 1}")
    assert list(large_copies._ranges(MAX_IMAGE_BYTES)) == [f"bytes=0-{MAX_IMAGE_BYTES - 1}"]


def test_a_region_without_annotations_keeps_no_large_image_waiting(s3: Any) -> None:  # noqa: ANN401
    class Elsewhere(AnnotatedS3):
        def list_object_annotations(self, **_: Any) -> None:  # noqa: ANN401
            raise aws_error("NotImplemented", operation="ListObjectAnnotations")

    elsewhere = Elsewhere(s3)
    assert fail_for_its_size(elsewhere, uploaded(elsewhere, LARGE, {})) is ImageOutcome.FAILED
    assert keys(s3, SOURCE) == []


def test_a_checksum_that_s3_does_not_tell_keeps_no_large_image_waiting(s3: Any) -> None:  # noqa: ANN401
    class NoChecksums(AnswersChecksums):
        def head_object(self, **parameters: Any) -> Any:  # noqa: ANN401
            if "ChecksumMode" in parameters:
                raise aws_error("403", "Forbidden", "HeadObject")
            return self._s3.head_object(**parameters)

    untold = NoChecksums(s3, {})
    assert fail_for_its_size(untold, uploaded(untold, LARGE, {})) is ImageOutcome.FAILED
    assert "ChecksumAlgorithm" not in untold.sent["create"]


# --- a runtime whose boto3 knows no annotations


class OldS3(AnnotatedS3):
    """The client of a boto3 from before annotations."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if "annotation" in name:
            raise AttributeError(name)
        return super().__getattr__(name)


def test_an_older_boto3_leaves_the_whole_copy_to_s3(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(store_module, "KNOWS_ANNOTATIONS", False)
    old, patient = OldS3(s3), OldS3(s3)
    upload = uploaded(old, LARGE, {"one": b"1"}, Tagging="a=b")
    patient.annotations = old.annotations
    before = carried(old, SOURCE, "a.jpg")
    way = way_of(old, old, "ImageTooLargeException")
    with patch.object(way._store, "_patient_s3", patient):
        way.label(upload, redelivered=False)
    assert carried(old, FINAL, "failed/a.jpg") == before
    assert patient.calls == ["copy_object"], "which takes longer than other calls"


def test_what_an_older_boto3_cannot_copy_whole_stays_with_its_reason(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(store_module, "KNOWS_ANNOTATIONS", False)
    monkeypatch.setattr(store_module, "MAX_COPY_BYTES", 3)
    old = OldS3(s3)
    upload = uploaded(old, LARGE, {"one": b"1"})
    with pytest.raises(AnnotationsUnreadableError, match=r"boto3 1\.43\.31"):
        fail_for_its_size(old, upload)
    assert keys(s3, SOURCE) == ["a.jpg"]
    assert "failed/a.jpg" not in keys(s3, FINAL)
