"""A stop counts when the model is seen stopped."""

from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from shared.errors import LeaseLost, ModelStopTimedOut
from shared.lease import Lease
from shared.model_state import STILL_ACTING_SECONDS, ModelStates
from shared.model_stop import DESCRIPTION_LAG_SECONDS, POLL_SECONDS, STOP_TIMEOUT_SECONDS, ModelStop, StopStep
from shared.run_record import RunRecord, RunRecords
from tests.unit.conftest import MODEL_ARN, RUN, RUN_2, Clock, ScriptedModel, accept_start, ask_for_start, aws_error


@dataclass
class Stopping:
    """A run that holds the lease and whose model's start was accepted."""

    lease: Lease
    states: ModelStates
    records: RunRecords
    clock: Clock
    waited_seconds: int = 0

    def step(self, model: ScriptedModel | str) -> StopStep:
        """Take the next step, a poll after the last one."""
        scripted = ScriptedModel([model]) if isinstance(model, str) else model
        stop = ModelStop(scripted.model(), self.lease, self.states, self.records, self.clock)
        self.clock.now += POLL_SECONDS
        answer = stop.step(RUN, "run-1", self.waited_seconds)
        self.waited_seconds += POLL_SECONDS
        return answer

    @property
    def stop_accepted_at(self) -> int | None:
        return self.states.read().stop_accepted_at

    def settled_after(self, status: str) -> float:
        """Seconds until the model counts as stopped, if it is described like this at every poll."""
        began = self.clock.now
        while not self.step(status).settled:
            assert self.is_ours
        return self.clock.now - began

    @property
    def is_ours(self) -> bool:
        return self.states.read().started_by is not None

    @property
    def record(self) -> RunRecord:
        return self.records.read("run-1")


@pytest.fixture
def ours(lease: Lease, states: ModelStates, records: RunRecords, clock: Clock) -> Stopping:
    lease.acquire(RUN)
    accept_start(states, RUN)
    return Stopping(lease, states, records, clock)


def test_a_running_model_of_ours_is_stopped_and_not_yet_settled(ours: Stopping) -> None:
    model = ScriptedModel(["RUNNING"])
    assert ours.step(model) == StopStep("RUNNING", settled=False, wait_seconds=15)
    assert model.calls == [("stop", {"ProjectVersionArn": MODEL_ARN})]
    assert ours.stop_accepted_at == ours.clock.now
    assert ours.record.model_stop_accepted_at is not None
    assert ours.is_ours


def test_a_model_that_became_running_unseen_is_on_the_receipt(ours: Stopping) -> None:
    ours.step(ScriptedModel(["RUNNING"], units=3))
    assert ours.record.model_running_at is not None
    assert (ours.record.model_is_ours, ours.record.inference_units) == (True, 3)


def test_a_stop_whose_answer_was_lost_ends_the_model_time_when_seen(ours: Stopping) -> None:
    ours.step("STOPPING")
    assert ours.record.model_stop_accepted_at is not None


def test_a_model_of_someone_else_is_left_running(
    lease: Lease, states: ModelStates, records: RunRecords, clock: Clock
) -> None:
    lease.acquire(RUN)
    model = ScriptedModel(["RUNNING"])
    assert Stopping(lease, states, records, clock).step(model) == StopStep("RUNNING", settled=True, wait_seconds=0)
    assert model.calls == []


def test_a_stopped_model_after_an_accepted_stop_settles_and_is_nobodys(ours: Stopping) -> None:
    ours.step("RUNNING")
    assert ours.step("STOPPED") == StopStep("STOPPED", settled=True, wait_seconds=0)
    assert not ours.is_ours
    assert ours.record.model_stopped_at is not None


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "FAILED", "DELETING", "not listed", "not found"])
def test_without_an_accepted_stop_the_description_has_to_be_newer_than_the_start(status: str, ours: Stopping) -> None:
    assert DESCRIPTION_LAG_SECONDS < ours.settled_after(status) <= DESCRIPTION_LAG_SECONDS + POLL_SECONDS


def test_a_start_that_may_be_asked_for_yet_has_its_time_first(ours: Stopping) -> None:
    ask_for_start(ours.states, RUN, "t2", at=int(ours.clock.now))
    seconds = STILL_ACTING_SECONDS + DESCRIPTION_LAG_SECONDS
    assert seconds < ours.settled_after("STOPPED") <= seconds + POLL_SECONDS


def test_long_after_its_start_a_stopped_model_settles_at_the_first_look(ours: Stopping) -> None:
    ours.clock.now += 600
    assert ours.step("STOPPED").settled


def test_a_stop_that_was_accepted_before_a_start_could_be_over_does_not_settle_it(ours: Stopping) -> None:
    """An attempt whose answer was lost may still ask for a start, after the stop."""
    ask_for_start(ours.states, RUN, "t2", at=int(ours.clock.now))
    ours.step("RUNNING")
    assert not ours.step("STOPPED").settled
    ours.clock.now += STILL_ACTING_SECONDS
    ours.step("RUNNING")
    assert ours.step("STOPPED").settled


def test_an_accepted_stop_of_an_earlier_start_does_not_settle_a_new_one(ours: Stopping) -> None:
    """The model is asked to start again, and is still described as STOPPED: it may begin to cost at any moment."""
    ours.step("RUNNING")
    accept_start(ours.states, RUN, "t2", at=int(ours.clock.now))
    assert not ours.step("STOPPED").settled
    assert ours.is_ours


