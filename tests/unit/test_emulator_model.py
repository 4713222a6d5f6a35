"""The emulated model's states, capacity and meter, by a clock that the test moves."""

from datetime import UTC, datetime

import pytest

from tests.rig.emulator.clock import ManualClock, VirtualClock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.model import Model, ModelSettings

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
        {"stop_during_starting": True},
        {"start_ends": "STOPPED"},
        {"stop_ends": ["NEVER"]},
        {"fails_after_seconds": -1},
        {"description_lag_seconds": None},
        {"shown_status": ""},
        {"shown_status": 5},
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


def changes(model: Model) -> list[tuple[float, str, str]]:
    return [(entry["at"], entry["status"], entry["cause"]) for entry in model.meter()["history"][1:]]


def test_a_start_can_end_failed_and_is_not_billed(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, start_ends="FAILED")
    model.start(2, None, "test")
    clock.advance(5000)
    assert changes(model) == [(0, "STARTING", "test"), (600, "FAILED", "start failed")]
    meter = model.meter()
    assert (meter["starting_seconds"], meter["running_seconds"]) == (600, 0)
    [run] = meter["runs"]
    assert (run["running_at"], run["stopped_at"], run["ended_at"]) == (None, None, 600)
    assert "MinInferenceUnits" not in model.describe()
    assert code_of(model.stop, "test") == "InvalidParameterException"


def test_a_start_can_go_on_for_ever_and_ends_when_the_setting_does(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, start_ends="NEVER")
    model.start(1, None, "test")
    clock.advance(50_000)
    assert model.status == "STARTING"
    model.configure(start_ends="RUNNING")
    clock.advance(10)
    # Not as of 600: what nobody could see then must not be billed.
    assert changes(model)[1:] == [(50_000, "RUNNING", "start completed")]
    assert model.meter()["running_seconds"] == 10


def test_a_stop_can_go_on_for_ever_and_is_not_billed(clock: ManualClock) -> None:
    model = make(clock, initial_status="RUNNING", stop_ends="NEVER")
    clock.advance(30)
    assert model.stop("test") == "STOPPING"
    clock.advance(50_000)
    assert code_of(model.stop, "test") == "ResourceInUseException"
    assert changes(model) == [(30, "STOPPING", "test")]
    assert (model.meter()["running_seconds"], model.meter()["stopping_seconds"]) == (30, 50_000)


def test_a_stop_can_fall_back_to_running_and_is_billed_again_with_the_same_units(clock: ManualClock) -> None:
    model = make(clock, start_seconds=0, stop_seconds=120, stop_ends="RUNNING", images_per_second_per_unit=2)
    model.start(3, 4, "test")
    clock.advance(30)
    model.stop("test")
    clock.advance(120 + 7)
    assert changes(model)[2:] == [(30, "STOPPING", "test"), (150, "RUNNING", "stop fell back")]
    assert (model.describe()["MinInferenceUnits"], model.describe()["MaxInferenceUnits"]) == (3, 4)
    for _ in range(6):
        model.admit()
    assert code_of(model.admit) == "ProvisionedThroughputExceededException"
    model.configure(stop_ends="STOPPED")
    model.stop("test")
    clock.advance(1000)
    meter = model.meter()
    assert meter["status"] == "STOPPED"
    assert [run["running_seconds"] for run in meter["runs"]] == [30, 7]
    assert [(run["stopped_at"], run["ended_at"]) for run in meter["runs"]] == [(None, 150), (277, 277)]
    assert (meter["running_unit_seconds"], meter["stopping_seconds"]) == (3 * 37, 240)
    assert (meter["starts"], meter["stops"]) == (1, 2)


def test_a_model_can_fail_by_itself_and_is_billed_until_then(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, fails_after_seconds=45)
    model.start(2, None, "test")
    # Both changes come due before anybody asks.
    clock.advance(10_000)
    assert changes(model)[1:] == [(600, "RUNNING", "start completed"), (645, "FAILED", "failed by itself")]
    assert (model.meter()["running_seconds"], model.meter()["running_unit_seconds"]) == (45, 90)
    assert code_of(model.admit) == "ResourceNotReadyException"


def test_new_settings_do_not_change_the_past(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, stop_seconds=100)
    model.start(1, None, "test")
    clock.advance(600)
    # Due, though nobody has looked yet.
    model.configure(start_seconds=5000, start_ends="FAILED")
    clock.advance(200)
    model.configure(fails_after_seconds=150)
    assert changes(model)[1:] == [(600, "RUNNING", "start completed"), (800, "FAILED", "failed by itself")]


