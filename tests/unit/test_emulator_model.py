"""The emulated model's states, capacity and meter, by a clock that the test moves."""

from datetime import UTC, datetime

import pytest

from tests.emulator.clock import ManualClock, VirtualClock
from tests.emulator.errors import ServiceError
from tests.emulator.model import Model, ModelSettings

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
VERSION = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/version/v.1/1700000000002"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make(clock: ManualClock, **settings: object) -> Model:
    return Model(PROJECT, VERSION, ModelSettings(**settings), clock, datetime.now(UTC))


def code_of(call: object, *arguments: object) -> str:
    with pytest.raises(ServiceError) as caught:
        call(*arguments)
    return caught.value.code


def test_a_start_takes_the_start_seconds_and_not_one_less(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600)
    assert model.status == "TRAINING_COMPLETED"
    assert model.start(1, None, "test") == "STARTING"
    clock.advance(599.999)
    assert model.status == "STARTING"
    clock.advance(0.001)
    assert model.status == "RUNNING"


def test_a_stop_takes_the_stop_seconds_and_the_model_can_start_again(clock: ManualClock) -> None:
    model = make(clock, start_seconds=0, stop_seconds=120)
    assert model.start(1, None, "test") == "RUNNING"
    assert model.stop("test") == "STOPPING"
    clock.advance(119)
    assert model.status == "STOPPING"
    clock.advance(1)
    assert model.status == "STOPPED"
    assert model.start(2, None, "test") == "RUNNING"


@pytest.mark.parametrize("status", ["STARTING", "RUNNING", "STOPPING", "TRAINING_IN_PROGRESS", "DELETING"])
def test_a_busy_model_cannot_be_started(clock: ManualClock, status: str) -> None:
    assert code_of(make(clock, initial_status=status).start, 1, None, "test") == "ResourceInUseException"


@pytest.mark.parametrize("status", ["FAILED", "TRAINING_FAILED", "EXPIRED", "DEPRECATED"])
def test_a_model_that_aws_does_not_promise_to_start_is_not_started(clock: ManualClock, status: str) -> None:
    assert code_of(make(clock, initial_status=status).start, 1, None, "test") == "InvalidParameterException"


@pytest.mark.parametrize("status", ["TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED"])
def test_a_model_at_rest_can_be_started_but_not_stopped(clock: ManualClock, status: str) -> None:
    model = make(clock, initial_status=status)
    assert code_of(model.stop, "test") == "InvalidParameterException"
    assert model.start(1, None, "test") == "STARTING"


@pytest.mark.parametrize("status", ["STARTING", "STOPPING"])
def test_a_model_between_two_states_cannot_be_stopped(clock: ManualClock, status: str) -> None:
    assert code_of(make(clock, initial_status=status).stop, "test") == "ResourceInUseException"


def test_the_undocumented_error_for_stopping_a_stopped_model_is_a_setting(clock: ManualClock) -> None:
    model = make(clock, initial_status="STOPPED", stop_error_when_not_running="ResourceNotFoundException")
    assert code_of(model.stop, "test") == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "settings",
    [
        {"start_seconds": -1},
        {"start_seconds": float("nan")},
        {"stop_seconds": "soon"},
        {"images_per_second_per_unit": 0},
        {"stop_error_when_not_running": "ThrottlingException"},
    ],
)
def test_settings_that_make_no_model_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ModelSettings(**settings)


