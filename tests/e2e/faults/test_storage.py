"""Faults of S3 and DynamoDB."""

import json

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import invariants

pytestmark = pytest.mark.timeout(300)


def test_s3_that_is_busy_loses_an_answer_or_finds_a_conflict_loses_and_doubles_nothing(scene: Scene) -> None:
    """Each trouble has images of its own."""
    uploads = [upload for trouble in ("busy", "lost", "conflict") for upload in scene.upload(2, trouble)]
    put = {"service": "s3", "operation": "PutObject", "caller": "analyze-image"}
    # More than the SDK's own attempts for one image, and more than the analysis makes at once.
    scene.stack.add_fault(**put, resource="busy", error="SlowDown", times=7)
    scene.stack.add_fault(**put, resource="conflict", error="ConditionalRequestConflict", times=9)
    lost = {"error": "InternalError", "carried_out": True, "times": 4}
    scene.stack.add_fault(**put, resource=r"processed/.*lost.*\.json", **lost)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED", execution
    assert [fault["applied"] for fault in scene.stack.faults()][:2] == [7, 9]
    assert scene.stack.faults()[2]["applied"] > 0
    assert scene.dead_letters() == []
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1] * len(uploads)


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject"])
def test_a_final_bucket_that_refuses_writes_keeps_the_images_in_the_source_bucket(scene: Scene, operation: str) -> None:
    uploads = scene.upload(3)
    scene.stack.add_fault(
        service="s3",
        operation=operation,
        resource="processed/",
        caller="analyze-image",
        error="AccessDenied",
        times=None,
    )
    execution = scene.run()
    assert execution["error"] == "AnalysisBlocked"
    assert execution["cause"].startswith("AccessDenied: ")
    assert f"({operation} s3://" in execution["cause"]
    source = invariants.waiting_in_source(scene.stack)
    assert all((upload.key, upload.etag) in source for upload in uploads)
    # A batch that was under way when the run ended may have sent copies of what it has yet to delete.
    assert scene.waiting() >= len(uploads)
    assert scene.dead_letters() == []
    scene.stack.clear_faults()
    scene.run_until_done()
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1, 1, 1]


def test_a_source_bucket_that_refuses_deletes_loses_and_doubles_nothing(scene: Scene) -> None:
    uploads = scene.upload(2)
    scene.stack.add_fault(service="s3", operation="DeleteObject", caller="analyze-image", error="AccessDenied", times=4)
    scene.run()
    scene.run_until_done()
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1, 1]


def test_a_table_that_throttles_stops_no_run(scene: Scene) -> None:
    scene.upload(2)
    # The analysis labels on without knowing for which run it counts, and the stop goes by the model's tag.
    throttled = {"analyze-image": 2, "check-queue": 5, "start-model": 5, "stop-model": 3, "toggle-trigger": 5}
    for caller, times in throttled.items():
        scene.stack.add_fault(
            service="dynamodb",
            operation="UpdateItem|GetItem|TransactWriteItems",
            caller=caller,
            error="ProvisionedThroughputExceededException",
            times=times,
        )
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    scene.expire_starts()
    execution = scene.wait(arn)
    assert execution["status"] == "SUCCEEDED", execution
    assert [fault["applied"] for fault in scene.stack.faults()] == list(throttled.values())


def test_a_receipt_that_cannot_be_written_is_written_by_the_watchdog(scene: Scene) -> None:
    scene.upload(1)
    scene.stack.add_fault(
        service="s3", operation="PutObject", resource="runs/", caller="record-run", error="AccessDenied", times=None
    )
    with scene.stack.set_wait_scale(0.001):
        execution = scene.wait(scene.start())
    assert execution["status"] == "FAILED"
    assert scene.receipt_of(execution["executionArn"])["error"]["code"] == "ExecutionFailed"
    scene.until(scene.at_rest, lambda: f"the lease is {json.dumps(scene.lease())}")
