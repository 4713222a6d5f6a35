"""Every run leaves a receipt that adds up."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError

from record_run.run_lifecycle import Opening, RunLifecycle
from shared import receipts as receipts_module
from shared.events import EventBus
from shared.failed_starts import FailedStartsStore
from shared.failures import readable_error
from shared.items import ConditionFailed, Items
from shared.lease import Lease
from shared.model_state import ModelStates
from shared.model_usage import DailyModelUsage
from shared.outcome import Outcome
from shared.receipts import Receipts, model_time, receipt
from shared.run_record import BatchCounts, RunRecord, RunRecords
from shared.throughput import Throughput, ThroughputStore, measured
from tests.unit.conftest import FINAL, MODEL_ARN, RUN, Clock, FakeEvents, ask_for_start, aws_error

START = datetime(2026, 1, 1, tzinfo=UTC)
# A run's record as the table holds it, and the receipt that is made of it.
RECEIPTS = Path(__file__).parent / "receipts"


@pytest.fixture
def throughput(items: Items) -> ThroughputStore:
    return ThroughputStore(items, estimate=3)


@pytest.fixture
def book(
    items: Items,
    lease: Lease,
    states: ModelStates,
    records: RunRecords,
    receipts: Receipts,
    throughput: ThroughputStore,
) -> RunLifecycle:
    return RunLifecycle(lease, states, records, receipts, throughput, FailedStartsStore(items))


def stored_receipt(s3: Any, run_id: str) -> dict[str, Any]:  # noqa: ANN401
    return json.loads(s3.get_object(Bucket=FINAL, Key=f"runs/{run_id}.json")["Body"].read())


def test_a_first_run_opens_with_nothing_to_clean_up(book: RunLifecycle) -> None:
    assert book.open("run-1") == Opening(acquired=True, model_left=False)


def test_a_run_that_started_the_model_and_finished_no_image_is_remembered_until_one_does(
    book: RunLifecycle, items: Items, records: RunRecords
) -> None:
    failed_starts = FailedStartsStore(items)
    error = {"code": "NoProgress", "message": "no image has finished"}
    for run_id in ("run-1", "run-2"):
        book.open(run_id)
        records.record_start_asked(run_id, backlog=1, sizing_reason="one unit")
        book.close(run_id, Outcome.FAILED, error)
        book.close(run_id, Outcome.FAILED, error)
    remembered = failed_starts.read()
    assert (remembered.count, remembered.run_id, remembered.error) == (2, "run-2", "NoProgress")
    book.open("run-3")
    records.record_start_asked("run-3", backlog=1, sizing_reason="one unit")
    records.add_batch("run-3", BatchCounts(processed=1))
    book.close("run-3", Outcome.FAILED, error)
    assert failed_starts.read().count == 0


def test_a_second_run_does_not_get_the_lease(book: RunLifecycle) -> None:
    book.open("run-1")
    assert book.open("run-2") == Opening(acquired=False, model_left=False)


def test_a_run_after_a_dead_one_cleans_up(book: RunLifecycle, states: ModelStates, clock: Clock) -> None:
    book.open("run-1")
    ask_for_start(states, RUN)
    clock.now += 901
    assert book.open("run-2") == Opening(acquired=True, model_left=True)


def test_a_run_after_a_dead_one_writes_its_receipt_and_ends_its_model_time(
    book: RunLifecycle,
    states: ModelStates,
    records: RunRecords,
    clock: Clock,
    s3: Any,  # noqa: ANN401
) -> None:
    book.open("run-1")
    ask_for_start(states, RUN)
    records.record_model_running("run-1", inference_units=1, ours=True)
    clock.now += 901
    book.open("run-2")
    stored = stored_receipt(s3, "run-1")
    assert (stored["outcome"], stored["error"]["code"]) == ("aborted", "RunSilent")
    assert "run run-2 took over" in stored["error"]["message"]
    over, begun = records.read("run-1").model_stop_accepted_at, records.read("run-2").model_running_at
    assert over is not None
    assert begun is not None
    assert timedelta(0) <= over - begun < timedelta(seconds=1), "the model runs all the time"
    records.record_start_asked("run-2", backlog=1, sizing_reason="it had failed meanwhile")
    assert records.read("run-2").model_running_at is None


@pytest.mark.parametrize(("ours", "stopped"), [(False, False), (True, True)])
def test_a_run_after_a_dead_one_has_no_time_of_a_model_that_is_not_ours_or_was_stopped(
    ours: bool, stopped: bool, book: RunLifecycle, records: RunRecords, clock: Clock
) -> None:
    book.open("run-1")
    records.record_model_running("run-1", inference_units=1, ours=ours)
    if stopped:
        records.record_model_stop_accepted("run-1")
    clock.now += 901
    book.open("run-2")
    assert records.read("run-2").model_running_at is None


def test_an_opening_that_is_killed_before_the_dead_runs_receipt_is_made_up_for(
    book: RunLifecycle,
    states: ModelStates,
    clock: Clock,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    book.open("run-1")
    clock.now += 901
    monkeypatch.setattr(book, "_close_for", killed)
    with pytest.raises(KeyboardInterrupt):
        book.open("run-2")
    monkeypatch.undo()
    book.open("run-2")
    assert stored_receipt(s3, "run-1")["outcome"] == "aborted"
    assert states.read().receipts_owed == (), "it is owed no more"


def test_a_dead_runs_receipt_that_cannot_be_written_is_left_to_the_next_owner(
    book: RunLifecycle,
    clock: Clock,
    s3: Any,  # noqa: ANN401
    receipts: Receipts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise aws_error("AccessDenied")

    book.open("run-1")
    clock.now += 901
    monkeypatch.setattr(receipts, "write_for_dead_run", refuse)
    assert book.open("run-2").acquired
    monkeypatch.undo()
    clock.now += 901
    book.open("run-3")
    assert [stored_receipt(s3, dead_run)["outcome"] for dead_run in ("run-1", "run-2")] == ["aborted", "aborted"]


def test_a_receipt_is_not_written_for_a_run_that_wrote_its_own(
    book: RunLifecycle,
    lease: Lease,
    clock: Clock,
    s3: Any,  # noqa: ANN401
) -> None:
    book.open("run-1")
    book.close("run-1", Outcome.COMPLETED, None)
    lease.acquire(RUN)
    clock.now += 901
    book.open("run-2")
    assert stored_receipt(s3, "run-1")["outcome"] == "completed"


def test_a_repeated_opening_still_knows_what_there_is_to_clean_up(
    book: RunLifecycle, states: ModelStates, clock: Clock
) -> None:
    book.open("run-1")
    ask_for_start(states, RUN)
    clock.now += 901
    book.open("run-2")
    assert book.open("run-2").model_left


def test_a_run_after_an_unconfirmed_stop_cleans_up(book: RunLifecycle, states: ModelStates) -> None:
    book.open("run-1")
    ask_for_start(states, RUN)
    book.close("run-1", Outcome.STOP_NOT_CONFIRMED, None)
    assert book.open("run-2") == Opening(acquired=True, model_left=True)


def test_a_receipt_is_written_below_the_final_prefix(records: RunRecords, s3: Any) -> None:  # noqa: ANN401
    records.open("run-1")
    receipts = Receipts(records, s3, EventBus(FakeEvents(), "logos"), FINAL, MODEL_ARN, 4, "logos/")
    receipts.write("run-1", Outcome.NOTHING_TO_DO, None)
    assert [content["Key"] for content in s3.list_objects_v2(Bucket=FINAL)["Contents"]] == ["logos/runs/run-1.json"]


@pytest.mark.parametrize("path", sorted(RECEIPTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_receipt_of_a_record_is_as_the_file_says(path: Path) -> None:
    case = json.loads(path.read_text())
    run, record = case["run"], RunRecord.parse(case["record"])
    finished_at = datetime.fromisoformat(run["finished_at"])
    made = receipt(
        run_id=run["run_id"],
        outcome=Outcome(run["outcome"]),
        record=record,
        finished_at=finished_at,
        project_version_arn=MODEL_ARN,
        model=model_time(record, instant=finished_at, unit_hour_usd=run["unit_hour_usd"]),
        error=run["error"],
    )
    # As text: the order of the fields counts too.
    assert json.dumps(made, indent=2) == json.dumps(case["receipt"], indent=2)


def test_what_the_functions_record_is_on_the_receipt(book: RunLifecycle, records: RunRecords, s3: Any) -> None:  # noqa: ANN401
    book.open("run-1")
    records.record_model_running("run-1", inference_units=2, ours=True)
    records.record_start_asked("run-1", backlog=9, sizing_reason="nine images")
    records.record_reason("run-1", "the day is over")
    first, last = START, START + timedelta(seconds=40)
    counts = BatchCounts(processed=3, failed=1, blocked=7, blocked_reason="because", throttled=2)
    records.add_batch("run-1", replace(counts, first_detection_at=first, last_detection_at=last))
    counts = BatchCounts(processed=2, nothing_to_do=4, dead_lettered=1, throttled=3)
    later = timedelta(seconds=20)
    records.add_batch("run-1", replace(counts, first_detection_at=first + later, last_detection_at=last + later))
    records.record_model_stop_accepted("run-1")
    returned = book.close("run-1", Outcome.COMPLETED, None)
    stored = stored_receipt(s3, "run-1")
    assert stored == returned
    assert stored["images"] == {"processed": 5, "failed": 1, "dead_lettered": 1}
    assert (stored["calls_throttled"], stored["reason"]) == (5, "the day is over")
    assert stored["sizing"] == {"backlog": 9, "reason": "nine images"}
    assert stored["phases"]["labelling_seconds"] == 60.0
    record = records.read("run-1")
    assert (record.images_done, record.blocked, record.blocked_reason) == (11, 7, "because")


def test_a_batch_that_is_counted_while_the_receipt_is_written_is_on_it_or_refused(
    book: RunLifecycle,
    receipts: Receipts,
    records: RunRecords,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = receipts._s3.put_object

    def counted_first(**parameters: object) -> None:
        with pytest.raises(ConditionFailed):
            records.add_batch("run-1", BatchCounts(processed=1))
        put(**parameters)

    monkeypatch.setattr(receipts._s3, "put_object", counted_first)
    book.open("run-1")
    records.add_batch("run-1", BatchCounts(processed=2))
    book.close("run-1", Outcome.COMPLETED, None)
    assert stored_receipt(s3, "run-1")["images"]["processed"] == records.read("run-1").processed == 2


def test_a_closed_run_gives_the_lease_back(book: RunLifecycle) -> None:
    book.open("run-1")
    book.close("run-1", Outcome.NOTHING_TO_DO, None)
    assert book.open("run-2").acquired


def test_a_run_that_never_had_the_lease_leaves_a_receipt_and_the_lease(book: RunLifecycle, s3: Any) -> None:  # noqa: ANN401
    book.open("run-1")
    book.open("run-2")
    book.close("run-2", Outcome.ANOTHER_RUN_ACTIVE, None)
    assert stored_receipt(s3, "run-2")["outcome"] == "another_run_active"
    assert not book.open("run-3").acquired


def closed_run(
    book: RunLifecycle,
    records: RunRecords,
    *,
    seconds: float,
    images: int,
    throttled: int = 1,
    ours: bool = True,
    fixed: bool = True,
) -> None:
    """A run with two units, and this saturated period."""
    run_id = f"run-{images}-{seconds}"
    book.open(run_id)
    records.record_model_running(run_id, inference_units=2, ours=ours, fixed=fixed)
    records.add_batch(run_id, BatchCounts(throttled=throttled))
    records.record_saturated_period(run_id, seconds, images)
    book.close(run_id, Outcome.COMPLETED, None)


def test_the_runs_show_how_fast_the_model_is(
    book: RunLifecycle, records: RunRecords, throughput: ThroughputStore
) -> None:
    assert throughput.read() == Throughput(3, runs=0)
    closed_run(book, records, seconds=100, images=1000)
    assert throughput.read() == Throughput(5, runs=1)
    closed_run(book, records, seconds=100, images=800)
    assert throughput.read() == Throughput(4.5, runs=2)


@pytest.mark.parametrize(("seconds", "images"), [(19, 1000), (1000, 49), (0, 0)])
def test_a_run_too_short_to_tell_shows_nothing(
    seconds: int, images: int, book: RunLifecycle, records: RunRecords, throughput: ThroughputStore
) -> None:
    closed_run(book, records, seconds=seconds, images=images)
    assert not throughput.read().is_learnt


def test_a_run_that_was_never_refused_shows_no_slower_model(
    book: RunLifecycle, records: RunRecords, throughput: ThroughputStore
) -> None:
    closed_run(book, records, seconds=100, images=400, throttled=0)
    assert not throughput.read().is_learnt
    closed_run(book, records, seconds=100, images=700, throttled=0)
    assert throughput.read() == Throughput(3.5, runs=1)


@pytest.mark.parametrize(("ours", "fixed"), [(True, False), (False, True)])
def test_a_model_that_may_scale_or_is_someone_elses_shows_nothing(
    ours: bool, fixed: bool, book: RunLifecycle, records: RunRecords, throughput: ThroughputStore
) -> None:
    closed_run(book, records, seconds=100, images=1000, ours=ours, fixed=fixed)
    assert not throughput.read().is_learnt


def test_a_repeated_close_learns_once(book: RunLifecycle, records: RunRecords, throughput: ThroughputStore) -> None:
    closed_run(book, records, seconds=100, images=1000)
    book.close("run-1000-100", Outcome.COMPLETED, None)
    assert throughput.read() == Throughput(5, runs=1)


def test_what_is_learnt_is_within_what_the_input_allows() -> None:
    assert measured(50, 10_000_000, 5) == 0.05
    assert measured(1_000_000, 20, 1) == 1000


def test_a_model_that_ran_on_after_its_receipt_is_counted_late_and_once(
    book: RunLifecycle,
    records: RunRecords,
    receipts: Receipts,
    items: Items,
    s3: Any,  # noqa: ANN401
) -> None:
    late = {"code": "X", "message": "y"}
    error = {"code": "ModelStopTimedOut", "message": "still RUNNING"}
    day = DailyModelUsage(items)
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.record_model_running("run-1", inference_units=1, ours=True)
        # Accepted, and the model falls back to RUNNING.
        records.record_model_stop_accepted("run-1")
        clock.shift(timedelta(minutes=10))
        records.record_model_running("run-1", inference_units=1, ours=True)
        clock.shift(timedelta(minutes=20))
        as_closed = book.close("run-1", Outcome.STOP_NOT_CONFIRMED, error)
        assert (as_closed["model"]["running_seconds"], day.used_seconds("2026-01-01")) == (30 * 60, 30 * 60)
        clock.shift(timedelta(minutes=20))
        receipts.write_for_dead_run("run-1", Outcome.STOP_NOT_CONFIRMED, late)
        assert day.used_seconds("2026-01-01") == 50 * 60
        clock.shift(timedelta(minutes=5))
        records.record_model_stop_accepted("run-1")
        clock.shift(timedelta(minutes=5))
        for _ in range(2):
            receipts.write_for_dead_run("run-1", Outcome.ABORTED, late)
    assert day.used_seconds("2026-01-01") == 55 * 60
    stored = stored_receipt(s3, "run-1")
    assert stored["model"]["running_seconds"] == 55 * 60
    unchanged = ("outcome", "error", "started_at", "finished_at")
    assert {name: stored[name] for name in unchanged} == {name: as_closed[name] for name in unchanged}


def test_a_stop_that_a_look_sees_ends_the_time_of_a_model_that_had_fallen_back(records: RunRecords) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        records.record_model_stop_accepted("run-1")
        clock.shift(60)
        records.record_model_time_over("run-1")
        assert records.read("run-1").model_stop_accepted_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
        records.record_model_running("run-1", inference_units=1, ours=True)
        clock.shift(60)
        records.record_model_time_over("run-1")
        assert records.read("run-1").model_stop_accepted_at == datetime(2026, 1, 1, 12, 2, tzinfo=UTC)


def test_a_throughput_that_cannot_be_written_costs_no_receipt(
    book: RunLifecycle,
    records: RunRecords,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ThroughputStore, "learn", refuse)
    closed_run(book, records, seconds=100, images=1000)
    assert stored_receipt(s3, "run-1000-100")["outcome"] == "completed"


def test_the_model_time_of_a_day_is_counted_once(book: RunLifecycle, records: RunRecords, items: Items) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 23, 50, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.record_model_running("run-1", inference_units=1, ours=True)
        clock.shift(timedelta(minutes=30))
        records.record_model_stop_accepted("run-1")
        record = records.read("run-1")
        for _ in range(2):
            book.close("run-1", Outcome.COMPLETED, None)
        # A second attempt that read the record before the first one closed the run.
        records.close("run-1", Outcome.COMPLETED, record, None, datetime.now(UTC))
    hours = DailyModelUsage(items)
    assert (hours.used_seconds("2026-01-01"), hours.used_seconds("2026-01-02")) == (600.0, 1200.0)


def test_a_model_that_someone_else_runs_is_on_no_day(book: RunLifecycle, records: RunRecords, items: Items) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.record_model_running("run-1", inference_units=1, ours=False)
        clock.shift(timedelta(minutes=30))
        book.close("run-1", Outcome.COMPLETED, None)
    assert DailyModelUsage(items).used_seconds("2026-01-01") == 0.0


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ({"Error": "NoProgress", "Cause": '{"errorMessage": "stuck", "stackTrace": ["x"]}'}, "stuck"),
        ({"Error": "NoProgress", "Cause": "plain"}, "plain"),
        ({"Error": "NoProgress", "Cause": "[1]"}, "[1]"),
        ({"Error": "NoProgress", "Cause": ""}, "no further information"),
        ({"Error": "NoProgress"}, "no further information"),
    ],
)
def test_an_error_is_readable_whatever_the_workflow_caught(failure: dict[str, str], message: str) -> None:
    assert readable_error(failure) == {"code": "NoProgress", "message": message}


def test_an_answer_of_aws_is_told_with_its_reason_first_and_its_operation() -> None:
    cause = {
        "errorMessage": "An error occurred (AccessDeniedException) when calling the UpdateItem operation (reached max "
        "retries: 2): User: x is not authorized",
        "errorType": "ClientError",
    }
    assert readable_error({"Error": "ClientError", "Cause": json.dumps(cause)}) == {
        "code": "AccessDeniedException",
        "message": "AccessDeniedException: User: x is not authorized (UpdateItem)",
    }


def test_a_stack_trace_that_step_functions_cut_off_costs_nothing_of_the_message() -> None:
    cause = json.dumps({"errorMessage": 'the "model" is\nstuck', "errorType": "NoProgress", "stackTrace": ["x" * 900]})
    assert readable_error({"Error": "NoProgress", "Cause": cause[:300]}) == {
        "code": "NoProgress",
        "message": 'the "model" is\nstuck',
    }


def test_no_failure_is_no_error() -> None:
    assert readable_error(None) is None


def test_a_failure_after_another_is_the_error_and_its_message_tells_of_both() -> None:
    before = {"Error": "NoProgress", "Cause": '{"errorMessage": "stuck"}', "Before": None}
    assert readable_error({"Error": "ModelStopTimedOut", "Cause": "stop it by hand.", "Before": before}) == {
        "code": "ModelStopTimedOut",
        "message": "stop it by hand. Before that, the run failed with NoProgress: stuck",
    }


def metrics_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    written: list[tuple[str, float]] = []
    monkeypatch.setattr(receipts_module.metrics, "add_metric", lambda name, value, **_: written.append((name, value)))
    return written


def refuse(*_: object) -> None:
    raise aws_error("ThrottlingException")


def test_a_run_that_did_nothing_sends_no_metric_and_one_that_may_cost_something_does(
    book: RunLifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudWatch charges for each hour in which a metric has a value."""
    written = metrics_of(monkeypatch)
    book.open("run-1")
    book.close("run-1", Outcome.NOTHING_TO_DO, None)
    assert written == []
    book.open("run-2")
    book.close("run-2", Outcome.STOP_NOT_CONFIRMED, None)
    assert written == [("ModelStopNotConfirmed", 1)]


