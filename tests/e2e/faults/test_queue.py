"""Faults of the queue and of the function that it feeds."""

import json

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import invariants, runs

pytestmark = pytest.mark.timeout(300)

UNEXPECTED = [
    "who sent this?",
    "{",
    "[]",
    '"text"',
    '{"Records": [{}]}',
    '{"Records": "many"}',
    json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {}}}]}),
    json.dumps({"Records": [{"eventSource": "aws:sns", "eventName": "ObjectCreated:Put"}]}),
]


def send(scene: Scene, *bodies: str) -> None:
    for body in bodies:
        scene.stack.client("sqs").send_message(QueueUrl=scene.stack.outputs["queue_url"], MessageBody=body)


def bodies_of_waiting(scene: Scene) -> list[str]:
    answer = scene.stack.client("sqs").receive_message(
        QueueUrl=scene.stack.outputs["queue_url"], MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
    )
    return [message["Body"] for message in answer["Messages"]]


def test_messages_that_come_twice_and_in_any_order_make_one_result_each(scene: Scene) -> None:
    scene.upload(4)
    waiting = bodies_of_waiting(scene)
    send(scene, *reversed(waiting), *waiting)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED"
    scene.ledger.assert_invariants()
    # The run ended with the last image, and perhaps before the last message.
    scene.run_until_done()
    scene.ledger.assert_invariants()


def test_a_message_that_comes_again_after_the_run_makes_no_second_result(scene: Scene) -> None:
    [upload] = scene.upload(1)
    [body] = bodies_of_waiting(scene)
    scene.run()
    send(scene, body)
    # A batch took it and was killed: the next run lets the analysis count what came of it, without the model.
    assert bodies_of_waiting(scene) == [body]
    starts = scene.stack.meter()["starts"]
    execution = scene.run()
    assert scene.receipt(execution)["outcome"] == "nothing_to_do"
    assert (scene.waiting(), scene.stack.meter()["starts"]) == (0, starts)
    assert len(invariants.final_bucket(scene.stack).documents_of(upload)) == 1


def test_messages_that_are_no_images_start_no_model_and_unexpected_ones_are_kept_with_their_reason(
    scene: Scene,
) -> None:
    starts = scene.stack.meter()["starts"]
    bucket = scene.stack.outputs["source_bucket_name"]
    send(scene, *[json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket})] * 12)
    send(scene, *UNEXPECTED)
    assert scene.receipt(scene.run())["outcome"] == "nothing_to_do"
    assert (scene.waiting(), scene.stack.meter()["starts"]) == (0, starts)
    kept = scene.dead_letters()
    assert sorted(letter["Body"] for letter in kept) == sorted(UNEXPECTED)
    assert all("error_message" in letter["MessageAttributes"] for letter in kept)


def test_unexpected_messages_among_images_are_kept_and_cost_no_second_receive(scene: Scene) -> None:
    """Among them one about another bucket, which is not followed."""
    scene.upload(3)
    [body, *_] = bodies_of_waiting(scene)
    forged = body.replace(scene.stack.outputs["source_bucket_name"], "somebody-elses-bucket")
    assert forged != body
    send(scene, *UNEXPECTED, forged)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED"
    assert scene.receipt(execution)["images"] == {"processed": 3, "failed": 0, "dead_lettered": 0}
    kept = scene.dead_letters()
    assert sorted(letter["Body"] for letter in kept) == sorted([*UNEXPECTED, forged])
    [stranger] = [letter for letter in kept if letter["Body"] == forged]
    assert "somebody-elses-bucket" in stranger["MessageAttributes"]["error_message"]["StringValue"]


def test_images_that_arrive_in_the_last_seconds_of_runs_are_labelled_by_them_or_the_next(scene: Scene) -> None:
    scene.upload(1)
    # Without a pause, so that some image comes at each step of each end.
    with scene.uploads_in_a_loop() as late:
        for _ in range(RUNS_WITH_LATE_IMAGES):
            execution = scene.run()
            assert execution["status"] == "SUCCEEDED", execution
    assert len(late) > RUNS_WITH_LATE_IMAGES
    scene.run_until_done()
    assert scene.dead_letters() == []


