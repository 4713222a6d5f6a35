"""No model is left running (I3), also where calls stall, answers get lost, and half of the system is gone.

A model that this system started may run without a living run for as long as the watchdog needs: ten minutes.
"""

import pytest
from botocore.awsrequest import AWSResponse

from shared.lease import RETIRING_SECONDS
from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation import deployment
from tests.rig.simulation.invariants import AT_REST
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import Fault, World

ORPHAN_SECONDS = 600
HOUR = 3600
# Less than a control function's time.
STALL_SECONDS = 24


def start_of(world: World) -> None:
    """Let a run go on until its start was accepted."""
    world.upload("a.png", PICTURES[0])
    world.start_run()
    while world.model_now.status not in ("STARTING", "RUNNING"):
        world.step()


def run_until_running(world: World) -> None:
    start_of(world)
    while world.model_now.status != "RUNNING":
        world.advance(5)


def looks_at(world: World, *seconds: float) -> None:
    """Let the schedule of the watchdog fall so many seconds from now, besides its minutes."""
    for after in seconds:
        world.look_later(after)


@pytest.mark.parametrize("lag_seconds", [5, 30, 90])
def test_a_run_that_is_aborted_right_after_its_start_leaves_no_model_although_descriptions_lag(
    lag_seconds: float,
) -> None:
    settings = ModelSettings(start_seconds=60, stop_seconds=30, description_lag_seconds=lag_seconds)
    with World(model=settings, orphan_seconds=ORPHAN_SECONDS) as world:
        start_of(world)
        world.abort(world.living[0])
        looks_at(world, 3, 4)
        world.advance(HOUR)
        assert world.violations() == []
        assert world.model_now.status in AT_REST, world.describe()


# The mark is the fifth call, and the last before the start. Once the lease has changed hands it is refused.
@pytest.mark.parametrize(("call", "starts"), [("StartProjectVersion", 1), (5, 0)])
def test_a_start_that_stalls_while_its_run_is_aborted_leaves_no_model(call: str | int, starts: int) -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        world.upload("a.png", PICTURES[0])
        world.disturb("start_model", call, "orphaned", 24)
        looks_at(world, 3, 5, 8, 12)
        world.start_run()
        world.advance(HOUR)
        assert world.steps["start_model"] == 1, "it is the stalled call that is made or not"
        assert world.model_now.meter()["starts"] == starts
        assert world.violations() == []
        assert world.model_now.status in AT_REST, world.describe()


def test_nothing_runs_after_a_destroy_in_the_middle_of_a_start_that_stalls() -> None:
    with World() as world:
        world.upload("a.png", PICTURES[0])
        world.disturb("start_model", "StartProjectVersion", "paused", STALL_SECONDS)
        world.start_run()
        world.advance(2)
        assert world.model_now.meter()["starts"] == 0
        if not world.retire():
            # Nothing is removed, and the watchdog goes on.
            world.advance(HOUR)
            assert world.model_now.status in AT_REST
            return
        world.remove()
        world.advance(HOUR)
        assert world.model_now.status in AT_REST, world.describe()


@pytest.mark.parametrize("lag_seconds", [20, 60])
def test_nothing_runs_after_a_destroy_right_after_a_start_although_descriptions_lag(lag_seconds: float) -> None:
    settings = ModelSettings(start_seconds=300, stop_seconds=30, description_lag_seconds=lag_seconds)
    with World(model=settings) as world:
        start_of(world)
        if world.retire():
            world.remove()
        world.advance(HOUR)
        assert world.model_now.status in AT_REST, world.describe()


def attempts_that_meet(world: World) -> None:
    """Let the answer of a start get lost, and its second attempt meet the first, which goes on."""
    world.lose_answer("start_model")
    world.disturb("start_model", "DescribeProjectVersions", "paused", 3)
    world.disturb("start_model", "StartProjectVersion", "paused", 5)
    world.upload("a.png", PICTURES[0])


def test_two_attempts_of_one_start_that_meet_leave_no_model_and_a_receipt_with_its_price() -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        attempts_that_meet(world)
        run = world.start_run()
        world.advance(HOUR)
        assert run.output == {"run_id": "run-1", "outcome": "completed"}
        assert world.model_now.status in AT_REST, world.describe()
        assert world.receipt(run)["model"]["cost_usd"] > 0
        assert world.violations() == []


@pytest.mark.parametrize("function", ["record_run", "check_queue", "start_model", "toggle_trigger", "stop_model"])
@pytest.mark.parametrize("seconds", [0, 10])
def test_any_step_may_be_carried_out_twice(function: str, seconds: float) -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        world.upload("a.png", PICTURES[0])
        world.lose_answer(function)
        if seconds:
            world.disturb(function, 2, "paused", seconds)
        run = world.start_run()
        world.advance(HOUR)
        assert run.output == {"run_id": "run-1", "outcome": "completed"}
        assert world.is_quiet, world.describe()
        assert world.violations() == []
        meter = world.model_now.meter()
        assert meter["starts"] == 1
        assert world.receipt(run)["model"]["running_seconds"] == pytest.approx(meter["running_seconds"], abs=15)


OTHER_MODEL = deployment.MODEL_ARN.replace("1700000000002", "1700000000003").replace("2026-01-01", "2026-02-02")
FUNCTIONS = ("analyze_image", "check_queue", "record_run", "start_model", "stop_model", "toggle_trigger", "watchdog")


