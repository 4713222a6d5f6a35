"""What has no living owner is brought to rest, by something that does not depend on the workflow."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from shared.errors import LeaseLost, ModelStopTimedOut
from shared.failed_starts import FailedStartsStore
from shared.items import Items, Update
from shared.lease import RETIRING_SECONDS, Lease
from shared.model_state import STATE_ITEM, STILL_ACTING_SECONDS, CleanUp, ModelState, ModelStates
from shared.model_stop import DESCRIPTION_LAG_SECONDS, STOP_TIMEOUT_SECONDS, ModelStop
from shared.outcome import Outcome
from shared.owner import RETIRED, Owner
from shared.receipts import Receipts
from shared.run_record import RunRecords
from shared.trigger import Trigger
from tests.unit.conftest import FINAL, RUN_2, TABLE, Clock, ScriptedModel, accept_start, ask_for_start, aws_error
from watchdog.executions import Executions
from watchdog.watchdog import ExecutionEnded, Step, Watchdog

MACHINE = "arn:aws-us-gov:states:us-gov-west-1:123456789012:stateMachine:labels-label-batch"


def refuse(*_: object, **__: object) -> None:
    """Stand in for a call that AWS denies."""
    raise aws_error("AccessDeniedException")


@dataclass
class States:
    """A Step Functions client: the status of each execution; the others do not exist."""

    executions: dict[str, str] = field(default_factory=dict)
    # Epoch seconds; the others began long ago.
    began_at: dict[str, float] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    stop_error: Exception | None = None

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803
        prefix, name = executionArn.rsplit(":", 1)
        assert prefix == "arn:aws-us-gov:states:us-gov-west-1:123456789012:execution:labels-label-batch"
        if name not in self.executions:
            raise aws_error("ExecutionDoesNotExist")
        return {"status": self.executions[name]}

    def get_paginator(self, operation: str) -> Self:
        assert operation == "list_executions"
        return self

    def paginate(self, *, stateMachineArn: str, statusFilter: str, PaginationConfig: dict[str, int]) -> Any:  # noqa: ANN401, N803
        assert (stateMachineArn, PaginationConfig) == (MACHINE, {"MaxItems": 5000, "PageSize": 1000})
        found = [name for name, status in self.executions.items() if status == statusFilter]
        began = {name: datetime.fromtimestamp(self.began_at.get(name, 0), UTC) for name in found}
        # A page may be empty, and the newest execution comes first.
        yield {"executions": []}
        for name in sorted(found, key=began.__getitem__, reverse=True):
            yield {"executions": [{"name": name, "startDate": began[name]}]}

    def stop_execution(self, *, executionArn: str, error: str, cause: str) -> None:  # noqa: ARG002, N803
        self.stopped.append(executionArn.rsplit(":", 1)[1])
        if self.stop_error:
            raise self.stop_error


@dataclass
class Mapping:
    """A Lambda client with one mapping that settles at once."""

    state: str = "Disabled"
    error: Exception | None = None

    def get_event_source_mapping(self, **_: str) -> dict[str, str]:
        return {"State": self.state}

    def update_event_source_mapping(self, **parameters: Any) -> dict[str, str]:  # noqa: ANN401
        if self.error:
            raise self.error
        self.state = "Enabled" if parameters["Enabled"] else "Disabled"
        return {"State": "Enabling" if parameters["Enabled"] else "Disabling"}


@dataclass
class World:
    """The watchdog and what it looks after."""

    watchdog: Watchdog
    lease: Lease
    state: ModelStates
    records: RunRecords
    receipts: Receipts
    states: States
    mapping: Mapping
    model: ScriptedModel
    clock: Clock
    s3: Any

    def start_run(self, run_id: str = "run-1") -> None:
        """A run that has started the model and opened the trigger."""
        self.records.open(run_id)
        assert self.lease.acquire(Owner.run(run_id)).acquired
        accept_start(self.state, Owner.run(run_id), at=int(self.clock.now))
        self.clock.now += 60
        self.records.record_model_running(run_id, inference_units=1, ours=True)
        self.mapping.state = "Enabled"
        self.states.executions[run_id] = "RUNNING"

    def held(self) -> ModelState:
        return self.state.read()

    def owner(self) -> str:
        """The lease's owner as text; "nobody" when it is free."""
        return str(self.held().owner or "nobody")

    def tick(self, ended: ExecutionEnded | None = None, invocation: str = "1") -> dict[str, Any]:
        return self.watchdog.tick(invocation, ended)

    def receipt(self, run_id: str = "run-1") -> dict[str, Any]:
        return json.loads(self.s3.get_object(Bucket=FINAL, Key=f"runs/{run_id}.json")["Body"].read())

    def stops(self) -> int:
        return [name for name, _ in self.model.calls].count("stop")


