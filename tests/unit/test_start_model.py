"""The model is brought to RUNNING from every status, and it is known whose it is."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.errors import (
    LeaseLost,
    ModelNotStartable,
    ModelQuotaReached,
    ModelStartFailed,
    ModelStartRefused,
    ModelStartTimedOut,
)
from shared.items import Items, Update
from shared.lease import Lease
from shared.model_state import STATE_ITEM, STILL_ACTING_SECONDS, ModelStates
from shared.project_version import PHASES, Phase, connect
from shared.request_rate import RequestRate
from shared.run_record import RunRecords
from shared.throughput import ThroughputStore
from start_model.logic import START_TIMEOUT_SECONDS, WATCHDOG_TIMEOUT_SECONDS, poll_seconds
from start_model.model_start import ModelStart, StartProgress, StartStep, Units
from start_model.sizing import Limits
from tests.rig.simulation.deployment import CONTROL_TIMEOUT_SECONDS
from tests.unit.conftest import (
    MODEL_ARN,
    PROJECT_ARN,
    RUN,
    RUN_0,
    RUN_2,
    Clock,
    ScriptedModel,
    accept_start,
    ask_for_start,
    aws_error,
)


@pytest.fixture
def held(lease: Lease) -> Lease:
    lease.acquire(RUN)
    return lease


def starter(
    model: ScriptedModel,
    lease: Lease,
    records: RunRecords,
    most: int = 2,
    *,
    scales: bool = False,
    warm_up: Callable[[], None] = lambda: None,
) -> ModelStart:
    throughput = ThroughputStore(records._items, estimate=3)
    ModelStates(records._items).record_watched()
    units = Units(Limits(2, most, target_drain_minutes=60), scales)
    return ModelStart(model.model(), lease, ModelStates(records._items), records, throughput, units, warm_up)


def step(start: ModelStart, backlog: int = 10, **waited: int) -> StartStep:
    return start.step("run-1", backlog=backlog, progress=StartProgress(**waited))


def start_accepted(records: RunRecords) -> None:
    """The run's start was accepted at an earlier step."""
    accept_start(ModelStates(records._items), RUN)


@pytest.mark.parametrize("status", [name for name, phase in PHASES.items() if phase is Phase.STARTABLE] + ["FAILED"])
def test_a_startable_model_is_started_and_noted_as_ours(status: str, held: Lease, records: RunRecords) -> None:
    model = ScriptedModel([status])
    answer = step(starter(model, held, records))
    assert model.calls == [("start", {"ProjectVersionArn": MODEL_ARN, "MinInferenceUnits": 2})]
    assert answer == StartStep(status, ready=False, quota_seconds=0, wait_seconds=2)
    assert model.tags.keys() == {"started-by/logos"}
    assert held.renew(RUN).start_accepted_for("run-1")
    assert held.renew(RUN).started_by == "run-1"


def test_the_most_units_are_named_only_when_rekognition_may_scale(held: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["STOPPED"])
    step(starter(model, held, records, most=4, scales=True))
    assert model.calls[0][1]["MaxInferenceUnits"] == 4


@pytest.mark.parametrize("status", ["STARTING", "STOPPING"])
def test_a_model_in_between_is_waited_for_and_not_called_ours(status: str, held: Lease, records: RunRecords) -> None:
    model = ScriptedModel([status])
    answer = step(starter(model, held, records))
    assert (answer.ready, held.renew(RUN).started_by, model.calls) == (False, None, [])


def test_functions_are_warmed_up_while_the_model_starts_and_not_when_it_runs(held: Lease, records: RunRecords) -> None:
    warmed: list[int] = []
    model = ScriptedModel(["STOPPED", "STARTING", "STARTING", "RUNNING"])
    start = starter(model, held, records, warm_up=lambda: warmed.append(waited))
    # In the last case it runs at the first poll.
    for waited in (0, 50, 119, 0):
        step(start, waited_seconds=waited)
    assert warmed == [0, 119]