def test_a_closing_that_is_repeated_because_the_lease_could_not_be_released_counts_the_model_time_once(
    book: RunLifecycle, records: RunRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = metrics_of(monkeypatch)
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.record_model_running("run-1", inference_units=2, ours=True)
        clock.shift(timedelta(minutes=1))
        with monkeypatch.context() as patch:
            patch.setattr(Lease, "release", refuse)
            with pytest.raises(ClientError):
                book.close("run-1", Outcome.COMPLETED, None)
        book.close("run-1", Outcome.COMPLETED, None)
    assert written == [("ModelRunningSeconds", 60), ("ModelUnitSeconds", 120)]


@pytest.mark.parametrize(
    ("accepted", "seen", "stopped", "ended"),
    [
        (None, 0, None, 99),
        (None, 0, 50, 50),  # someone else stopped it
        (10, 0, None, 10),
        (10, 0, 20, 10),
        (10, 15, None, 99),  # it fell back
        (10, 15, 20, 15),  # its description lagged
    ],
)
def test_the_model_time_ends_with_the_last_accepted_stop(
    accepted: int | None, seen: int, stopped: int | None, ended: int
) -> None:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else START + timedelta(seconds=seconds)

    record = RunRecord(
        model_stop_accepted_at=at(accepted), model_seen_running_at=at(seen), model_stopped_at=at(stopped)
    )
    assert record.model_time_end(START + timedelta(seconds=99)) == START + timedelta(seconds=ended)
