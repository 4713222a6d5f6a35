"""Faults of the workflow itself: aborted, doubled, silent, late, applied over and destroyed."""

import json
import threading

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import invariants, snapshot
from tests.rig.stack.local_stack import Model

pytestmark = pytest.mark.timeout(600)

# One without a model, one whose model starts, and one that labels. tests/simulation/test_aborted_runs.py has them all.
STATES = ["Take the lease", "Start the model", "Watch the queue drain"]


def test_of_runs_that_start_at_once_one_works_and_the_others_end_quietly(scene: Scene) -> None:
    count = 10
    scene.upload(2)
    starts = scene.stack.meter()["starts"]
    threads = [threading.Thread(target=scene.run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = [scene.receipt_of(arn)["outcome"] for arn in scene.executions]
    assert sorted(outcomes) == ["another_run_active"] * (count - 1) + ["completed"]
    assert scene.stack.meter()["starts"] == starts + 1


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.replace(" ", "-"))
def test_a_run_aborted_in_a_state_is_cleaned_up_after_by_the_watchdog(scene: Scene, state: str) -> None:
    scene.upload(2)
    arn = scene.start()
    scene.until_state(arn, state)
    scene.abort(arn)
    # The end of the execution wakes the watchdog; what takes longer it does when its schedule wakes it again.
    scene.tick_until_at_rest()
    assert invariants.left_running(scene.stack) == []
    receipt = scene.receipt_of(arn)
    assert receipt["outcome"] in ("aborted", "completed")
    if receipt["outcome"] == "aborted":
        assert receipt["error"]["code"] == "ExecutionAborted"


def test_the_end_of_an_execution_wakes_the_watchdog_without_its_schedule(scene: Scene) -> None:
    scene.upload(1)
    arn = scene.start()
    scene.until_state(arn, "Wait for the model to stop")
    scene.abort(arn)
    scene.until(lambda: "clean_up" in scene.lease() or scene.at_rest(), "nobody came", seconds=20)


def test_a_run_that_holds_the_lease_and_is_silent_is_taken_over_by_the_next(scene: Scene) -> None:
    """Neither the event nor the schedule of the watchdog: the next run finds an expired lease and a running model."""
    scene.upload(2)
    with scene.without_watchdog():
        # It is aborted while it waits: a function that is under way would renew the lease once more.
        with scene.stack.set_wait_scale(1):
            arn = scene.start()
            scene.until_state(arn, "Wait while images are labelled")
            scene.abort(arn)
        scene.expire_lease()
        execution = scene.run()
    assert execution["status"] == "SUCCEEDED"
    assert scene.receipt(execution)["outcome"] in ("completed", "nothing_to_do")
    assert scene.receipt_of(arn)["error"]["code"] == "RunSilent"
    assert scene.model_status() == "STOPPED"


def test_a_silent_run_that_comes_back_finds_its_lease_lost_and_touches_nothing(scene: Scene) -> None:
    scene.upload(1)
    # The run's next look renews the lease: it must not come before the watchdog's.
    with scene.stack.set_wait_scale(1):
        arn = scene.start()
        scene.until_state(arn, "Wait while images are labelled")
        scene.expire_lease()
        scene.tick()
    execution = scene.wait(arn)
    assert execution["error"] == "LeaseLost"
    assert scene.receipt_of(arn)["outcome"] in ("lease_lost", "aborted")


def test_a_control_function_that_fails_three_times_in_a_row_is_asked_a_fourth_time(scene: Scene) -> None:
    scene.upload(1)
    for function in ("check-queue", "stop-model"):
        scene.stack.add_fault(service="dynamodb", operation="UpdateItem|GetItem", caller=function, kill=True, times=3)
    execution = scene.run()
    assert execution["status"] == "SUCCEEDED", execution
    assert [fault["applied"] for fault in scene.stack.faults()] == [3, 3]


def test_a_control_function_that_fails_for_good_stops_the_model_and_fails_the_run(scene: Scene) -> None:
    scene.upload(1)
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    scene.stack.add_fault(
        service="sqs", operation="GetQueueAttributes", caller="check-queue", error="AccessDenied", times=None
    )
    execution = scene.wait(arn)
    assert execution["status"] == "FAILED"
    assert scene.model_status() == "STOPPED"
    assert scene.receipt(execution)["outcome"] == "failed"


def test_a_task_that_times_out_is_asked_again(scene: Scene) -> None:
    """The call hangs for longer than the SDK and the function wait for it."""
    scene.upload(1)
    scene.break_call("DescribeProjectVersions", delay_wall_seconds=7, times=1)
    assert scene.run()["status"] == "SUCCEEDED"


def test_a_stop_function_that_fails_each_time_leaves_the_model_to_the_watchdog(scene: Scene) -> None:
    scene.upload(1)
    scene.stack.add_fault(
        service="dynamodb", operation="UpdateItem", caller="stop-model", error="AccessDeniedException", times=None
    )
    # Nor can it read the model's tag.
    scene.break_call("ListTagsForResource", "AccessDeniedException")
    arn = scene.start()
    scene.until_state(arn, "Stop the model")
    with scene.stack.set_wait_scale(0.001):
        execution = scene.wait(arn)
    assert scene.receipt(execution)["outcome"] == "stop_not_confirmed"
    scene.expire_starts()
    scene.tick_until_at_rest()
    assert invariants.left_running(scene.stack) == []


def test_a_table_that_refuses_everybody_or_is_made_anew_keeps_no_model_running(scene: Scene) -> None:
    """First a run stops the model by its tag. Then the watchdog does, with a tag that is old enough.

    In the end the table answers, and knows of no start.
    """
    scene.upload(1)
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    scene.stack.add_fault(service="dynamodb", error="AccessDeniedException", times=None)
    with scene.stack.set_wait_scale(0.001):
        assert scene.wait(arn)["status"] == "FAILED"
    assert scene.model_status() == "STOPPED"
    scene.start_with_old_tag()
    with pytest.raises(AssertionError, match="AccessDenied"):
        scene.tick()
    scene.until(lambda: scene.model_status() == "STOPPED", "the watchdog did not stop the model")
    scene.stack.clear_faults()
    scene.expire_starts()
    scene.tick_until_at_rest()
    scene.start_with_old_tag()
    scene.forget("lease")
    scene.tick_until_at_rest()
    assert invariants.left_running(scene.stack) == []


def test_a_run_that_lasts_as_long_as_it_may_ends_in_order_and_leaves_the_rest(scene: Scene) -> None:
    scene.break_model(images_per_second_per_unit=0.2)
    scene.upload(30)
    arn = scene.start()
    scene.until_state(arn, "Wait while images are labelled")
    scene.backdate(arn, hours=25)
    execution = scene.wait(arn)
    assert execution["status"] == "SUCCEEDED"
    assert scene.receipt(execution)["outcome"] == "time_limit_reached"
    assert scene.model_status() == "STOPPED"
    assert scene.waiting() > 0


def test_a_trigger_that_somebody_left_open_is_closed(scene: Scene) -> None:
    scene.stack.client("lambda").update_event_source_mapping(
        UUID=scene.stack.outputs["event_source_mapping_uuid"], Enabled=True
    )
    scene.tick_until_at_rest()
    scene.tick()
    assert invariants.left_running(scene.stack) == []


def test_the_desk_shows_what_goes_on(scene: Scene) -> None:
    scene.upload(1)
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    # Nothing goes on while the desk looks.
    with scene.stack.set_wait_scale(1):
        scene.until_state(arn, "Wait while images are labelled")
        shown = scene.desk("status")
    assert f"lease         held by {arn.rsplit(':', 1)[1]}" in shown
    scene.wait(arn)
    found = json.loads(scene.desk("status", "--json"))
    assert (found["model"]["status"], found["trigger"], found["lease"]["owner"]) == ("STOPPED", "Disabled", None)
    assert arn.rsplit(":", 1)[1] in [run["run_id"] for run in found["runs"]]


@pytest.mark.long
def test_an_apply_in_the_middle_of_a_run_disturbs_nothing(lone_scene: Scene) -> None:
    scene = lone_scene
    with scene.slow_run() as arn, scene.uploads_go_on():
        scene.stack.apply(max_run_minutes=999)
        assert scene.is_running(arn), "the run ended before the apply did: nothing was tested"
    execution = scene.wait(arn)
    assert execution["status"] == "SUCCEEDED", execution
    assert scene.receipt(execution)["images"] == {
        "processed": len(scene.ledger.uploads),
        "failed": 0,
        "dead_lettered": 0,
    }


@pytest.mark.long
def test_another_model_applied_in_the_middle_of_a_run_stops_the_one_before(lone_scene: Scene) -> None:
    scene = lone_scene
    with scene.slow_run() as arn, scene.uploads_go_on():
        scene.change_model()
    assert scene.stack.emulator("models")["models"][Model().version_arn]["status"] == "STOPPED"
    assert scene.stack.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "ABORTED"
    assert scene.receipt_of(arn)["error"]["code"] == "RunRetired"


@pytest.mark.long
def test_a_destroy_in_the_middle_of_a_run_stops_the_model(lone_scene: Scene) -> None:
    """By the user who applied the stack, with no other permissions than `make aws-permissions` prints."""
    scene = lone_scene
    with scene.slow_run(), snapshot.deployer(scene.stack):
        scene.is_gone = True
        scene.stack.terraform.destroy()
    assert scene.model_status() == "STOPPED"
    assert scene.stack.meter()["history"][-1]["cause"] == "stop completed"
    assert scene.stack.terraform.resources() == []