@pytest.fixture
def failed_starts(items: Items) -> FailedStartsStore:
    return FailedStartsStore(items)


@pytest.fixture
def world(
    failed_starts: FailedStartsStore,
    lease: Lease,
    states: ModelStates,
    records: RunRecords,
    receipts: Receipts,
    clock: Clock,
    s3: Any,  # noqa: ANN401
) -> World:
    executions, mapping, scripted = States(), Mapping(), ScriptedModel(["RUNNING"])
    states.record_watched()
    model = scripted.model()
    watchdog = Watchdog(
        lease=lease,
        states=states,
        records=records,
        receipts=receipts,
        failed_starts=failed_starts,
        executions=Executions(executions, MACHINE),
        model=model,
        model_stop=ModelStop(model, lease, states, records, clock),
        trigger=Trigger(mapping, "uuid", lease),
        max_run=timedelta(hours=24),
        epoch=clock,
    )
    return World(watchdog, lease, states, records, receipts, executions, mapping, scripted, clock, s3)


def test_a_dead_run_whose_start_finished_no_image_counts_once(world: World, failed_starts: FailedStartsStore) -> None:
    world.start_run()
    world.records.record_start_asked("run-1", backlog=1, sizing_reason="one unit")
    world.states.executions["run-1"] = "ABORTED"
    world.model.statuses = ["STOPPED"]
    for number in range(4):
        world.tick(invocation=str(number))
        world.clock.now += 60
    remembered = failed_starts.read()
    assert (remembered.count, remembered.run_id, remembered.error) == (1, "run-1", "ExecutionAborted")


def at_rest(world: World) -> bool:
    held = world.held()
    return held.owner is None and held.started_by is None and world.mapping.state == "Disabled"


def test_a_living_run_is_left_alone(world: World) -> None:
    world.start_run()
    assert world.tick() == {"holder": "a living run", "owner": "run-1", "settled": None}
    assert (world.stops(), world.mapping.state, world.owner()) == (0, "Enabled", "run-1")


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT", "SUCCEEDED"])
def test_a_run_whose_execution_ended_is_cleaned_up_after_without_waiting_for_its_lease(
    world: World, status: str
) -> None:
    world.start_run()
    world.states.executions["run-1"] = status
    assert world.tick()["holder"] == "a dead run"
    assert (world.stops(), world.mapping.state) == (1, "Disabled")
    assert world.held().started_by == "run-1", "not stopped before it is seen stopped"
    world.model.statuses = ["STOPPING"]
    assert world.tick(invocation="2")["settled"] is False
    world.model.statuses = ["STOPPED"]
    assert world.tick(invocation="3")["settled"] is True
    assert at_rest(world)
    receipt = world.receipt()
    assert receipt["outcome"] == "aborted"
    assert receipt["error"]["code"] == f"Execution{status.title().replace('_', '')}"
    assert receipt["model"]["running_seconds"] is not None
    assert world.stops() == 1


