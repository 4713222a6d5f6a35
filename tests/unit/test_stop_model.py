"""A stop counts when the model is seen stopped."""

import pytest

from shared.errors import LeaseLost, ModelStopTimedOut
from shared.lease import Lease
from shared.model_stop import STOP_TIMEOUT_SECONDS, ModelStop
from shared.run_record import RunRecords
from tests.unit.conftest import MODEL_ARN, ScriptedModel, aws_error


@pytest.fixture
def ours(lease: Lease) -> Lease:
    lease.acquire("run-1")
    lease.note_model_started("run-1")
    return lease


def step(
    model: ScriptedModel,
    lease: Lease,
    records: RunRecords,
    *,
    waited: int = 0,
    accepted: bool = False,
    at_rest: int = 0,
) -> dict[str, object]:
    stop = ModelStop(model.model(), lease, records)
    return stop.step("run-1", run_id="run-1", waited_seconds=waited, stop_accepted=accepted, sightings_at_rest=at_rest)


def test_a_running_model_of_ours_is_stopped_and_not_yet_settled(ours: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["RUNNING"])
    answer = step(model, ours, records)
    assert model.calls == [("stop", {"ProjectVersionArn": MODEL_ARN})]
    assert (answer["settled"], answer["stop_accepted"], answer["wait_seconds"]) == (False, True, 15)
    assert records.read("run-1").model_stop_accepted_at is not None
    assert ours.renew("run-1").model_started_by == "run-1"


def test_a_model_that_became_running_unseen_is_on_the_receipt(ours: Lease, records: RunRecords) -> None:
    step(ScriptedModel(["RUNNING"], units=3), ours, records)
    record = records.read("run-1")
    assert record.model_running_at is not None
    assert (record.model_is_ours, record.inference_units) == (True, 3)


def test_a_stop_whose_answer_was_lost_ends_the_model_time_when_seen(ours: Lease, records: RunRecords) -> None:
    step(ScriptedModel(["STOPPING"]), ours, records)
    assert records.read("run-1").model_stop_accepted_at is not None


def test_a_model_of_someone_else_is_left_running(lease: Lease, records: RunRecords) -> None:
    lease.acquire("run-1")
    model = ScriptedModel(["RUNNING"])
    answer = step(model, lease, records)
    assert (answer["settled"], answer["status"], model.calls) == (True, "RUNNING", [])


def test_a_stopped_model_after_an_accepted_stop_settles_and_is_nobodys(ours: Lease, records: RunRecords) -> None:
    answer = step(ScriptedModel(["STOPPED"]), ours, records, accepted=True)
    assert answer["settled"]
    assert ours.renew("run-1").model_started_by is None


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "FAILED", "DELETING", "not listed", "not found"])
def test_without_an_accepted_stop_rest_has_to_be_seen_twice(status: str, ours: Lease, records: RunRecords) -> None:
    first = step(ScriptedModel([status]), ours, records)
    assert (first["settled"], first["sightings_at_rest"]) == (False, 1)
    assert step(ScriptedModel([status]), ours, records, at_rest=1)["settled"]


def test_a_start_seen_in_between_begins_the_count_again(ours: Lease, records: RunRecords) -> None:
    assert step(ScriptedModel(["STARTING"]), ours, records, at_rest=1)["sightings_at_rest"] == 0


def test_a_model_that_is_stopping_is_waited_for(ours: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["STOPPING"])
    assert not step(model, ours, records, accepted=True)["settled"]
    assert model.calls == []


@pytest.mark.parametrize("status", ["STARTING", "SOMETHING_NEW"])
def test_a_model_that_may_cost_money_is_asked_to_stop(status: str, ours: Lease, records: RunRecords) -> None:
    model = ScriptedModel([status])
    step(model, ours, records)
    assert [name for name, _ in model.calls] == ["stop"]


def test_a_stop_refused_while_the_model_starts_is_asked_for_again(ours: Lease, records: RunRecords) -> None:
    answer = step(ScriptedModel(["STARTING"], stop_error=aws_error("ResourceInUseException")), ours, records)
    assert (answer["settled"], answer["stop_accepted"]) == (False, False)
    assert records.read("run-1").model_stop_accepted_at is None


def test_any_other_refusal_is_left_to_the_workflow_to_retry(ours: Lease, records: RunRecords) -> None:
    with pytest.raises(Exception, match="InternalServerError"):
        step(ScriptedModel(["RUNNING"], stop_error=aws_error("InternalServerError")), ours, records)
    assert ours.renew("run-1").model_started_by == "run-1"


def test_a_model_that_cannot_be_seen_is_stopped_unseen(ours: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["throttled"])
    answer = step(model, ours, records)
    assert [name for name, _ in model.calls] == ["stop"]
    assert (answer["status"], answer["settled"], answer["stop_accepted"]) == ("NOT_SEEN", False, True)


def test_the_wait_for_stopped_is_bounded_and_the_model_stays_ours(ours: Lease, records: RunRecords) -> None:
    with pytest.raises(ModelStopTimedOut, match="stop-project-version"):
        step(ScriptedModel(["STOPPING"]), ours, records, waited=STOP_TIMEOUT_SECONDS, accepted=True)
    assert ours.renew("run-1").model_started_by == "run-1"


def test_a_run_that_lost_the_lease_stops_nothing(lease: Lease, records: RunRecords) -> None:
    lease.acquire("run-2")
    model = ScriptedModel(["RUNNING"])
    with pytest.raises(LeaseLost):
        step(model, lease, records)
    assert model.calls == []
