"""Faults of the detection: no outage sends an image to the dead-letter queue, and no bad image keeps the model."""

from functools import partial
from typing import Any

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import invariants, runs
from tests.rig.stack.recursive_loops import MAX_INVOCATIONS, lineage

# A batch that is throttled lasts for wall minutes, because the function slows down in its own time.
pytestmark = pytest.mark.timeout(600)


def age_chains(scene: Scene, messages: int, invocations: int) -> None:
    """Let the function have been invoked so often for what waits: hours of an outage would take hours here too."""
    sqs, url = scene.stack.client("sqs"), scene.stack.outputs["queue_url"]
    chain = lineage(scene.stack.outputs["analyze_function_name"], invocations)
    header = {"DataType": "String", "StringValue": f"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;{chain}"}
    waiting: list[Any] = []
    while len(waiting) < messages:
        waiting += sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in waiting:
        attributes = {"requeued": {"DataType": "Number", "StringValue": "1"}}
        sqs.send_message(
            QueueUrl=url,
            MessageBody=message["Body"],
            MessageAttributes=attributes,
            MessageSystemAttributes={"AWSTraceHeader": header},
        )
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.long
def test_throttling_without_an_end_ends_runs_and_sends_no_image_to_the_dead_letter_queue(scene: Scene) -> None:
    uploads = scene.upload(12)
    # The next one but one would be stopped as a recursive loop, if the module did not allow it.
    age_chains(scene, 12, MAX_INVOCATIONS - 1)
    scene.break_call("DetectCustomLabels", "ThrottlingException", share=0.5)
    scene.break_call("DetectCustomLabels", "ProvisionedThroughputExceededException")
    # The SDK repeats the call, and SQS has taken both copies.
    scene.stack.add_fault(
        service="sqs", operation="SendMessage", caller="analyze-image", error="InternalError", carried_out=True
    )
    assert [scene.run().get("error") for _ in range(2)] == ["NoProgress", "NoProgress"]
    assert [fault["applied"] for fault in scene.stack.faults()] == [1]
    # Each has one at any moment, because a copy is sent before its message is deleted.
    assert scene.waiting() >= len(uploads)
    assert scene.dead_letters() == []
    scene.stack.post_emulator("models/reset", project_version_arn=scene.stack.model.version_arn)
    scene.run_until_done()
    assert scene.dead_letters() == []
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1] * len(uploads)


def test_a_throttle_of_every_second_call_slows_the_run_down_and_loses_nothing(scene: Scene) -> None:
    uploads = scene.upload(12)
    scene.break_call("DetectCustomLabels", "ProvisionedThroughputExceededException", share=0.5)
    # SQS holds a message back in wall time, which the run's waits must not outrun.
    with scene.stack.set_wait_scale(0.3):
        execution = scene.run()
    assert execution["status"] == "SUCCEEDED", execution
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1] * len(uploads)
    assert scene.dead_letters() == []


def test_a_burst_of_server_errors_costs_no_image(scene: Scene) -> None:
    uploads = scene.upload(20)
    scene.break_call("DetectCustomLabels", "InternalServerError", times=40)
    scene.run()
    assert scene.dead_letters() == []
    assert len(uploads) == 20


@pytest.mark.long
def test_server_errors_for_everything_send_no_image_to_the_dead_letter_queue(scene: Scene) -> None:
    scene.upload(20)
    scene.break_call("DetectCustomLabels", "InternalServerError")
    executions = [scene.run() for _ in range(2)]
    assert [ended.get("error") for ended in executions] == ["NoProgress", "NoProgress"]
    states = runs.states_entered(scene.stack, executions[0]["executionArn"])
    assert states.index("Close the trigger") < states.index("Stop the model") < states.index("Run failed")
    assert scene.receipt(executions[0])["error"]["code"] == "NoProgress"
    assert scene.dead_letters() == []


@pytest.mark.long
def test_one_image_that_always_errors_ends_with_its_reason_and_does_not_keep_the_model(scene: Scene) -> None:
    scene.upload(8)
    [poison] = scene.upload(1, "poison")
    scene.break_call("DetectCustomLabels", "InternalServerError", key="poison")
    # SQS holds a message back in wall time: its four tries take more than a minute of it.
    with scene.stack.set_wait_scale(0.5):
        arn = scene.start()
        scene.until(scene.dead_letters, "it was not dead-lettered", 150)
    execution = scene.wait(arn)
    assert execution["status"] == "SUCCEEDED", execution
    assert scene.receipt(execution)["images"] == {"processed": 8, "failed": 0, "dead_lettered": 1}
    # Its object is still there, and the run has read in the dead-letter queue that nobody waits for it.
    assert "1 whose messages are in the dead-letter queue" in scene.receipt(execution)["end"]["reason"]
    [letter] = scene.dead_letters()
    assert "poison-0.png" in letter["Body"]
    assert letter["MessageAttributes"]["error_code"]["StringValue"] == "InternalServerError"
    starts = scene.stack.meter()["starts"]
    assert scene.receipt(scene.run())["outcome"] == "nothing_to_do"
    assert scene.stack.meter()["starts"] == starts, "the next run does not start the model for it"
    scene.stack.post_emulator("models/reset", project_version_arn=scene.stack.model.version_arn)
    assert scene.why(poison.key) == "dead_lettered"
    assert scene.redrive() == 1
    assert scene.why(poison.key) == "waiting"


def test_a_call_that_never_answers_is_given_up_and_the_image_is_labelled_later(scene: Scene) -> None:
    scene.upload(2)
    scene.break_call("DetectCustomLabels", delay_wall_seconds=12, times=1, carried_out=False)
    scene.run()
    assert scene.dead_letters() == []