def test_the_report_of_an_end_is_believed_before_the_description_knows(world: World) -> None:
    world.start_run()
    assert world.tick(ExecutionEnded("run-1", "ABORTED"))["holder"] == "a dead run"
    assert world.stops() == 1


def test_the_report_of_another_runs_end_changes_nothing(world: World) -> None:
    world.start_run()
    assert world.tick(ExecutionEnded("run-0", "ABORTED"))["holder"] == "a living run"


def test_a_run_that_gave_no_renewal_is_dead_whatever_its_execution_says(world: World) -> None:
    world.start_run()
    world.clock.now += 901
    assert world.tick()["holder"] == "a dead run"
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="2")
    assert world.receipt()["error"]["code"] == "RunSilent"


def test_a_run_that_renews_its_lease_just_now_keeps_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start_run()
    world.clock.now += 901
    seen = world.held()
    monkeypatch.setattr(world.state, "read", lambda: seen)
    world.lease.renew(Owner.run("run-1"))
    world.tick()
    monkeypatch.undo()
    assert (world.owner(), world.stops()) == ("run-1", 0)


def test_an_execution_that_is_not_known_yet_lives_as_long_as_its_lease(world: World) -> None:
    world.start_run()
    del world.states.executions["run-1"]
    assert world.tick()["holder"] == "a living run"
    world.clock.now += 901
    assert world.tick()["holder"] == "a dead run"


def test_a_run_far_beyond_its_limit_is_ended_from_outside(world: World) -> None:
    world.start_run()
    world.watchdog._max_run = timedelta(hours=-1)
    assert world.tick()["holder"] == "a living run"
    world.watchdog._max_run = timedelta(hours=-3)
    assert world.tick()["holder"] == "a dead run"
    assert world.stops() == 1


def test_a_model_left_running_by_a_finished_run_is_stopped(world: World) -> None:
    world.start_run()
    world.mapping.state = "Disabled"
    world.receipts.write("run-1", Outcome.STOP_NOT_CONFIRMED, None)
    world.lease.release(Owner.run("run-1"))
    assert world.tick()["holder"] == "nobody"
    assert world.stops() == 1
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="2")
    assert at_rest(world)
    assert world.receipt()["outcome"] == "stop_not_confirmed", "the run's own receipt stands"


def test_a_trigger_left_open_is_closed(world: World) -> None:
    world.model.statuses = ["STOPPED"]
    world.mapping.state = "Enabled"
    world.tick()
    world.tick(invocation="2")
    assert at_rest(world)


@pytest.mark.parametrize(
    ("state", "is_left_over"),
    [("Enabling", True), ("Updating", False), ("Creating", False), ("Disabling", False), ("Deleting", False)],
)
def test_a_trigger_that_an_apply_updates_is_not_left_open(state: str, *, is_left_over: bool, world: World) -> None:
    world.model.statuses, world.mapping.state = ["STOPPED"], state
    world.tick()
    assert (world.held().clean_up is not None) is is_left_over


def test_a_model_that_someone_else_started_is_left_running(world: World) -> None:
    world.tick()
    assert world.stops() == 0
    assert world.held().owner is None


def test_a_dead_run_on_someone_elses_model_stops_nothing_and_frees_the_lease(world: World) -> None:
    world.start_run()
    world.state.record_stopped(Owner.run("run-1"), world.held())
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.tick(invocation="2")
    assert world.stops() == 0
    assert at_rest(world)


def test_at_rest_nothing_is_written_or_stopped(world: World) -> None:
    world.model.statuses = ["STOPPED"]
    assert world.tick() == {"holder": "nobody", "owner": None, "settled": None}
    assert world.held() == ModelState(watched=True)


def test_a_stop_that_is_refused_is_asked_for_at_every_tick(world: World) -> None:
    world.start_run()
    world.model.stop_error = aws_error("ResourceInUseException")
    for invocation in ("1", "2", "3"):
        world.tick(ExecutionEnded("run-1", "ABORTED"), invocation)
    assert world.stops() == 3
    world.model.stop_error = None
    world.tick(invocation="4")
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="5")
    assert at_rest(world)