def test_a_start_that_is_marked_in_the_middle_of_a_look_stays_marked(ours: Stopping) -> None:
    ours.step("RUNNING")

    class Meanwhile(ScriptedModel):
        def describe_project_versions(self, **parameters: object) -> dict[str, object]:
            ask_for_start(ours.states, RUN, "t2", at=int(ours.clock.now))
            return super().describe_project_versions(**parameters)

    assert not ours.step(Meanwhile(["STOPPED"])).settled
    assert list(ours.states.read().starts) == ["t2"]


def test_a_model_that_is_stopping_is_waited_for(ours: Stopping) -> None:
    ours.step("RUNNING")
    model = ScriptedModel(["STOPPING"])
    assert not ours.step(model).settled
    assert model.calls == []
    assert ours.stop_accepted_at is not None


@pytest.mark.parametrize("status", ["STARTING", "SOMETHING_NEW"])
def test_a_model_that_may_cost_money_is_asked_to_stop(status: str, ours: Stopping) -> None:
    model = ScriptedModel([status])
    ours.step(model)
    assert [name for name, _ in model.calls] == ["stop"]


def test_a_stop_rejected_while_the_model_starts_is_asked_for_again(ours: Stopping) -> None:
    assert not ours.step(ScriptedModel(["STARTING"], stop_error=aws_error("ResourceInUseException"))).settled
    assert ours.stop_accepted_at is None
    assert ours.record.model_stop_accepted_at is None


def test_any_other_error_is_left_to_the_workflow_to_retry(ours: Stopping) -> None:
    with pytest.raises(Exception, match="InternalServerError"):
        ours.step(ScriptedModel(["RUNNING"], stop_error=aws_error("InternalServerError")))
    assert ours.is_ours


def test_a_model_that_cannot_be_described_is_stopped_unseen(ours: Stopping) -> None:
    model = ScriptedModel(["throttled"])
    answer = ours.step(model)
    assert [name for name, _ in model.calls] == ["stop"]
    assert (answer.status, answer.settled) == ("STATUS_UNAVAILABLE", False)
    assert ours.stop_accepted_at is not None


def test_the_wait_for_stopped_is_bounded_and_the_model_stays_ours(ours: Stopping) -> None:
    ours.step("RUNNING")
    ours.waited_seconds = STOP_TIMEOUT_SECONDS
    with pytest.raises(ModelStopTimedOut, match="stop-project-version"):
        ours.step("STOPPING")
    assert ours.is_ours


def test_a_stopped_model_is_waited_for_although_the_wait_for_the_stop_is_over(ours: Stopping) -> None:
    ours.waited_seconds = STOP_TIMEOUT_SECONDS
    assert not ours.step("STOPPED").settled


def test_a_run_that_lost_the_lease_stops_nothing(
    lease: Lease, states: ModelStates, records: RunRecords, clock: Clock
) -> None:
    lease.acquire(RUN_2)
    model = ScriptedModel(["RUNNING"])
    with pytest.raises(LeaseLost):
        Stopping(lease, states, records, clock).step(model)
    assert model.calls == []


def refuse_table(stopping: Stopping, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise aws_error("AccessDeniedException")

    monkeypatch.setattr(stopping.states._items._dynamodb, "update_item", refused)


def test_the_end_of_a_stop_removes_the_tag(ours: Stopping) -> None:
    model = ScriptedModel(
        ["RUNNING", "STOPPED"], tags={"started-by/logos": "2027-01-15T08:00:00.000Z", "team": "plants"}
    )
    ours.step(model)
    assert "started-by/logos" in model.tags
    assert ours.step(model).settled
    assert model.tags == {"team": "plants"}


def test_a_tag_that_cannot_be_removed_keeps_no_run_from_ending(ours: Stopping) -> None:
    ours.clock.now += 600
    model = ScriptedModel(["STOPPED"], tag_error=aws_error("AccessDeniedException"))
    assert ours.step(model).settled


def test_without_the_table_a_model_with_our_tag_is_stopped_and_seen_at_rest(
    ours: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_table(ours, monkeypatch)
    tags = {"started-by/logos": "2027-01-15T08:00:00.000Z"}
    model = ScriptedModel(["RUNNING", "STOPPING", "STOPPED"], tags=tags)
    assert [ours.step(model).settled for _ in range(3)] == [False, False, True]
    assert [name for name, _ in model.calls] == ["stop"]
    assert model.tags == tags, "the watchdog needs it until the table's marks are settled"


def test_without_the_table_a_stop_that_does_not_come_ends_with_what_to_do(
    ours: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_table(ours, monkeypatch)
    ours.waited_seconds = STOP_TIMEOUT_SECONDS
    with pytest.raises(ModelStopTimedOut, match="stop-project-version"):
        ours.step(ScriptedModel(["RUNNING"], tags={"started-by/logos": "2027-01-15T08:00:00.000Z"}))


def test_without_the_table_a_model_without_our_tag_is_left_running(
    ours: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_table(ours, monkeypatch)
    model = ScriptedModel(["RUNNING"], tags={"started-by/another": "2027-01-15T08:00:00.000Z"})
    with pytest.raises(ClientError, match="AccessDenied"):
        ours.step(model)
    assert model.calls == []


@pytest.mark.parametrize("is_new", [True, False])
def test_in_a_table_that_was_just_made_the_tag_of_a_model_that_is_not_known_to_be_ours_stays(
    lease: Lease, states: ModelStates, records: RunRecords, clock: Clock, *, is_new: bool
) -> None:
    if not is_new:
        states.record_watched()
    lease.acquire(RUN)
    model = ScriptedModel(["RUNNING"], tags={"started-by/logos": "2026-11-27T01:00:00.000Z"})
    assert ModelStop(model.model(), lease, states, records, clock).step(RUN, "run-1", 0).settled
    assert bool(model.tags) is is_new