def test_the_meter_is_exact_even_when_nobody_asked_at_the_time(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, stop_seconds=120)
    clock.advance(10)
    model.start(3, 4, "StartProjectVersion")
    clock.advance(600 + 50)
    assert model.meter()["running_seconds"] == 50
    clock.advance(25)
    model.stop("StopProjectVersion")
    clock.advance(10_000)
    meter = model.meter()
    assert meter["starting_seconds"] == 600
    assert meter["running_seconds"] == 75
    assert meter["running_unit_seconds"] == 225
    assert meter["stopping_seconds"] == 120
    assert (meter["starts"], meter["stops"], meter["units"]) == (1, 1, 3)
    assert meter["history"] == [
        {"at": 0, "status": "TRAINING_COMPLETED", "cause": "initial"},
        {"at": 10, "status": "STARTING", "cause": "StartProjectVersion"},
        {"at": 610, "status": "RUNNING", "cause": "start completed"},
        {"at": 685, "status": "STOPPING", "cause": "StopProjectVersion"},
        {"at": 805, "status": "STOPPED", "cause": "stop completed"},
    ]


def test_the_meter_adds_up_runs_with_different_units(clock: ManualClock) -> None:
    model = make(clock, start_seconds=0, stop_seconds=0)
    for units, seconds in ((1, 100), (5, 10)):
        model.start(units, None, "test")
        clock.advance(seconds)
        model.stop("test")
    meter = model.meter()
    assert meter["running_seconds"] == 110
    assert meter["running_unit_seconds"] == 150
    assert [run["units"] for run in meter["runs"]] == [1, 5]


def test_a_model_that_was_running_from_the_beginning_is_billed_from_there(clock: ManualClock) -> None:
    model = make(clock, initial_status="RUNNING")
    clock.advance(7)
    assert model.meter()["running_unit_seconds"] == 7
    assert model.meter()["starts"] == 0


@pytest.mark.parametrize("status", ["TRAINING_COMPLETED", "STARTING", "STOPPING", "STOPPED"])
def test_no_image_is_let_in_unless_the_model_runs(clock: ManualClock, status: str) -> None:
    model = make(clock, initial_status=status)
    assert code_of(model.admit) == "ResourceNotReadyException"
    assert model.meter()["first_detection_at"] is None


def test_the_capacity_is_images_per_second_times_units_with_a_burst_of_one_second(clock: ManualClock) -> None:
    model = make(clock, start_seconds=0, images_per_second_per_unit=5)
    model.start(2, None, "test")
    for _ in range(10):
        model.admit()
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"
    clock.advance(0.1)
    model.admit()
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"
    clock.advance(3600)
    for _ in range(10):
        model.admit()
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"


def test_a_slow_model_still_lets_one_image_in_at_a_time(clock: ManualClock) -> None:
    model = make(clock, initial_status="RUNNING", images_per_second_per_unit=0.5)
    model.admit()
    clock.advance(1.9)
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"
    clock.advance(0.1)
    model.admit()


def test_detections_are_noted_from_the_first_admitted_to_the_last_answered(clock: ManualClock) -> None:
    model = make(clock, initial_status="RUNNING", images_per_second_per_unit=1)
    clock.advance(5)
    run = model.admit()
    clock.advance(0.5)
    model.answered(run)
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"
    clock.advance(100)
    meter = model.meter()
    assert (meter["first_detection_at"], meter["last_detection_at"], meter["images"]) == (5, 5.5, 1)


def test_the_description_has_the_units_while_the_model_is_up(clock: ManualClock) -> None:
    model = make(clock, start_seconds=0, stop_seconds=0)
    assert "MinInferenceUnits" not in model.describe()
    model.start(2, 4, "test")
    assert (model.describe()["MinInferenceUnits"], model.describe()["MaxInferenceUnits"]) == (2, 4)
    model.stop("test")
    model.start(1, None, "test")
    assert "MaxInferenceUnits" not in model.describe()


def test_the_version_name_is_the_fourth_part_of_the_arn(clock: ManualClock) -> None:
    assert make(clock).version_name == "v.1"


def test_virtual_time_runs_by_wall_seconds_per_virtual_second(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = iter([100.0, 103.0])
    monkeypatch.setattr("time.monotonic", lambda: next(wall))
    clock = VirtualClock(time_scale=0.05)
    assert clock.now() == pytest.approx(60)


def test_a_time_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="time scale"):
        VirtualClock(0)