def test_settings_that_are_refused_leave_the_old_ones(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600)
    for changed in ({"start_seconds": 5, "stop_ends": "LATER"}, {"start_seconds": 5, "initial_status": "RUNNING"}):
        with pytest.raises(ValueError, match=list(changed)[1]):
            model.configure(**changed)
    with pytest.raises(TypeError, match="start_secs"):
        model.configure(start_secs=5)
    assert model.settings == ModelSettings(start_seconds=600)
    assert model.configure(**vars(model.settings)) == ModelSettings(start_seconds=600)


def test_a_stop_during_starting_can_be_accepted_and_nothing_is_billed(clock: ManualClock) -> None:
    model = make(clock, start_seconds=600, stop_seconds=120, stop_during_starting="accepted")
    model.start(1, None, "test")
    clock.advance(100)
    assert model.stop("test") == "STOPPING"
    clock.advance(5000)
    assert changes(model)[1:] == [(100, "STOPPING", "test"), (220, "STOPPED", "stop completed")]
    meter = model.meter()
    assert (meter["starting_seconds"], meter["running_seconds"], meter["stopping_seconds"]) == (100, 0, 120)
    assert code_of(model.stop, "test") == "InvalidParameterException"


def test_descriptions_can_lag_behind_with_status_and_units(clock: ManualClock) -> None:
    model = make(clock, start_seconds=10, stop_seconds=10, description_lag_seconds=30)

    def seen() -> tuple[str, int | None]:
        description = model.describe()
        return description["Status"], description.get("MinInferenceUnits")

    clock.advance(100)
    model.start(2, None, "test")
    clock.advance(29)
    assert (model.status, seen()) == ("RUNNING", ("TRAINING_COMPLETED", None))
    clock.advance(1)
    assert seen() == ("STARTING", 2)
    clock.advance(10)
    assert seen() == ("RUNNING", 2)
    model.stop("test")
    clock.advance(10)
    assert (model.status, seen()) == ("STOPPED", ("RUNNING", 2))
    clock.advance(5)
    model.delete("test")
    clock.advance(29)
    assert seen() == ("STOPPED", None)
    clock.advance(1)
    assert model.describe() is None


def test_a_running_model_can_be_made_to_fail(clock: ManualClock) -> None:
    model = make(clock, initial_status="RUNNING", stop_ends="NEVER")
    clock.advance(8)
    assert model.fail("test") == "FAILED"
    clock.advance(100)
    assert changes(model) == [(8, "FAILED", "test")]
    assert model.meter()["running_seconds"] == 8
    assert code_of(model.fail, "test") == "ResourceNotReadyException"


@pytest.mark.parametrize(
    ("status", "spans"),
    [("STARTING", (5, 0, 0)), ("RUNNING", (0, 5, 0)), ("STOPPING", (0, 0, 5)), ("FAILED", (0, 0, 0))],
)
@pytest.mark.parametrize(("action", "ends"), [("reset", "STOPPED"), ("delete", "DELETED")])
def test_a_model_can_be_reset_or_deleted_in_every_status_and_its_meter_stops_there(
    clock: ManualClock, action: str, ends: str, status: str, spans: tuple[float, ...]
) -> None:
    model = make(clock, initial_status=status, start_ends="NEVER", stop_ends="NEVER")
    clock.advance(5)
    assert getattr(model, action)("test") == ends
    clock.advance(1000)
    meter = model.meter()
    assert changes(model) == [(5, ends, "test")]
    assert (meter["starting_seconds"], meter["running_seconds"], meter["stopping_seconds"]) == spans


def test_a_reset_brings_back_the_settings_and_the_deleted_model_and_keeps_the_meter(clock: ManualClock) -> None:
    model = make(clock, start_seconds=10, images_per_second_per_unit=3)
    model.configure(start_seconds=99, shown_status="NEW")
    model.start(1, None, "test")
    clock.advance(100)
    model.delete("test")
    assert model.reset("test") == "STOPPED"
    assert model.settings == ModelSettings(start_seconds=10, images_per_second_per_unit=3)
    assert model.describe()["Status"] == "STOPPED"
    assert model.meter()["running_seconds"] == 1
    model.reset("test")
    assert [status for _, status, _ in changes(model)] == ["STARTING", "RUNNING", "DELETED", "STOPPED"]
    assert model.start(1, None, "test") == "STARTING"


def test_virtual_time_runs_by_wall_seconds_per_virtual_second(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = iter([100.0, 103.0])
    monkeypatch.setattr("time.monotonic", lambda: next(wall))
    clock = VirtualClock(time_scale=0.05)
    assert clock.now() == pytest.approx(60)


def test_a_time_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="time scale"):
        VirtualClock(0)