def test_a_model_that_someone_else_runs_is_used_and_not_ours(held: Lease, records: RunRecords) -> None:
    answer = step(starter(ScriptedModel(["RUNNING"], units=3), held, records))
    assert answer.ready
    record = records.read("run-1")
    assert (record.inference_units, record.model_is_ours) == (3, False)


def test_a_model_that_a_dead_run_started_is_ours(lease: Lease, records: RunRecords) -> None:
    lease.acquire(RUN_0)
    ask_for_start(ModelStates(records._items), RUN_0)
    lease.release(RUN_0)
    lease.acquire(RUN)
    step(starter(ScriptedModel(["RUNNING"]), lease, records))
    assert records.read("run-1").model_is_ours


def test_the_first_sight_of_running_begins_the_model_time(held: Lease, records: RunRecords) -> None:
    start = starter(ScriptedModel(["RUNNING"]), held, records)
    step(start)
    first = records.read("run-1").model_running_at
    step(start)
    assert first is not None
    assert records.read("run-1").model_running_at == first


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "ResourceNotFoundException", "InvalidParameterException", "ValidationException"],
)
def test_a_refused_start_ends_the_run_and_leaves_nothing_to_stop(code: str, held: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["STOPPED"], start_error=aws_error(code, "no"))
    with pytest.raises(ModelStartRefused, match=f"{code}: no"):
        step(starter(model, held, records))
    assert held.renew(RUN).started_by is None


@pytest.mark.parametrize("status", ["TRAINING_COMPLETED", "STOPPED", "RUNNING"])
def test_a_model_of_another_feature_is_refused_before_it_is_started(
    status: str, held: Lease, records: RunRecords
) -> None:
    adapter = ScriptedModel([status], feature="CONTENT_MODERATION")
    with pytest.raises(ModelNotStartable, match=r"no Custom Labels model.*CONTENT_MODERATION"):
        step(starter(adapter, held, records))
    assert adapter.calls == []
    step(starter(ScriptedModel(["STOPPED"], feature="CUSTOM_LABELS"), held, records))
    assert held.renew(RUN).started_by == "run-1"


def quota(model_error: str = "two models run already") -> ScriptedModel:
    return ScriptedModel(["STOPPED"], start_error=aws_error("LimitExceededException", model_error))


def test_a_start_that_the_quota_refuses_is_asked_for_again_in_a_minute(held: Lease, records: RunRecords) -> None:
    answer = step(starter(quota(), held, records))
    assert (answer.ready, answer.quota_seconds, answer.wait_seconds) == (False, 60, 60)
    assert not held.renew(RUN).start_accepted_for("run-1")
    assert held.renew(RUN).started_by is None


def test_every_second_start_after_a_quota_asks_for_the_fewest_units(held: Lease, records: RunRecords) -> None:
    model = quota()
    start = starter(model, held, records, most=5)
    for quota_seconds in (0, 60, 120):
        step(start, backlog=40_000, waited_seconds=quota_seconds, quota_seconds=quota_seconds)
    assert [call["MinInferenceUnits"] for _, call in model.calls] == [4, 2, 4]


def test_half_an_hour_of_the_quota_leaves_the_images_to_the_next_run(held: Lease, records: RunRecords) -> None:
    with pytest.raises(ModelQuotaReached, match=r"for 30 minutes \(two models run already\)"):
        step(starter(quota(), held, records), waited_seconds=1800, quota_seconds=1800)
    assert held.renew(RUN).started_by is None
    assert "wait for the next run" in str(records.read("run-1").reason)


def test_the_wait_for_the_quota_is_none_for_the_model(held: Lease, records: RunRecords) -> None:
    start = starter(ScriptedModel(["STARTING"]), held, records)
    seconds = START_TIMEOUT_SECONDS + 600
    assert not step(start, waited_seconds=seconds, quota_seconds=660).ready


def test_a_start_rents_what_the_backlog_needs_and_says_why(held: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["STOPPED"])
    answer = step(starter(model, held, records, most=5), backlog=40_000)
    assert model.calls[0][1]["MinInferenceUnits"] == 4
    assert answer.wait_seconds == poll_seconds(4, 0) == 2

    record = records.read("run-1")
    assert record.backlog == 40_000
    assert record.sizing_reason == (
        "40000 images at 3 images a second and unit (an estimate) take 55.6 minutes with 4 inference units, "
        "the fewest for target_drain_minutes (60)"
    )
    assert record.start_asked_at is not None