def test_a_trigger_that_cannot_be_closed_does_not_keep_the_model_running(world: World) -> None:
    world.start_run()
    world.mapping.error = aws_error("ServiceException")
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    assert world.stops() == 1
    world.model.statuses = ["STOPPED"]
    assert world.tick(invocation="2")["settled"] is False, "the trigger is open"
    world.mapping.error = None
    world.tick(invocation="3")
    world.tick(invocation="4")
    assert at_rest(world)


def test_a_model_that_cannot_be_seen_is_stopped_all_the_same(world: World) -> None:
    world.start_run()
    world.model.statuses = ["throttled"]
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    assert world.stops() == 1


def test_a_stop_that_is_never_confirmed_is_reported_and_tried_for_ever(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.start_run()
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.model.statuses = ["STOPPING"]
    world.clock.now += STOP_TIMEOUT_SECONDS
    world.tick(invocation="2")
    assert world.receipt()["outcome"] == "stop_not_confirmed"
    assert "aws rekognition stop-project-version" in caplog.text
    world.model.statuses = ["RUNNING"]
    world.tick(invocation="3")
    assert world.stops() == 2
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="4")
    assert at_rest(world)
    assert world.receipt()["outcome"] == "stop_not_confirmed"


def test_no_run_gets_the_lease_while_the_watchdog_cleans_up(world: World) -> None:
    world.start_run()
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    assert not world.lease.acquire(RUN_2).acquired


def test_a_tick_that_another_overtakes_leaves_the_rest_to_it(world: World) -> None:
    world.start_run()
    step = world.watchdog._step

    def overtaken(owner: Owner, clean_up: CleanUp, waited_seconds: int) -> Step:
        world.watchdog._step = step  # type: ignore[method-assign]
        world.tick(invocation="2")
        return step(owner, clean_up, waited_seconds)

    world.watchdog._step = overtaken  # type: ignore[method-assign]
    assert world.tick(ExecutionEnded("run-1", "ABORTED"))["settled"] is None
    assert world.owner() == "watchdog/2"
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="3")
    assert at_rest(world)


def test_a_run_goes_on_where_a_silent_watchdog_stopped(world: World) -> None:
    world.start_run()
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.clock.now += 901
    acquired = world.lease.acquire(RUN_2)
    assert (acquired.acquired, acquired.other_run, acquired.model_started_by) == (True, "run-1", "run-1")


def test_terraform_stops_the_run_and_its_model_before_it_removes_anything(world: World) -> None:
    world.start_run()
    world.model.statuses = ["RUNNING", "STOPPING", "STOPPED"]
    pauses: list[float] = []
    assert world.watchdog.retire(seconds_left=lambda: 800, pause=pauses.append)["settled"]
    assert (world.states.stopped, world.stops(), world.mapping.state) == (["run-1"], 1, "Disabled")
    assert len(pauses) == 2
    assert world.receipt()["error"]["code"] == "RunRetired"
    assert not world.lease.acquire(RUN_2).acquired, "a scheduled run may come in the middle of a destroy"


def test_terraform_removes_nothing_while_the_model_is_not_seen_stopped(world: World) -> None:
    world.start_run()
    world.model.statuses = ["STARTING"]
    world.model.stop_error = aws_error("ResourceInUseException")
    with pytest.raises(ModelStopTimedOut, match="Run the same terraform command again"):
        world.watchdog.retire(seconds_left=iter([500, 59]).__next__, pause=lambda _: None)
    world.model.stop_error = None
    world.model.statuses = ["RUNNING", "STOPPED"]
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    assert world.held().started_by is None
    assert world.receipt()["outcome"] == "aborted"


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "ValidationException"])
def test_a_run_that_ended_meanwhile_does_not_keep_terraform(world: World, code: str) -> None:
    world.start_run()
    world.states.stop_error = aws_error(code)
    world.model.statuses = ["RUNNING", "STOPPED"]
    assert world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)["settled"]


