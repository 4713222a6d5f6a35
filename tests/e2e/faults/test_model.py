"""Faults of the model: nothing waits for ever, and what this system started is seen stopped."""

import time

import pytest

from tests.e2e.faults.conftest import Scene
from tests.rig.stack import runs

pytestmark = pytest.mark.timeout(300)


def ended(scene: Scene, execution: dict[str, object]) -> tuple[object, object]:
    """How the run ended by its execution and by its receipt, which have to agree."""
    receipt = scene.receipt(execution)
    code = receipt["error"]["code"] if receipt["error"] else None
    assert execution.get("error") == code
    return receipt["outcome"], code


MOMENTARY = ["ResourceInUseException", "ThrottlingException", "InternalServerError"]


def test_a_start_and_a_stop_that_are_refused_for_a_moment_are_asked_for_again(scene: Scene) -> None:
    for error in [*MOMENTARY, "LimitExceededException"]:
        scene.break_call("StartProjectVersion", error, times=1)
    for error in MOMENTARY:
        scene.break_call("StopProjectVersion", error, times=1)
    scene.upload()
    assert ended(scene, scene.run()) == ("completed", None)
    assert scene.model_status() == "STOPPED"


def test_a_start_that_the_quota_refuses_for_half_an_hour_is_left_to_the_next_run(scene: Scene) -> None:
    """Half an hour of asking once a minute passes twenty-five times as fast as other waits."""
    scene.break_call("StartProjectVersion", "LimitExceededException")
    scene.upload(2)
    with scene.stack.set_wait_scale(0.002):
        execution = scene.run()
    assert ended(scene, execution) == ("model_quota_reached", None)
    assert "for 30 minutes" in scene.receipt(execution)["reason"]
    assert runs.states_entered(scene.stack, execution["executionArn"]).count("Start the model") == 31
    assert (scene.waiting(), scene.dead_letters()) == (2, [])
    assert scene.at_rest(), "nobody has a model to stop"


def test_a_start_whose_answer_was_lost_is_ours_and_is_stopped(scene: Scene) -> None:
    scene.break_call("StartProjectVersion", "InternalServerError", times=1, carried_out=True)
    scene.upload()
    assert ended(scene, scene.run()) == ("completed", None)
    assert scene.model_status() == "STOPPED"


@pytest.mark.long
def test_a_start_that_ends_in_failed_is_reported(scene: Scene) -> None:
    scene.break_model(start_ends="FAILED")
    scene.upload()
    assert ended(scene, scene.run()) == ("failed", "ModelStartFailed")
    assert scene.at_rest()


@pytest.mark.parametrize("stop_during_starting", ["accepted", "refused"])
def test_a_model_that_never_becomes_running_is_waited_for_so_long_and_then_stopped(
    scene: Scene, stop_during_starting: str
) -> None:
    """45 minutes of waiting for the start, and 30 for the stop: both pass a hundred times as fast."""
    scene.break_model(start_ends="NEVER", stop_during_starting=stop_during_starting)
    scene.upload()
    with scene.stack.set_wait_scale(0.0005):
        execution = scene.run()
    receipt = scene.receipt(execution)
    assert receipt["error"]["code"] == execution["error"]
    assert "is still STARTING" in receipt["error"]["message"]
    if stop_during_starting == "accepted":
        assert (receipt["outcome"], execution["error"]) == ("failed", "ModelStartTimedOut")
        assert scene.model_status() in ("STOPPED", "STOPPING")
    else:
        assert (receipt["outcome"], execution["error"]) == ("stop_not_confirmed", "ModelStopTimedOut")
        assert "Before that, the run failed with ModelStartTimedOut" in receipt["error"]["message"]
        assert scene.starters() == [execution["name"]], "the watchdog goes on"
        scene.break_model(start_ends="RUNNING")
        scene.tick_until_at_rest()


def test_a_model_that_fails_in_the_middle_of_a_run_costs_no_image(scene: Scene) -> None:
    scene.break_model(images_per_second_per_unit=0.5)
    scene.upload(30)
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    scene.expire_starts()
    scene.tell_model("fail")
    assert ended(scene, scene.wait(arn)) == ("failed", "AnalysisBlocked")
    assert scene.dead_letters() == []
    assert scene.at_rest()