@pytest.mark.parametrize(
    ("units", "starting_seconds", "wait"),
    [(1, 0, 2), (1, 30, 2), (1, 600, 9), (1, 1200, 13), (4, 600, 5), (100, 600, 2), (100, 2400, 8)],
)
def test_the_longer_a_start_lasts_and_the_less_it_costs_the_rarer_are_the_polls(
    units: int, starting_seconds: int, wait: int
) -> None:
    assert poll_seconds(units, starting_seconds) == wait


@pytest.mark.parametrize("units", [1, 100])
def test_the_longest_start_leaves_room_in_the_history(units: int) -> None:
    waited = polls = 0
    while waited < START_TIMEOUT_SECONDS:
        waited, polls = waited + poll_seconds(units, waited), polls + 1
    # Each visit has 9 events.
    assert polls * 9 < 7_000


@pytest.mark.parametrize(("scales", "batches"), [(False, 2), (True, 5)])
def test_the_request_rate_is_what_the_units_can_label(
    scales: bool, batches: int, held: Lease, records: RunRecords
) -> None:
    step(starter(ScriptedModel(["RUNNING"], units=2), held, records, most=5, scales=scales))
    assert held.renew(RUN).request_rate == RequestRate(images_per_second=6.0, concurrent_batches=batches)
    assert records.read("run-1").units_are_fixed is not scales


def test_a_run_whose_start_was_carried_out_unanswered_still_says_why_it_rented_so_many(
    held: Lease, records: RunRecords
) -> None:
    lost = ScriptedModel(["STOPPED"], start_error=ReadTimeoutError(endpoint_url="rekognition"))
    with pytest.raises(ReadTimeoutError):
        step(starter(lost, held, records, most=5), backlog=40_000)
    record = records.read("run-1")
    assert (record.backlog, record.start_asked_at is None) == (40_000, False)


def test_the_lease_lasts_through_the_wait_for_the_quota(held: Lease, records: RunRecords, clock: Clock) -> None:
    answer = step(starter(quota(), held, records))
    clock.now += answer.wait_seconds + 899
    assert not held.acquire(RUN_2).acquired


def test_what_runs_have_shown_takes_the_place_of_the_estimate(held: Lease, records: RunRecords) -> None:
    ThroughputStore(records._items, estimate=3).learn(10)
    model = ScriptedModel(["STOPPED"])
    step(starter(model, held, records, most=5), backlog=100_000)
    assert model.calls[0][1]["MinInferenceUnits"] == 3
    assert "learnt from 1 runs" in str(records.read("run-1").sizing_reason)
    step(starter(ScriptedModel(["RUNNING"], units=3), held, records))
    assert held.renew(RUN).request_rate == RequestRate(30.0, 3)


def test_a_start_that_someone_else_won_is_waited_for_and_not_ours(held: Lease, records: RunRecords) -> None:
    model = ScriptedModel(["STOPPED"], start_error=aws_error("ResourceInUseException"))
    answer = step(starter(model, held, records))
    assert not answer.ready
    assert held.renew(RUN).started_by is None


def test_an_old_status_after_our_start_does_not_disown_the_model(held: Lease, records: RunRecords) -> None:
    start_accepted(records)
    model = ScriptedModel(["STOPPED"], start_error=aws_error("ResourceInUseException"))
    step(starter(model, held, records), waited_seconds=15)
    assert held.renew(RUN).start_accepted_for("run-1")
    assert held.renew(RUN).started_by == "run-1"