def test_a_retirement_that_gives_up_leaves_the_model_to_the_watchdog(world: World) -> None:
    world.start_run()
    world.model.statuses = ["STARTING"]
    world.model.stop_error = aws_error("ResourceInUseException")
    with pytest.raises(ModelStopTimedOut):
        world.watchdog.retire(seconds_left=lambda: 59, pause=lambda _: None)
    world.model.stop_error, world.model.statuses = None, ["RUNNING"]
    world.tick()
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="2")
    assert at_rest(world)
    assert world.receipt()["error"]["code"] == "RunRetired"


def test_a_retirement_that_meets_an_error_leaves_the_model_to_the_watchdog(world: World) -> None:
    world.start_run()
    world.model.stop_error = aws_error("InternalServerError")
    with pytest.raises(Exception, match="InternalServerError"):
        world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    world.model.stop_error = None
    world.tick()
    assert world.stops() == 2


def test_a_retired_pipeline_keeps_runs_out_for_as_long_as_terraform_may_take(world: World) -> None:
    world.start_run()
    world.model.statuses = ["RUNNING", "STOPPED"]
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    world.clock.now += 3500
    assert not world.lease.acquire(RUN_2).acquired


def test_images_that_are_done_while_the_watchdog_cleans_up_count_for_the_dead_run(world: World) -> None:
    world.start_run()
    assert world.held().run_id == "run-1"
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    assert world.held().run_id == "run-1"
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: setattr(world.model, "statuses", ["STOPPED"]))
    assert world.held().run_id is None or world.held().owner == RETIRED


def test_a_receipt_that_cannot_be_written_keeps_runs_out_for_half_an_hour_at_the_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    monkeypatch.setattr(world.receipts, "write_for_dead_run", refuse)
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="2")
    assert world.owner() == "watchdog/2", "it is tried again"
    world.clock.now += STOP_TIMEOUT_SECONDS
    world.tick(invocation="3")
    assert at_rest(world)


def test_a_run_that_takes_over_from_a_silent_watchdog_has_nothing_to_clean_up_for_another(world: World) -> None:
    world.start_run()
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.clock.now += 901
    world.lease.acquire(RUN_2)
    world.states.executions["run-2"] = "RUNNING"
    world.model.statuses = ["RUNNING", "STOPPED"]
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    assert world.states.stopped == ["run-2"]


def test_a_retired_pipeline_is_left_to_terraform_and_comes_back_with_it(world: World) -> None:
    world.model.statuses = ["STOPPED"]
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    assert world.tick()["holder"] == "terraform"
    assert world.held().owner == RETIRED
    world.watchdog.resume(pause=lambda _: None)
    assert world.lease.acquire(RUN_2).acquired


def test_a_first_apply_changes_nothing(world: World) -> None:
    world.watchdog.resume(pause=lambda _: None)
    assert world.held() == ModelState(watched=True)


def test_an_apply_does_not_take_the_lease_from_a_run(world: World) -> None:
    world.start_run()
    world.watchdog.resume(pause=lambda _: None)
    assert world.owner() == "run-1"


def test_an_apply_waits_for_a_role_that_is_not_known_everywhere_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([aws_error("AccessDeniedException"), aws_error("AccessDeniedException"), None])

    def release(_: Owner) -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr(world.lease, "release", release)
    pauses: list[float] = []
    world.watchdog.resume(pause=pauses.append)
    assert len(pauses) == 2


