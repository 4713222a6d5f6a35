"""Images in the source bucket that no message speaks for."""

import json
import time
import uuid
from typing import Any

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import runs

pytestmark = pytest.mark.timeout(300)

# S3 tells the time of an upload in whole seconds.
LATER_SECONDS = 2.1


def reconcile(scene: Scene, **request: Any) -> dict[str, Any]:  # noqa: ANN401
    """Run the workflow as its schedule does, or with another input; return its report."""
    states, name = scene.stack.client("stepfunctions"), f"reconcile-{uuid.uuid4().hex[:8]}"
    arn = states.start_execution(
        stateMachineArn=scene.stack.outputs["reconcile_state_machine_arn"], name=name, input=json.dumps(request)
    )["executionArn"]
    execution = runs.wait_for_run(scene.stack, arn, 60)
    assert execution["status"] == "SUCCEEDED", execution
    bucket = scene.stack.outputs["final_bucket_name"]
    return json.load(scene.stack.client("s3").get_object(Bucket=bucket, Key=f"reconcile/{name}.json")["Body"])


def lose_messages(scene: Scene) -> None:
    """Let the queue forget what it holds, as after fourteen days."""
    scene.stack.client("sqs").purge_queue(QueueUrl=scene.stack.outputs["queue_url"])
    assert scene.waiting() == 0
    time.sleep(LATER_SECONDS)


def test_images_without_a_message_are_found_queued_and_labelled(scene: Scene) -> None:
    # As in the first five minutes after an apply.
    scene.stack.add_fault(service="s3", operation="Notify", error="NotYet", times=None)
    scene.upload(3, "a key with spaces + plus & ümlaut")
    time.sleep(LATER_SECONDS)
    assert scene.receipt(scene.run())["outcome"] == "nothing_to_do"
    said = scene.desk("status")
    assert "3 images, no message" in said
    assert f"clb backfill --name {scene.stack.name}" in said
    scene.stack.clear_faults()
    now = {"uploaded_before": "now", "margin_minutes": 0}
    dry = reconcile(scene, **now, dry_run=True)
    assert (dry["outcome"], dry["orphans"], dry["queued"], scene.waiting()) == ("dry_run", 3, 0, 0)
    real = reconcile(scene, **now)
    assert (real["outcome"], real["queued"], scene.waiting()) == ("queued", 3, 3)
    execution = scene.run()
    assert scene.receipt(execution)["images"] == {"processed": 3, "failed": 0, "dead_lettered": 0}


def test_an_image_that_s3_refuses_to_show_keeps_no_other_from_being_queued(scene: Scene) -> None:
    scene.upload(5)
    odd = scene.upload(1, "odd")[0]
    lose_messages(scene)
    scene.stack.add_fault(
        service="s3", operation="HeadObject", resource="odd", caller="reconcile", error="AccessDenied", times=None
    )
    now = {"uploaded_before": "now", "margin_minutes": 0}
    dry, real = reconcile(scene, **now, dry_run=True), reconcile(scene, **now)
    assert [(report["outcome"], report["orphans"], report["refused"]) for report in (dry, real)] == [
        ("dry_run", 5, 1),
        ("queued", 5, 1),
    ]
    assert scene.waiting() == 5
    ((key, reason),) = [(one["key"], one["reason"]) for one in real["refused_examples"]]
    assert key == odd.key
    assert reason.startswith("403 Forbidden (HeadObject): ")
    scene.stack.clear_faults()
    later = reconcile(scene, **now, prefix=odd.key)
    assert (later["outcome"], later["queued"], later["refused"], scene.waiting()) == ("queued", 1, 0, 6)


def test_the_daily_reconcile_finds_what_was_there_when_the_queue_was_empty(scene: Scene) -> None:
    scene.upload(1)
    lose_messages(scene)
    assert scene.receipt(scene.run())["outcome"] == "nothing_to_do"
    assert reconcile(scene, margin_minutes=0)["queued"] == 1
    scene.upload(1, "new")
    assert reconcile(scene, margin_minutes=0)["queued"] == 0, "what waits is not queued a second time"


def test_an_image_in_the_dead_letter_queue_is_left_to_a_person(scene: Scene) -> None:
    # The second, which has no message at all, lets the bucket be gone through.
    scene.upload(2)
    sqs, outputs = scene.stack.client("sqs"), scene.stack.outputs
    [message] = sqs.receive_message(QueueUrl=outputs["queue_url"])["Messages"]
    sqs.send_message(QueueUrl=outputs["dead_letter_queue_url"], MessageBody=message["Body"])
    lose_messages(scene)
    report = reconcile(scene, uploaded_before="now", margin_minutes=0)
    assert (report["orphans"], report["queued"], report["in_dead_letter_queue"]) == (1, 1, 1)


def test_a_backfill_of_a_prefix_at_the_desk_queues_that_prefix_alone(scene: Scene) -> None:
    scene.upload(2, "old")
    scene.upload(1, "other")
    lose_messages(scene)
    printed = scene.desk("backfill", "--prefix", f"{scene.name}/old", "--margin-minutes", "0", "--yes")
    assert '"orphans": 2' in printed
    assert "2 images queued" in printed
    assert scene.waiting() == 2
    scene.desk("backfill", "--prefix", f"{scene.name}/other", "--margin-minutes", "0", "--yes")
    assert scene.waiting() == 3