@pytest.mark.parametrize(
    ("stay_behind", "is_aborted"),
    [
        ("stop_model", False),
        ("start_model", False),
        ("record_run", False),
        ("watchdog", True),
        ("stop_model watchdog", False),
    ],
)
def test_a_model_change_that_is_applied_half_way_leaves_no_model(stay_behind: str, is_aborted: bool) -> None:
    with World() as world:
        world.emulator.register(deployment.PROJECT_ARN, OTHER_MODEL, world.model)
        assert world.retire()
        world.deploy(*(set(FUNCTIONS) - set(stay_behind.split())), PROJECT_VERSION_ARN=OTHER_MODEL)
        # The rest of the apply fails, and nobody looks for two hours. Runs go on, and images come.
        for hours in range(2):
            world.upload(f"{hours}.png", PICTURES[0])
            run = world.start_run()
            world.advance(80)
            if is_aborted:
                world.abort(run)
            world.advance(HOUR - 80)
        running = {arn: model.meter()["running_seconds"] for arn, model in world.emulator._models.items()}
        assert all(model.status in AT_REST for model in world.emulator._models.values()), world.describe()
        assert sum(running.values()) < 2 * ORPHAN_SECONDS, running


@pytest.mark.parametrize("call", [2, 3, 4, 6, 8])
def test_a_retirement_that_dies_at_any_call_keeps_no_model_running(call: int) -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        run_until_running(world)
        world.disturb("watchdog", call, "killed before")
        world.retire()
        world.advance(20 * 60)
        assert world.model_now.status in AT_REST, world.describe()
        assert world.violations() == []


def test_a_run_that_lives_on_after_a_retirement_that_died_owns_nothing() -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        run_until_running(world)
        world.disturb("watchdog", 3, "killed before")
        assert not world.retire()
        # Step Functions was not asked to abort the run, and it cannot write its receipt.
        world.set_faults(Fault("s3", "PutObject", "SlowDown", 503))
        world.advance(RETIRING_SECONDS + 60)
        assert world.living, "the run lives on"
        assert world.model_now.status in ("STOPPING", "STOPPED"), world.describe()
        assert world.violations() == []


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_model_is_stopped_although_the_table_is_gone_or_its_key_disabled(code: str, moment: str) -> None:
    with World() as world:
        start_of(world)
        if moment == "running":
            world.advance(75)
        world.set_faults(Fault("dynamodb", "*", code))
        world.advance(2 * HOUR)
        assert world.model_now.status in AT_REST, world.describe()
        assert world.model_now.meter()["running_seconds"] < HOUR


def test_a_short_schedule_of_runs_that_fail_without_the_table_keeps_no_model_running() -> None:
    with World(schedule_seconds=60) as world:
        start_of(world)
        world.advance(75)
        world.set_faults(Fault("dynamodb", "*", "ResourceNotFoundException"))
        world.abort(world.living[0])
        world.advance(HOUR)
        assert world.living, "at each look of the watchdog there is a run that has not failed yet"
        assert world.model_now.status in AT_REST, world.describe()
        assert world.model_now.meter()["running_seconds"] < ORPHAN_SECONDS


def test_a_model_that_somebody_starts_after_a_stop_without_the_table_is_theirs() -> None:
    with World() as world:
        start_of(world)
        world.set_faults(Fault("dynamodb", "*", "ResourceNotFoundException"))
        world.advance(HOUR)
        world.handle_model("start")
        world.advance(HOUR)
        world.set_faults()
        world.make_table_anew()
        world.advance(HOUR)
        assert world.model_now.status == "RUNNING"


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_model_of_somebody_else_is_not_stopped_because_the_table_is_gone(moment: str) -> None:
    with World() as world:
        world.handle_model("start")
        world.upload("a.png", PICTURES[0])
        world.start_run()
        world.advance(30 if moment == "starting" else 90)
        world.set_faults(Fault("dynamodb", "*", "ResourceNotFoundException"))
        world.advance(2 * HOUR)
        assert world.model_now.status == "RUNNING"


@pytest.mark.parametrize("moment", ["starting", "running"])
@pytest.mark.parametrize("run", ["lives", "died", "is retired"])
def test_a_table_made_anew_keeps_no_model_running(run: str, moment: str) -> None:
    with World(orphan_seconds=ORPHAN_SECONDS) as world:
        start_of(world)
        if moment == "running":
            world.advance(75)
        if run == "died":
            world.abort(world.living[0])
        world.make_table_anew()
        if run == "is retired":
            assert world.retire()
            world.remove()
        world.advance(HOUR)
        assert world.model_now.status in AT_REST, world.describe()
        # Nobody knows the run that a retirement overtakes: it ends at its next step.
        assert run == "is retired" or world.violations() == []


def test_a_table_made_anew_does_not_make_somebody_elses_model_ours() -> None:
    with World() as world:
        world.handle_model("start")
        world.make_table_anew()
        world.advance(HOUR)
        assert world.model_now.status == "RUNNING"


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_start_that_is_throttled_does_not_make_somebody_elses_model_ours(code: str) -> None:
    def between(call: Call) -> AWSResponse | None:
        if call.operation != "StartProjectVersion" or world.model_now.meter()["starts"]:
            return None
        world.later(0.5, lambda: world.handle_model("start"))
        return call.refuse(code)

    with World(between=between) as world:
        world.upload("a.png", PICTURES[0])
        run = world.start_run()
        world.advance(HOUR)
        assert run.output == {"run_id": "run-1", "outcome": "completed"}
        assert world.model_now.status == "RUNNING", world.describe()
        assert world.receipt(run)["model"]["cost_usd"] is None