def test_an_apply_does_not_wait_for_ever_for_its_role(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def release(_: Owner) -> None:
        raise aws_error("AccessDeniedException")

    def pause(seconds: float) -> None:
        world.clock.now += seconds

    monkeypatch.setattr(world.lease, "release", release)
    with pytest.raises(Exception, match="AccessDenied"):
        world.watchdog.resume(pause=pause)


def test_a_retirement_that_died_is_taken_over_when_its_function_cannot_live_any_more(world: World) -> None:
    world.start_run()

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    world.model.stop_error = aws_error("ResourceInUseException")
    with pytest.raises(KeyboardInterrupt):
        world.watchdog.retire(seconds_left=lambda: 800, pause=killed)
    world.model.stop_error = None
    assert world.tick()["holder"] == "terraform"
    world.clock.now += RETIRING_SECONDS + 1
    world.tick()
    assert world.stops() == 2
    world.model.statuses = ["STOPPED"]
    world.tick(invocation="2")
    assert at_rest(world)
    assert world.receipt()["error"]["code"] == "RunRetired"


def test_a_second_retirement_stops_the_run_that_the_first_did_not_live_to_stop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()

    def killed(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.watchdog._executions, "stop", killed)
    with pytest.raises(KeyboardInterrupt):
        world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    monkeypatch.undo()
    world.model.statuses = ["RUNNING", "STOPPED"]
    world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)
    assert world.states.stopped == ["run-1"]


def test_an_apply_after_a_retirement_that_died_leaves_the_rest_to_the_watchdog(world: World) -> None:
    world.start_run()
    assert world.lease.take_over(RETIRED, world.held(), CleanUp("run-1", "RunRetired", "because", 0))
    world.watchdog.resume(pause=lambda _: None)
    world.model.statuses = ["STOPPED"]
    world.clock.now += 600
    world.tick()
    world.tick(invocation="2")
    assert at_rest(world)
    assert world.receipt()["error"]["code"] == "RunRetired"


def test_terraform_is_told_why_although_the_lease_cannot_be_given_to_the_watchdog(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Owner) -> None:
        raise LeaseLost("it was taken over")

    world.start_run()
    monkeypatch.setattr(world.lease, "transfer", lost)
    with pytest.raises(ModelStopTimedOut):
        world.watchdog.retire(seconds_left=lambda: 59, pause=lambda _: None)


def test_nothing_is_removed_before_a_start_that_is_under_way_has_had_its_time(world: World) -> None:
    world.start_run()
    ask_for_start(world.state, Owner.run("run-1"), "t2", at=int(world.clock.now))
    world.model.statuses = ["STOPPED"]
    began = world.clock.now

    def pause(seconds: float) -> None:
        world.clock.now += seconds

    assert world.watchdog.retire(seconds_left=lambda: 240 - (world.clock.now - began), pause=pause)["settled"]
    assert world.clock.now - began > STILL_ACTING_SECONDS + DESCRIPTION_LAG_SECONDS


def test_a_destroy_at_rest_waits_for_nothing(world: World) -> None:
    world.model.statuses = ["STOPPED"]
    pauses: list[float] = []
    world.watchdog.retire(seconds_left=lambda: 800, pause=pauses.append)
    assert pauses == []


def test_the_watchdog_writes_the_receipts_that_a_dead_run_owed(world: World) -> None:
    world.start_run()
    world.clock.now += 901
    world.start_run("run-2")
    assert world.held().receipts_owed == ("run-1",), "it died before it wrote it"
    world.tick(ExecutionEnded("run-2", "ABORTED"))
    world.model.statuses = ["STOPPED"]
    world.clock.now += 600
    world.tick(invocation="2")
    assert at_rest(world)
    assert (world.receipt("run-1")["outcome"], world.receipt("run-2")["outcome"]) == ("aborted", "aborted")
    assert world.held().receipts_owed == ()


