"""Faults of S3 and DynamoDB."""

import json

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import invariants

pytestmark = pytest.mark.timeout(300)


def test_s3_that_is_busy_delays_images_and_loses_none(scene: Scene) -> None:
    uploads = scene.upload(2)
    # More than the SDK's own attempts for one image.
    scene.stack.add_fault(service="s3", operation="PutObject", caller="analyze-image", error="SlowDown", times=7)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED", execution
    assert scene.dead_letters() == []
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1, 1]


def test_an_answer_of_s3_that_was_lost_doubles_nothing(scene: Scene) -> None:
    uploads = scene.upload(2)
    scene.stack.add_fault(
        service="s3",
        operation="PutObject",
        resource=r"processed/.*\.json",
        caller="analyze-image",
        error="InternalError",
        carried_out=True,
        times=4,
    )
    assert scene.run()["status"] == "SUCCEEDED"
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1, 1]


def test_conditional_writes_that_conflict_come_back(scene: Scene) -> None:
    scene.upload(2)
    scene.stack.add_fault(
        service="s3", operation="PutObject", caller="analyze-image", error="ConditionalRequestConflict", times=9
    )
    assert scene.run()["status"] == "SUCCEEDED"
    assert scene.dead_letters() == []


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
    execution = scene.run()
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