def test_a_model_that_somebody_stops_in_the_middle_of_a_run_costs_no_image(scene: Scene) -> None:
    scene.break_model(images_per_second_per_unit=0.5)
    scene.upload(30)
    arn = scene.start()
    scene.until_state(arn, "Watch the queue drain")
    scene.expire_starts()
    scene.tell_model("stop")
    execution = scene.wait(arn)
    assert ended(scene, execution) == ("failed", "AnalysisBlocked")
    assert "ResourceNotReadyException" in scene.receipt(execution)["error"]["message"]
    states = runs.states_entered(scene.stack, arn)
    assert states.index("Close the trigger") < states.index("Stop the model")
    assert scene.dead_letters() == []


def test_a_model_that_is_starting_when_we_come_is_used_and_left_running(scene: Scene) -> None:
    scene.tell_model("start")
    scene.upload()
    execution = scene.run()
    assert ended(scene, execution) == ("completed", None)
    assert scene.receipt(execution)["model"]["cost_usd"] is None
    assert scene.model_status() == "RUNNING"
    scene.tell_model("stop")


def test_a_model_that_is_stopping_when_we_come_is_waited_for_and_started(scene: Scene) -> None:
    scene.tell_model("start")
    scene.until_model("RUNNING")
    scene.tell_model("stop")
    scene.upload()
    assert ended(scene, scene.run()) == ("completed", None)
    assert scene.model_status() == "STOPPED"


def test_a_model_in_a_status_that_nobody_knows_is_not_started(scene: Scene) -> None:
    starts, status = scene.stack.meter()["starts"], "SLEEPING_LIGHTLY"
    scene.break_model(shown_status=status)
    scene.upload()
    execution = scene.run()
    assert ended(scene, execution) == ("failed", "ModelNotStartable")
    assert status in scene.receipt(execution)["error"]["message"]
    assert scene.stack.meter()["starts"] == starts


def test_a_model_that_was_deleted_is_named_in_the_error(scene: Scene) -> None:
    scene.tell_model("delete")
    scene.upload()
    execution = scene.run()
    assert ended(scene, execution) == ("failed", "ModelNotStartable")
    assert scene.stack.model.version_arn in scene.receipt(execution)["error"]["message"]
    assert scene.waiting() == 1


def test_a_stop_that_is_accepted_and_never_ends_is_on_the_receipt(scene: Scene) -> None:
    scene.break_model(stop_ends="NEVER")
    scene.upload()
    arn = scene.start()
    scene.until_state(arn, "Stop the model")
    with scene.stack.set_wait_scale(0.001):
        execution = scene.wait(arn)
    assert ended(scene, execution) == ("stop_not_confirmed", "ModelStopTimedOut")
    message = scene.receipt(execution)["error"]["message"]
    assert f"aws rekognition stop-project-version --project-version-arn {scene.stack.model.version_arn}" in message
    scene.break_model(stop_ends="STOPPED")
    scene.tick_until_at_rest()


def test_a_model_that_falls_back_to_running_is_stopped_again(scene: Scene) -> None:
    scene.break_model(stop_ends="RUNNING")
    scene.upload()
    arn = scene.start()
    scene.until_state(arn, "Stop the model")
    scene.until(lambda: scene.stack.meter()["history"][-1]["cause"] == "stop fell back", "it did not fall back")
    scene.break_model(stop_ends="STOPPED")
    assert ended(scene, scene.wait(arn)) == ("completed", None)
    assert scene.model_status() == "STOPPED"


def test_descriptions_that_lag_start_and_stop_the_model_once(scene: Scene) -> None:
    meter = scene.stack.meter()
    # Until then a description would be of the run before, whose model ran.
    time.sleep(20 * scene.stack.time.scale + 0.5)
    scene.break_model(description_lag_seconds=20)
    scene.upload()
    assert ended(scene, scene.run()) == ("completed", None)
    scene.break_model(description_lag_seconds=0)
    assert scene.model_status() == "STOPPED"
    assert scene.stack.meter()["starts"] == meter["starts"] + 1
    assert scene.at_rest()
