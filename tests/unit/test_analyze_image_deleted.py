"""What its owner deletes while it waits is not labelled and not published, in a bucket with versions too."""

from typing import Any

import pytest

from analyze_image.labelling import ImageOutcome
from analyze_image.store import Store
from shared.s3_events import Upload
from tests.unit.analyze_image_kit import Crash, CrashingS3, Pipeline, document, keys, labelling, put
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, SOURCE, aws_error
from tests.unit.test_analyze_image_names_taken import way_of


def set_versioning(s3: Any, status: str) -> None:  # noqa: ANN401
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": status})


@pytest.fixture
def versioned(s3: Any) -> Any:  # noqa: ANN401
    set_versioning(s3, "Enabled")
    return s3


def kept(s3: Any) -> tuple[list[str], int]:  # noqa: ANN401
    """The versions in the source bucket, and how many delete markers lie there."""
    found = s3.list_object_versions(Bucket=SOURCE)
    return [each["VersionId"] for each in found.get("Versions", [])], len(found.get("DeleteMarkers", []))


def test_a_plain_delete_of_what_waits_is_a_delete_and_its_version_is_the_owners(pipeline: Pipeline) -> None:
    set_versioning(pipeline.s3, "Enabled")
    [upload] = pipeline.upload("a.jpg")
    pipeline.s3.delete_object(Bucket=SOURCE, Key="a.jpg")
    pipeline.drain()
    assert pipeline.rekognition.calls == []
    assert keys(pipeline.s3, FINAL) == pipeline.messages() == pipeline.dead_letters() == []
    assert kept(pipeline.s3) == ([upload.version_id], 1)


def test_what_was_claimed_and_not_copied_before_the_delete_is_withdrawn(versioned: Any) -> None:  # noqa: ANN401
    upload = put(versioned)
    with pytest.raises(Crash):
        way_of(versioned, CrashingS3(versioned, 5, after=True)).label(upload, redelivered=False)
    assert keys(versioned, FINAL) == ["processed/a/b.jpg.json"]
    versioned.delete_object(Bucket=SOURCE, Key=upload.key)
    assert labelling(versioned).label(upload, redelivered=True) is ImageOutcome.GONE
    assert keys(versioned, FINAL) == []
    assert kept(versioned) == ([upload.version_id], 1)


def test_a_delete_after_the_copy_came_too_late(versioned: Any) -> None:  # noqa: ANN401
    upload = put(versioned)
    with pytest.raises(Crash):
        way_of(versioned, CrashingS3(versioned, 7, after=False)).label(upload, redelivered=False)
    versioned.delete_object(Bucket=SOURCE, Key=upload.key)
    assert labelling(versioned).label(upload, redelivered=True) is ImageOutcome.PROCESSED
    assert keys(versioned, FINAL) == ["processed/a/b.jpg", "processed/a/b.jpg.json"]
    assert kept(versioned) == ([], 1)


def test_a_finished_result_whose_image_somebody_fetched_stays_when_the_key_is_deleted(versioned: Any) -> None:  # noqa: ANN401
    upload = put(versioned)
    labelling(versioned).label(upload, redelivered=False)
    versioned.delete_object(Bucket=FINAL, Key="processed/a/b.jpg")
    versioned.delete_object(Bucket=SOURCE, Key=upload.key)
    assert labelling(versioned).label(upload, redelivered=True) is ImageOutcome.ALREADY_DONE
    assert keys(versioned, FINAL) == ["processed/a/b.jpg.json"]


def test_a_newer_object_that_may_not_be_looked_at_hides_no_upload(versioned: Any) -> None:  # noqa: ANN401
    upload = put(versioned)

    class EncryptedOnTop:
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            return getattr(versioned, name)

        def head_object(self, **parameters: Any) -> Any:  # noqa: ANN401
            if parameters["Bucket"] == SOURCE and "VersionId" not in parameters:
                raise aws_error("400", "Bad Request", "HeadObject")
            return versioned.head_object(**parameters)

    assert way_of(versioned, EncryptedOnTop()).label(upload, redelivered=False) is ImageOutcome.PROCESSED


def test_s3_that_does_not_tell_whether_it_was_deleted_is_asked_again_later(pipeline: Pipeline) -> None:
    set_versioning(pipeline.s3, "Enabled")
    uploads = pipeline.upload("a.jpg")
    pipeline.faulty_s3.faults["head_object"] = aws_error("503", "Slow Down", "HeadObject")
    pipeline.drain()
    assert pipeline.rekognition.calls == []
    pipeline.faulty_s3.faults.clear()
    pipeline.run_for(120)
    assert pipeline.record.processed == 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


# --- from before versioning


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_an_object_from_before_versioning_is_moved_and_not_hidden(status: str, s3: Any) -> None:  # noqa: ANN401
    upload = put(s3)
    assert upload.version_id is None
    set_versioning(s3, status)
    assert labelling(s3).label(upload, redelivered=False) is ImageOutcome.PROCESSED
    assert kept(s3)[0] == []
    assert document(s3, "processed/a/b.jpg.json")["source"]["version_id"] is None


def test_a_newer_upload_over_an_object_from_before_versioning_speaks_for_itself_alone(s3: Any) -> None:  # noqa: ANN401
    older = put(s3, body=b"older")
    set_versioning(s3, "Enabled")
    newer = put(s3, body=b"newer")
    Store(s3, SOURCE, FINAL).delete_source(older)
    assert kept(s3) == ([newer.version_id, "null"], 0)


def answered(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The deletes of an upload without a version, when S3 answers the first so."""
    calls: list[dict[str, Any]] = []

    class Recorder:
        def delete_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
            calls.append(parameters)
            return answer

    Store(Recorder(), SOURCE, FINAL).delete_source(Upload(SOURCE, "k", "e", None, 1))
    return calls


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        ({}, 1),
        # While versioning is suspended a marker takes the object's place, and a newer upload would be "null" too.
        ({"DeleteMarker": True, "VersionId": "null"}, 1),
        ({"DeleteMarker": True, "VersionId": "v"}, 2),
    ],
)
def test_only_a_hidden_object_takes_one_more_call(answer: dict[str, Any], calls: int) -> None:
    first, *more = answered(answer)
    assert first == {"Bucket": SOURCE, "Key": "k", "IfMatch": '"e"'}
    assert more == [{"Bucket": SOURCE, "Key": "k", "VersionId": "null"}] * (calls - 1)