@pytest.mark.parametrize(
    ("error", "is_over"),
    [(aws_error("InternalServerError"), True), (ReadTimeoutError(endpoint_url="rekognition"), False)],
)
def test_a_start_that_may_have_been_carried_out_stays_ours_and_is_tried_again(
    error: Exception, is_over: bool, held: Lease, records: RunRecords
) -> None:
    model = ScriptedModel(["STOPPED"], start_error=error)
    with pytest.raises(type(error)):
        step(starter(model, held, records))
    state = held.renew(RUN)
    assert (state.started_by, state.start_accepted_for("run-1")) == ("run-1", False)
    assert [mark.ended_at is not None for mark in state.starts.values()] == [is_over]


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "AnyOther"])
def test_a_start_that_was_certainly_not_carried_out_is_tried_again_and_makes_nothing_ours(
    code: str, held: Lease, records: RunRecords
) -> None:
    status = 400 if code == "AnyOther" else 500
    error = ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "StartProjectVersion"
    )
    with pytest.raises(Exception, match=code) as raised:
        step(starter(ScriptedModel(["STOPPED"], start_error=error), held, records))
    assert not isinstance(raised.value, ModelStartRefused)
    assert held.renew(RUN).starts == {}


@pytest.mark.parametrize("code", ["ResourceInUseException", "ThrottlingException", "AccessDeniedException"])
def test_a_refused_attempt_leaves_the_mark_of_another(code: str, held: Lease, records: RunRecords) -> None:
    """Step Functions lost the answer of the first attempt, which is still under way and is the one that starts it."""
    states = ModelStates(records._items)
    other = ask_for_start(states, RUN, "t0")
    with suppress(Exception):
        step(starter(ScriptedModel(["STOPPED"], start_error=aws_error(code)), held, records))
    assert states.read().starts == {"t0": other}


def test_the_mark_is_the_last_that_is_done_before_the_call(
    held: Lease, records: RunRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    update = records._items.update
    monkeypatch.setattr(
        records._items, "update", lambda write, **how: (done.append(write.expression), update(write, **how))[1]
    )

    class Seen(ScriptedModel):
        def start_project_version(self, **parameters: Any) -> None:  # noqa: ANN401
            done.append("start")
            super().start_project_version(**parameters)

    step(starter(Seen(["STOPPED"]), held, records))
    assert done[done.index("start") - 1].startswith("SET model_starts.")


def test_a_call_is_over_when_its_function_is() -> None:
    assert STILL_ACTING_SECONDS > CONTROL_TIMEOUT_SECONDS


def test_an_accepted_start_is_recorded_although_the_lease_was_lost_meanwhile(
    held: Lease, records: RunRecords, clock: Clock
) -> None:
    class TakenOver(ScriptedModel):
        def start_project_version(self, **parameters: Any) -> None:  # noqa: ANN401
            super().start_project_version(**parameters)
            clock.now += 901
            held.acquire(RUN_2)

    step(starter(TakenOver(["STOPPED"]), held, records))
    state = held.renew(RUN_2)
    assert (state.started_by, state.start_accepted_for("run-1")) == ("run-1", True)


@pytest.mark.parametrize(
    "status",
    [name for name, phase in PHASES.items() if phase is Phase.UNUSABLE and name != "DELETED"] + ["HIBERNATING"],
)
def test_a_status_that_allows_no_start_ends_the_run(status: str, held: Lease, records: RunRecords) -> None:
    model = ScriptedModel([status])
    with pytest.raises(ModelNotStartable, match=status):
        step(starter(model, held, records))
    assert model.calls == []


@pytest.mark.parametrize("answer", ["not listed", "not found"])
def test_a_model_that_was_deleted_ends_the_run(answer: str, held: Lease, records: RunRecords) -> None:
    with pytest.raises(ModelNotStartable, match="DELETED"):
        step(starter(ScriptedModel([answer]), held, records))


def test_a_model_that_fails_after_our_start_ends_the_run(held: Lease, records: RunRecords) -> None:
    start_accepted(records)
    with pytest.raises(ModelStartFailed, match="is FAILED"):
        step(starter(ScriptedModel(["FAILED"]), held, records), waited_seconds=60)


def test_a_model_that_failed_after_the_start_of_a_dead_run_is_started_again(
    lease: Lease, records: RunRecords, clock: Clock
) -> None:
    lease.acquire(RUN_0)
    accept_start(ModelStates(records._items), RUN_0)
    clock.now += 901
    lease.acquire(RUN)
    model = ScriptedModel(["FAILED"])
    step(starter(model, lease, records))
    assert [name for name, _ in model.calls] == ["start"]


def test_the_wait_for_running_is_bounded(held: Lease, records: RunRecords) -> None:
    with pytest.raises(ModelStartTimedOut, match="STARTING after 2700 s"):
        step(starter(ScriptedModel(["STARTING"]), held, records), waited_seconds=START_TIMEOUT_SECONDS)


def test_a_run_without_the_lease_touches_no_model(lease: Lease, records: RunRecords) -> None:
    lease.acquire(RUN_2)
    model = ScriptedModel(["STOPPED"])
    with pytest.raises(LeaseLost):
        step(starter(model, lease, records))
    assert model.calls == []


def test_a_start_whose_answer_was_lost_is_ours_when_the_workflow_tries_again(held: Lease, records: RunRecords) -> None:
    lost = ScriptedModel(["STOPPED"], start_error=ReadTimeoutError(endpoint_url="rekognition"))
    with pytest.raises(ReadTimeoutError):
        step(starter(lost, held, records))
    refused = ScriptedModel(["STOPPED"], start_error=aws_error("ResourceInUseException"))
    step(starter(refused, held, records))
    assert held.renew(RUN).started_by == "run-1"


def test_the_sdk_repeats_no_start_by_itself(aws: None) -> None:  # noqa: ARG001
    model = connect(PROJECT_ARN, MODEL_ARN, "logos")
    assert model._rekognition.meta.config.retries["total_max_attempts"] == 1


def test_every_status_of_the_service_model_is_known() -> None:
    import botocore.session

    service = botocore.session.get_session().get_service_model("rekognition")
    assert set(service.shape_for("ProjectVersionStatus").enum) <= set(PHASES)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (aws_error("AccessDeniedException", operation="TagResource"), ModelStartRefused),
        (aws_error("ServiceQuotaExceededException", operation="TagResource"), ModelStartRefused),
        (aws_error("InternalServerError", operation="TagResource"), ClientError),
        (aws_error("AnyOther", operation="TagResource"), ClientError),
        (ReadTimeoutError(endpoint_url="TagResource"), ReadTimeoutError),
    ],
)
def test_a_model_that_cannot_be_tagged_is_not_started_and_keeps_no_mark(
    error: Exception, raised: type[Exception], held: Lease, records: RunRecords
) -> None:
    model = ScriptedModel(["STOPPED"], tag_error=error)
    with pytest.raises(raised, match="TagResource"):
        step(starter(model, held, records))
    assert model.calls == []
    assert held.renew(RUN).starts == {}