def test_a_model_that_is_not_ready_closes_the_trigger_and_burns_no_receives(scene: Scene) -> None:
    scene.upload(12)
    scene.break_call("DetectCustomLabels", "ResourceNotReadyException")
    arn = scene.start()
    execution = scene.wait(arn)
    assert execution["error"] == "AnalysisBlocked"
    assert "Close the trigger" in runs.states_entered(scene.stack, arn)
    assert scene.stack.meter()["answers"]["DetectCustomLabels"]["ResourceNotReadyException"] < 60
    assert scene.dead_letters() == []


def test_a_permission_that_is_missing_ends_the_run_by_name(scene: Scene) -> None:
    blocked = scene.upload(3)
    scene.break_call("DetectCustomLabels", "AccessDeniedException")
    execution = scene.run()
    assert execution["error"] == "AnalysisBlocked"
    assert "AccessDeniedException" in execution["cause"]
    assert {scene.why(image.key) for image in blocked} == {"waiting"}
    assert scene.dead_letters() == []


def test_an_image_at_fault_costs_one_call_at_the_most_and_ends_with_its_reason(scene: Scene) -> None:
    at_fault = {
        "corrupt.png": (b"\x89PNG\r\n\x1a\nand then nothing", "InvalidImageFormatException"),
        "text.jpg": (b"this is no picture", "InvalidImageFormatException"),
        "empty.png": (b"", "InvalidImageFormatException"),
        "gif.png": (b"GIF89a" + bytes(100), "InvalidImageFormatException"),
        "large.jpg": (bytes(15 * 1024 * 1024 + 1), "ImageTooLargeException"),
    }
    for key, (body, _) in at_fault.items():
        scene.upload_bytes(key, body)
    execution = scene.run()
    assert scene.receipt(execution)["images"] == {"processed": 0, "failed": len(at_fault), "dead_lettered": 0}
    failures = invariants.final_bucket(scene.stack).documents
    for key, (_, code) in at_fault.items():
        assert failures[f"failed/{scene.name}/{key}"]["error"]["code"] == code
        assert scene.detections(key) <= 1


def test_an_image_deleted_between_event_and_run_is_nobodys(scene: Scene) -> None:
    gone, hidden = scene.upload(2, "gone")
    scene.upload(1)
    s3, bucket = scene.stack.client("s3"), scene.stack.outputs["source_bucket_name"]
    s3.delete_object(Bucket=bucket, Key=gone.key, VersionId=gone.version_id)
    # As the console does, and `aws s3 rm`: the version stays below a delete marker.
    s3.delete_object(Bucket=bucket, Key=hidden.key)
    for deleted in (gone, hidden):
        scene.ledger.uploads.remove(deleted)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED"
    assert scene.receipt(execution)["images"] == {"processed": 1, "failed": 0, "dead_lettered": 0}
    assert scene.dead_letters() == []
    assert scene.detections(hidden.key) == 0
    s3.delete_object(Bucket=bucket, Key=hidden.key, VersionId=hidden.version_id)


def test_an_image_deleted_between_its_json_and_its_copy_leaves_no_json(scene: Scene) -> None:
    gone = {"processed": scene.upload(1, "gone")[0], "failed": scene.upload_bytes("gone.png", b"no picture")}
    for place in gone:
        scene.stack.add_fault(
            service="s3", operation="PutObject", resource=f"/{place}/", caller="analyze-image", hang_seconds=4
        )
    arn = scene.start()
    s3, outputs = scene.stack.client("s3"), scene.stack.outputs

    def is_written(place: str) -> bool:
        written = s3.list_objects_v2(Bucket=outputs["final_bucket_name"], Prefix=f"{place}/{scene.name}/")
        return "Contents" in written

    for place, upload in gone.items():
        scene.until(partial(is_written, place), f"no JSON was written under {place}/")
        s3.delete_object(Bucket=outputs["source_bucket_name"], Key=upload.key, VersionId=upload.version_id)
        scene.ledger.uploads.remove(upload)
    execution = scene.wait(arn)
    assert execution["status"] == "SUCCEEDED"
    assert scene.receipt(execution)["images"] == {"processed": 0, "failed": 0, "dead_lettered": 0}
    # The run does not wait for it: without the images in their bucket there is nothing left to label.
    scene.until(lambda: not any(map(is_written, gone)), "their JSON was not withdrawn")
    assert scene.dead_letters() == []


def test_an_image_overwritten_between_event_and_run_gives_two_results(scene: Scene) -> None:
    uploads = [*scene.upload(1), *scene.upload(1)]
    assert uploads[0].key == uploads[1].key
    s3, outputs = scene.stack.client("s3"), scene.stack.outputs
    for upload in uploads:
        s3.put_object_annotation(
            Bucket=outputs["source_bucket_name"],
            Key=upload.key,
            VersionId=str(upload.version_id),
            AnnotationName="of",
            AnnotationPayload=upload.sha256.encode(),
        )
    assert scene.receipt(scene.run())["images"] == {"processed": 2, "failed": 0, "dead_lettered": 0}
    final = invariants.final_bucket(scene.stack)
    name, names = f"processed/{uploads[0].key}", []
    for upload in uploads:
        [key] = final.documents_of(upload)
        names.append(key)
        of = s3.get_object_annotation(Bucket=outputs["final_bucket_name"], Key=key, AnnotationName="of")
        assert of["AnnotationPayload"].read().decode() == upload.sha256, "each image takes along its own"
    # Whichever came first has its own name.
    longer = {name.replace(".png", f"~{upload.etag[:8]}.png") for upload in uploads}
    assert name in names
    assert longer & set(names)
