"""A stop counts when the model is seen stopped."""

from dataclasses import dataclass

import pytest

from shared.errors import LeaseLost, ModelStopTimedOut
from shared.lease import Lease
from shared.model_state import ModelStates, StopProgress
from shared.model_stop import POLL_SECONDS, STOP_TIMEOUT_SECONDS, ModelStop, StopStep
from shared.run_record import RunRecord, RunRecords
from tests.unit.conftest import MODEL_ARN, RUN, RUN_2, ScriptedModel, aws_error


@dataclass
class Stopping:
    """A run that holds the lease and has asked for its model's start."""

    lease: Lease
    states: ModelStates
    records: RunRecords
    waited_seconds: int = 0

    def step(self, model: ScriptedModel | str, *, repeated: bool = False) -> StopStep:
        """Take the next step, or the last one again because its answer was lost."""
        scripted = ScriptedModel([model]) if isinstance(model, str) else model
        stop = ModelStop(scripted.model(), self.lease, self.states, self.records)
        if repeated:
            self.waited_seconds -= POLL_SECONDS
        answer = stop.step(RUN, "run-1", self.waited_seconds)
        self.waited_seconds += POLL_SECONDS
        return answer

    @property
    def progress(self) -> StopProgress:
        return self.states.read().stop_progress

    @property
    def is_ours(self) -> bool:
        return self.states.read().started_by is not None

    @property
    def record(self) -> RunRecord:
        return self.records.read("run-1")


@pytest.fixture
def ours(lease: Lease, states: ModelStates, records: RunRecords) -> Stopping:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    return Stopping(lease, states, records)


def test_a_running_model_of_ours_is_stopped_and_not_yet_settled(ours: Stopping) -> None:
    model = ScriptedModel(["RUNNING"])
    assert ours.step(model) == StopStep("RUNNING", settled=False, wait_seconds=15)
    assert model.calls == [("stop", {"ProjectVersionArn": MODEL_ARN})]
    assert ours.progress.accepted
    assert ours.record.model_stop_accepted_at is not None
    assert ours.is_ours


def test_a_model_that_became_running_unseen_is_on_the_receipt(ours: Stopping) -> None:
    ours.step(ScriptedModel(["RUNNING"], units=3))
    assert ours.record.model_running_at is not None
    assert (ours.record.model_is_ours, ours.record.inference_units) == (True, 3)


def test_a_stop_whose_answer_was_lost_ends_the_model_time_when_seen(ours: Stopping) -> None:
    ours.step("STOPPING")
    assert ours.record.model_stop_accepted_at is not None


def test_a_model_of_someone_else_is_left_running(lease: Lease, states: ModelStates, records: RunRecords) -> None:
    lease.acquire(RUN)
    model = ScriptedModel(["RUNNING"])
    assert Stopping(lease, states, records).step(model) == StopStep("RUNNING", settled=True, wait_seconds=0)
    assert model.calls == []


def test_a_stopped_model_after_an_accepted_stop_settles_and_is_nobodys(ours: Stopping) -> None:
    ours.step("RUNNING")
    assert ours.step("STOPPED") == StopStep("STOPPED", settled=True, wait_seconds=0)
    assert not ours.is_ours
    assert ours.record.model_stopped_at is not None


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "FAILED", "DELETING", "not listed", "not found"])
def test_without_an_accepted_stop_the_model_has_to_be_seen_stopped_twice(status: str, ours: Stopping) -> None:
    assert not ours.step(status).settled
    assert ours.step(status).settled


def test_a_step_whose_answer_was_lost_is_no_second_observation(ours: Stopping) -> None:
    ours.step("STOPPED")
    assert not ours.step("STOPPED", repeated=True).settled
    assert ours.progress.stopped_observations == 1
    assert ours.step("STOPPED").settled


def test_a_start_seen_in_between_begins_the_count_again(ours: Stopping) -> None:
    ours.step("STOPPED")
    ours.step(ScriptedModel(["STARTING"], stop_error=aws_error("ResourceInUseException")))
    assert ours.progress == StopProgress()
    assert not ours.step("STOPPED").settled


def test_an_accepted_stop_of_an_earlier_start_does_not_settle_a_new_one(ours: Stopping) -> None:
    """The model is asked to start again, and is still described as STOPPED: it may begin to cost at any moment."""
    ours.step("RUNNING")
    assert ours.progress.accepted
    ours.states.record_start_asked(RUN)
    assert not ours.step("STOPPED").settled
    assert ours.is_ours


def test_a_model_that_is_stopping_is_waited_for(ours: Stopping) -> None:
    ours.step("RUNNING")
    model = ScriptedModel(["STOPPING"])
    assert not ours.step(model).settled
    assert model.calls == []
    assert ours.progress.accepted


@pytest.mark.parametrize("status", ["STARTING", "SOMETHING_NEW"])
def test_a_model_that_may_cost_money_is_asked_to_stop(status: str, ours: Stopping) -> None:
    model = ScriptedModel([status])
    ours.step(model)
    assert [name for name, _ in model.calls] == ["stop"]


def test_a_stop_rejected_while_the_model_starts_is_asked_for_again(ours: Stopping) -> None:
    assert not ours.step(ScriptedModel(["STARTING"], stop_error=aws_error("ResourceInUseException"))).settled
    assert not ours.progress.accepted
    assert ours.record.model_stop_accepted_at is None


def test_any_other_error_is_left_to_the_workflow_to_retry(ours: Stopping) -> None:
    with pytest.raises(Exception, match="InternalServerError"):
        ours.step(ScriptedModel(["RUNNING"], stop_error=aws_error("InternalServerError")))
    assert ours.is_ours


def test_a_model_that_cannot_be_described_is_stopped_unseen(ours: Stopping) -> None:
    model = ScriptedModel(["throttled"])
    answer = ours.step(model)
    assert [name for name, _ in model.calls] == ["stop"]
    assert (answer.status, answer.settled, ours.progress.accepted) == ("STATUS_UNAVAILABLE", False, True)


def test_the_wait_for_stopped_is_bounded_and_the_model_stays_ours(ours: Stopping) -> None:
    ours.step("RUNNING")
    ours.waited_seconds = STOP_TIMEOUT_SECONDS
    with pytest.raises(ModelStopTimedOut, match="stop-project-version"):
        ours.step("STOPPING")
    assert ours.is_ours


def test_a_run_that_lost_the_lease_stops_nothing(lease: Lease, states: ModelStates, records: RunRecords) -> None:
    lease.acquire(RUN_2)
    model = ScriptedModel(["RUNNING"])
    with pytest.raises(LeaseLost):
        Stopping(lease, states, records).step(model)
    assert model.calls == []