RUNS_WITH_LATE_IMAGES = 4

KILLS = {
    "after-detect": {"operation": "PutObject", "resource": r"processed/.*after-detect.*\.json"},
    "after-json": {"operation": "PutObject", "resource": r"processed/.*after-json.*\.json", "carried_out": True},
    "after-copy": {"operation": "CopyObject", "resource": "after-copy", "carried_out": True},
    "after-delete": {"operation": "DeleteObject", "resource": "after-delete", "carried_out": True},
}


# Two steps at a time: each kill is a receive for the other images of the batch too, and a look into the queue is one.
@pytest.mark.parametrize("steps", [("after-detect", "after-copy"), ("after-json", "after-delete")], ids="-".join)
def test_a_function_killed_at_a_step_of_an_image_loses_and_doubles_nothing(
    scene: Scene, steps: tuple[str, ...]
) -> None:
    # Each step with an image of its own; an image whose function was killed comes back five wall seconds later.
    kills = {step: KILLS[step] for step in steps}
    uploads = [upload for step in kills for upload in scene.upload(1, step)]
    for fault in kills.values():
        scene.stack.add_fault(service="s3", caller="analyze-image", kill=True, **fault)
    with scene.short_visibility():
        scene.run_until_done()
        assert [fault["applied"] for fault in scene.stack.faults()] == [1] * len(kills)
        final = invariants.final_bucket(scene.stack)
        assert [len(final.documents_of(upload)) for upload in uploads] == [1] * len(kills)


def test_a_function_killed_between_sending_a_copy_and_its_answer_doubles_nothing(scene: Scene) -> None:
    scene.upload(2)
    scene.break_call("DetectCustomLabels", "ThrottlingException", times=6)
    scene.stack.add_fault(service="sqs", operation="SendMessage", caller="analyze-image", kill=True, carried_out=True)
    with scene.short_visibility():
        scene.run()
        scene.run_until_done()
        assert scene.dead_letters() == []


def test_an_image_that_kills_the_function_each_time_ends_in_the_dead_letter_queue(scene: Scene) -> None:
    scene.upload(1, "deadly")
    scene.stack.add_fault(
        service="s3", operation="CopyObject", resource="deadly", caller="analyze-image", kill=True, times=None
    )
    with scene.short_visibility():
        for _ in range(6):
            scene.run()
            if scene.dead_letters():
                break
        [letter] = scene.dead_letters()
        assert "deadly-0.png" in letter["Body"]
        scene.stack.clear_faults()
        assert scene.redrive() == 1
        scene.run_until_done()


def test_a_batch_in_flight_when_the_trigger_closes_is_finished(scene: Scene) -> None:
    """The batch hangs in S3 while somebody closes the trigger: what Lambda has taken is Lambda's to end."""
    uploads = scene.upload(3)
    scene.stack.add_fault(service="s3", operation="CopyObject", caller="analyze-image", hang_seconds=2)
    arn = scene.start()
    scene.until(lambda: scene.stack.faults()[0]["applied"] == 1, "no copy began")
    scene.stack.client("lambda").update_event_source_mapping(
        UUID=scene.stack.outputs["event_source_mapping_uuid"], Enabled=False
    )
    scene.wait(arn)
    scene.run()
    final = invariants.final_bucket(scene.stack)
    assert [len(final.documents_of(upload)) for upload in uploads] == [1, 1, 1]


def test_a_queue_that_throttles_copies_loses_nothing(scene: Scene) -> None:
    scene.upload(2)
    scene.break_call("DetectCustomLabels", "ThrottlingException", times=6)
    scene.stack.add_fault(
        service="sqs", operation="SendMessage", caller="analyze-image", error="ThrottlingException", times=20
    )
    with scene.short_visibility():
        scene.run()
        scene.stack.clear_faults()
        scene.run_until_done()
        states = runs.states_entered(scene.stack, scene.executions[-1])
        assert states[-1] == "Run finished"