def test_a_receipt_that_the_watchdog_could_not_write_is_left_to_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    monkeypatch.setattr(world.receipts, "write_for_dead_run", refuse)
    world.tick(ExecutionEnded("run-1", "ABORTED"))
    world.model.statuses = ["STOPPED"]
    world.clock.now += STOP_TIMEOUT_SECONDS
    world.tick(invocation="2")
    assert world.lease.acquire(RUN_2).receipts_owed == ("run-1",)


def test_a_receipt_that_a_retirement_could_not_write_is_left_to_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    monkeypatch.setattr(world.receipts, "write_for_dead_run", refuse)
    world.model.statuses = ["STOPPED"]
    world.clock.now += 600
    assert world.watchdog.retire(seconds_left=lambda: 800, pause=lambda _: None)["settled"]
    world.watchdog.resume(pause=lambda _: None)
    assert world.lease.acquire(RUN_2).receipts_owed == ("run-1",)


def test_an_item_that_another_version_wrote_keeps_no_model_running(world: World) -> None:
    world.start_run()
    world.model.tags = {"started-by/logos": "2020-01-01T00:00:00.000Z"}
    world.states.executions["run-1"] = "ABORTED"
    odd = {"from_a_later_version": {"run_id": "run-1", "asked_at": 1, "new": True}}
    world.state._items.update(Update(STATE_ITEM, "SET model_starts = :odd", {"odd": odd}))
    with pytest.raises(TypeError):
        world.tick()
    assert world.stops() == 1