def test_nothing_is_started_before_the_watchdog_watches_the_model(
    held: Lease, records: RunRecords, states: ModelStates, items: Items
) -> None:
    model = ScriptedModel(["STOPPED"])
    start = starter(model, held, records)
    items.update(Update(STATE_ITEM, "REMOVE watched", {}))
    answer = step(start, waited_seconds=WATCHDOG_TIMEOUT_SECONDS - 1)
    assert (answer.ready, answer.wait_seconds) == (False, 15)
    with pytest.raises(ModelStartRefused, match="terraform apply"):
        step(start, waited_seconds=WATCHDOG_TIMEOUT_SECONDS)
    assert (model.calls, model.tags) == ([], {})
    states.record_watched()
    step(start)
    assert [name for name, _ in model.calls] == ["start"]


@pytest.mark.parametrize("status", ["STARTING", "RUNNING"])
def test_a_run_that_uses_the_model_of_a_dead_run_tags_it_anew(
    status: str, lease: Lease, records: RunRecords, states: ModelStates, clock: Clock
) -> None:
    """Without the table the watchdog stops a model once no run is left that began before the tag."""
    states.record_watched()
    lease.acquire(RUN_0)
    accept_start(states, RUN_0)
    clock.now += 901
    lease.acquire(RUN)
    old = {"started-by/logos": "2020-01-01T00:00:00.000Z"}
    model = ScriptedModel([status], tags=dict(old))
    step(starter(model, lease, records))
    assert (model.tags != old) is (status == "RUNNING")