@pytest.mark.parametrize("call", ["get_item", "update_item"])
@pytest.mark.parametrize(
    ("status", "tag", "age_seconds", "stops"),
    [
        ("ABORTED", "started-by/logos", 181, 1),
        ("RUNNING", "started-by/logos", 181, 0),
        ("ABORTED", "started-by/logos", 179, 0),
        ("ABORTED", "started-by/another", 181, 0),
    ],
)
def test_without_the_table_a_model_with_our_tag_and_no_run_is_stopped(
    status: str, tag: str, age_seconds: int, stops: int, call: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    world.model.tags = {tag: datetime.fromtimestamp(world.clock.now - age_seconds, UTC).isoformat()}
    world.states.executions["run-1"] = status
    monkeypatch.setattr(world.state._items._dynamodb, call, refuse)
    if (call, status) == ("update_item", "RUNNING"):
        assert world.tick()["holder"] == "a living run"
    else:
        # What failed is raised, for the alarm.
        with pytest.raises(ClientError, match="AccessDenied"):
            world.tick()
    assert world.stops() == stops
    assert world.mapping.state == ("Disabled" if stops else "Enabled")


@pytest.mark.parametrize(("seconds_after_tag", "stops"), [(-60, 0), (179, 0), (180, 1), (3000, 1)])
def test_without_the_table_a_run_that_began_after_the_start_cannot_be_the_one_that_asked_for_it(
    seconds_after_tag: int, stops: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    tagged_at = world.clock.now - 3600
    world.model.tags = {"started-by/logos": datetime.fromtimestamp(tagged_at, UTC).isoformat()}
    world.states.executions = {"run-1": "ABORTED", "run-2": "RUNNING", "run-3": "RUNNING"}
    world.states.began_at = {"run-2": tagged_at + seconds_after_tag, "run-3": world.clock.now - 1}
    monkeypatch.setattr(world.state._items._dynamodb, "get_item", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        world.tick()
    assert world.stops() == stops


def test_without_the_table_the_tag_goes_once_all_is_at_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def tick() -> bool:
        with pytest.raises(ClientError, match="AccessDenied"):
            world.tick()
        return bool(world.model.tags)

    world.start_run()
    world.model.tags = {"started-by/logos": "2020-01-01T00:00:00.000Z"}
    world.states.executions["run-1"] = "FAILED"
    monkeypatch.setattr(world.state._items._dynamodb, "get_item", refuse)
    assert tick(), "it is asked to stop"
    world.model.statuses, world.mapping.state = ["STOPPED"], "Enabled"
    assert tick(), "the trigger is asked to close"
    assert not tick()
    assert world.stops() == 1


def test_without_the_table_a_trigger_that_cannot_be_closed_does_not_keep_the_model_from_its_stop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start_run()
    world.model.tags = {"started-by/logos": "2020-01-01T00:00:00.000Z"}
    world.states.executions["run-1"] = "FAILED"
    world.mapping.error = aws_error("ServiceException")
    monkeypatch.setattr(world.state._items._dynamodb, "get_item", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        world.tick()
    assert world.stops() == 1


def test_a_look_says_that_the_model_is_watched_until_terraform_retires_it(world: World) -> None:
    world.state._items.update(Update(STATE_ITEM, "REMOVE watched", {}))
    world.tick()
    assert world.held().is_watched
    world.watchdog.retire(seconds_left=lambda: 300, pause=lambda _: None)
    world.tick()
    assert not world.held().is_watched, "the next apply may give the watchdog another model"
    world.watchdog.resume(pause=lambda _: None)
    assert world.held().is_watched


def make_table_anew(world: World) -> None:
    for item in world.state._items._dynamodb.scan(TableName=TABLE)["Items"]:
        key = {name: item[name] for name in ("model", "item")}
        world.state._items._dynamodb.delete_item(TableName=TABLE, Key=key)


def test_a_start_that_a_table_made_anew_does_not_know_is_cleaned_up_after(world: World) -> None:
    world.start_run()
    world.model.tags = {"started-by/logos": datetime.fromtimestamp(world.clock.now, UTC).isoformat()}
    make_table_anew(world)
    assert world.tick() == {"holder": "nobody", "owner": None, "settled": False}
    assert (world.held().started_by, world.held().watched) == ("unknown", True)
    assert (world.stops(), world.mapping.state) == (1, "Disabled")
    world.model.statuses = ["STOPPED"]
    world.clock.now += STILL_ACTING_SECONDS + 1
    world.tick(invocation="2")
    world.clock.now += DESCRIPTION_LAG_SECONDS
    world.tick(invocation="3")
    assert at_rest(world)
    assert world.model.tags == {}


def test_a_run_in_a_table_made_anew_stops_the_model_at_its_end(world: World) -> None:
    world.model.tags = {"started-by/logos": datetime.fromtimestamp(world.clock.now, UTC).isoformat()}
    make_table_anew(world)
    world.records.open("run-2")
    assert world.lease.acquire(RUN_2).acquired
    world.states.executions["run-2"] = "RUNNING"
    assert world.tick()["holder"] == "a living run"
    assert not world.watchdog._model_stop.step(RUN_2, "run-2", 0).settled
    assert world.stops() == 1


@pytest.mark.parametrize("watched", [True, False])
def test_a_tag_does_not_count_where_the_table_ever_knew_the_model(world: World, *, watched: bool) -> None:
    world.state._items.update(Update(STATE_ITEM, "SET watched = :watched", {"watched": watched}))
    world.model.tags = {"started-by/logos": "2020-01-01T00:00:00.000Z"}
    world.tick()
    world.watchdog.resume(pause=lambda _: None)
    assert (world.held().started_by, world.stops()) == (None, 0)


def test_two_looks_at_once_into_a_table_made_anew_keep_a_start_that_came_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model.tags = {"started-by/logos": datetime.fromtimestamp(world.clock.now, UTC).isoformat()}
    make_table_anew(world)
    seen = world.held()
    # The other look, and a start after it.
    world.state.record_watched()
    assert world.lease.acquire(RUN_2).acquired
    ask_for_start(world.state, RUN_2, "t2", at=int(world.clock.now))
    read = world.state.read
    reads = iter([seen])
    monkeypatch.setattr(world.state, "read", lambda: next(reads, None) or read())
    world.states.executions["run-2"] = "RUNNING"
    assert world.tick()["holder"] == "a living run"
    assert list(read().starts) == ["t2"]
