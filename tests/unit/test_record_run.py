"""Every run leaves a receipt that adds up."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from record_run.run_book import Busy, RunBook
from shared import receipts as receipts_module
from shared.failures import readable_error
from shared.lease import Lease
from shared.model_hours import ModelHours
from shared.receipts import ModelTime, Outcome, Receipts, model_time, phases
from shared.run_record import BatchCounts, RunRecord, RunRecords
from shared.throughput import Throughput, ThroughputBook, measured
from tests.unit.conftest import FINAL, MODEL_ARN, TABLE, Clock, aws_error

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def throughput(dynamodb: Any) -> ThroughputBook:  # noqa: ANN401
    return ThroughputBook(dynamodb, TABLE, MODEL_ARN, estimate=3)


@pytest.fixture
def book(lease: Lease, records: RunRecords, receipts: Receipts, throughput: ThroughputBook) -> RunBook:
    return RunBook(lease, records, receipts, throughput)


def stored_receipt(s3: Any, run_id: str) -> dict[str, Any]:  # noqa: ANN401
    return json.loads(s3.get_object(Bucket=FINAL, Key=f"runs/{run_id}.json")["Body"].read())


def test_a_first_run_opens_with_nothing_to_clean_up(book: RunBook) -> None:
    assert book.open("run-1") == {"acquired": True, "other_run": None, "clean_up": False}


def test_a_second_run_is_told_who_is_active(book: RunBook) -> None:
    book.open("run-1")
    assert book.open("run-2") == {"acquired": False, "other_run": "run-1", "clean_up": False}


def test_a_run_after_a_dead_one_cleans_up(book: RunBook, lease: Lease, clock: Clock) -> None:
    book.open("run-1")
    lease.note_model_started("run-1")
    clock.now += 901
    assert book.open("run-2") == {"acquired": True, "other_run": "run-1", "clean_up": True}


def test_a_run_after_a_dead_one_writes_its_receipt_and_ends_its_model_time(
    book: RunBook,
    lease: Lease,
    records: RunRecords,
    clock: Clock,
    s3: Any,  # noqa: ANN401
) -> None:
    book.open("run-1")
    lease.note_model_started("run-1")
    records.note_model_running("run-1", inference_units=1, ours=True)
    clock.now += 901
    book.open("run-2")
    receipt = stored_receipt(s3, "run-1")
    assert (receipt["outcome"], receipt["error"]["code"]) == ("aborted", "RunSilent")
    assert "run run-2 took over" in receipt["error"]["message"]
    assert records.read("run-1").model_stop_accepted_at is not None


def test_a_receipt_is_not_written_for_a_run_that_wrote_its_own(
    book: RunBook,
    lease: Lease,
    clock: Clock,
    s3: Any,  # noqa: ANN401
) -> None:
    book.open("run-1")
    book.close("run-1", Outcome.COMPLETED, None)
    lease.acquire("run-1")
    clock.now += 901
    book.open("run-2")
    assert stored_receipt(s3, "run-1")["outcome"] == "completed"


def test_a_repeated_opening_still_knows_what_there_is_to_clean_up(book: RunBook, lease: Lease, clock: Clock) -> None:
    book.open("run-1")
    lease.note_model_started("run-1")
    clock.now += 901
    book.open("run-2")
    assert book.open("run-2")["clean_up"]


def test_a_run_after_an_unconfirmed_stop_cleans_up(book: RunBook, lease: Lease) -> None:
    book.open("run-1")
    lease.note_model_started("run-1")
    book.close("run-1", Outcome.STOP_NOT_CONFIRMED, None)
    assert book.open("run-2") == {"acquired": True, "other_run": None, "clean_up": True}


def test_a_receipt_is_written_below_the_final_prefix(records: RunRecords, s3: Any) -> None:  # noqa: ANN401
    records.open("run-1")
    Receipts(records, s3, FINAL, MODEL_ARN, 4, "logos/").write("run-1", Outcome.NOTHING_TO_DO, None)
    assert [content["Key"] for content in s3.list_objects_v2(Bucket=FINAL)["Contents"]] == ["logos/runs/run-1.json"]


def test_the_receipt_has_the_promised_fields(book: RunBook, records: RunRecords, s3: Any) -> None:  # noqa: ANN401
    book.open("run-1")
    records.note_model_running("run-1", inference_units=2, ours=True)
    records.note_start_asked("run-1", backlog=9, sizing_reason="nine images")
    records.note_reason("run-1", "the day is over")
    first, last = START, START + timedelta(seconds=40)
    counts = BatchCounts(processed=3, failed=1, refused=7, refusal="because", throttled=2)
    records.add_batch("run-1", replace(counts, first_detection_at=first, last_detection_at=last))
    counts = BatchCounts(processed=2, nothing_left=4, set_aside=1, throttled=3)
    later = timedelta(seconds=20)
    records.add_batch("run-1", replace(counts, first_detection_at=first + later, last_detection_at=last + later))
    records.note_model_stop_accepted("run-1")
    returned = book.close("run-1", Outcome.COMPLETED, None)
    receipt = stored_receipt(s3, "run-1")
    assert receipt == returned
    assert list(receipt) == [
        "schema",
        "run_id",
        "outcome",
        "started_at",
        "finished_at",
        "images",
        "images_set_aside",
        "model",
        "phases",
        "calls_throttled",
        "sizing",
        "reason",
        "error",
    ]
    assert (receipt["schema"], receipt["run_id"], receipt["outcome"]) == ("1", "run-1", "completed")
    assert receipt["images"] == {"processed": 5, "failed": 1}
    assert receipt["images_set_aside"] == 1
    assert receipt["calls_throttled"] == 5
    assert receipt["sizing"] == {"backlog": 9, "reason": "nine images"}
    assert receipt["reason"] == "the day is over"
    assert receipt["phases"]["labelling_seconds"] == 60.0
    record = records.read("run-1")
    assert (record.images_done, record.refused, record.refusal) == (11, 7, "because")
    assert receipt["model"]["project_version_arn"] == MODEL_ARN
    assert receipt["model"]["inference_units"] == 2
    assert receipt["error"] is None
    assert datetime.fromisoformat(receipt["started_at"]) <= datetime.fromisoformat(receipt["finished_at"])


def test_a_closed_run_gives_the_lease_back(book: RunBook) -> None:
    book.open("run-1")
    book.close("run-1", Outcome.NOTHING_TO_DO, None)
    assert book.open("run-2")["acquired"]


def test_a_run_that_never_had_the_lease_leaves_a_receipt_and_the_lease(book: RunBook, s3: Any) -> None:  # noqa: ANN401
    book.open("run-1")
    book.open("run-2")
    book.close("run-2", Outcome.ANOTHER_RUN_ACTIVE, None)
    assert stored_receipt(s3, "run-2")["outcome"] == "another_run_active"
    assert not book.open("run-3")["acquired"]


def test_model_time_is_from_running_to_the_accepted_stop() -> None:
    record = RunRecord(
        model_running_at=START,
        model_stop_accepted_at=START + timedelta(minutes=30),
        inference_units=3,
        model_is_ours=True,
    )
    assert model_time(record, finished_at=START + timedelta(hours=9), unit_hour_usd=4) == ModelTime(
        inference_units=3, running_seconds=1800.0, cost_usd=6.0, unit_seconds=5400.0, idle_share=1.0
    )


def test_the_account_of_a_run_adds_up() -> None:
    """Ten minutes to start, 5 s to the first image, 80 s of labelling, 65 s to the stop, two minutes to STOPPED."""
    instants = [START + timedelta(seconds=seconds) for seconds in (0, 600, 605, 685, 750, 870)]
    names = ("start_asked_at", "model_running_at", "first_detection_at", "last_detection_at")
    names += ("model_stop_accepted_at", "model_stopped_at")
    record = RunRecord(
        **dict(zip(names, instants, strict=True)), inference_units=2, model_is_ours=True, processed=780, failed=20
    )
    assert phases(record) == {
        "starting_seconds": 600.0,
        "to_first_image_seconds": 5.0,
        "labelling_seconds": 80.0,
        "to_stop_seconds": 65.0,
        "stopping_seconds": 120.0,
    }
    model = model_time(record, finished_at=instants[-1], unit_hour_usd=4.5)
    assert (model.running_seconds, model.unit_seconds) == (150.0, 300.0)
    assert (model.cost_usd, model.usd_per_1000_images) == (0.375, 0.4688)
    assert model.idle_share == round(70 / 150, 4)


def test_a_phase_that_was_not_seen_is_no_number() -> None:
    assert set(phases(RunRecord(model_running_at=START)).values()) == {None}


def closed_run(
    book: RunBook, records: RunRecords, busy: Busy, *, throttled: int = 1, ours: bool = True, fixed: bool = True
) -> None:
    """A run with two units."""
    run_id = f"run-{busy.images}-{busy.seconds}"
    book.open(run_id)
    records.note_model_running(run_id, inference_units=2, ours=ours, fixed=fixed)
    records.add_batch(run_id, BatchCounts(throttled=throttled))
    book.close(run_id, Outcome.COMPLETED, None, busy)


def test_the_runs_show_how_fast_the_model_is(book: RunBook, records: RunRecords, throughput: ThroughputBook) -> None:
    assert throughput.read() == Throughput(3, runs=0)
    closed_run(book, records, Busy(seconds=100, images=1000))
    assert throughput.read() == Throughput(5, runs=1)
    closed_run(book, records, Busy(seconds=100, images=800))
    assert throughput.read() == Throughput(4.5, runs=2)


@pytest.mark.parametrize("busy", [Busy(seconds=19, images=1000), Busy(seconds=1000, images=49), Busy(0, 0)])
def test_a_run_too_short_to_tell_shows_nothing(
    busy: Busy, book: RunBook, records: RunRecords, throughput: ThroughputBook
) -> None:
    closed_run(book, records, busy)
    assert not throughput.read().is_learnt


def test_a_run_that_was_never_refused_shows_no_slower_model(
    book: RunBook, records: RunRecords, throughput: ThroughputBook
) -> None:
    closed_run(book, records, Busy(seconds=100, images=400), throttled=0)
    assert not throughput.read().is_learnt
    closed_run(book, records, Busy(seconds=100, images=700), throttled=0)
    assert throughput.read() == Throughput(3.5, runs=1)


@pytest.mark.parametrize(("ours", "fixed"), [(True, False), (False, True)])
def test_a_model_that_may_scale_or_is_someone_elses_shows_nothing(
    ours: bool, fixed: bool, book: RunBook, records: RunRecords, throughput: ThroughputBook
) -> None:
    closed_run(book, records, Busy(100, 1000), ours=ours, fixed=fixed)
    assert not throughput.read().is_learnt


def test_a_repeated_close_learns_once(book: RunBook, records: RunRecords, throughput: ThroughputBook) -> None:
    closed_run(book, records, Busy(100, 1000))
    book.close("run-1000-100", Outcome.COMPLETED, None, Busy(100, 1000))
    assert throughput.read() == Throughput(5, runs=1)


def test_what_is_learnt_is_within_what_the_input_allows() -> None:
    assert measured(50, 10_000_000, 5) == 0.05
    assert measured(1_000_000, 20, 1) == 1000


def test_a_model_that_ran_on_after_its_receipt_is_counted_late_and_once(
    book: RunBook,
    records: RunRecords,
    receipts: Receipts,
    dynamodb: Any,  # noqa: ANN401
) -> None:
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.note_model_running("run-1", inference_units=1, ours=True)
        clock.shift(timedelta(minutes=30))
        book.close("run-1", Outcome.STOP_NOT_CONFIRMED, None)
        clock.shift(timedelta(minutes=20))
        records.note_model_stop_accepted("run-1")
        for _ in range(2):
            receipts.write_for_dead_run("run-1", Outcome.ABORTED, {"code": "X", "message": "y"})
    assert ModelHours(dynamodb, TABLE, MODEL_ARN).used_seconds("2026-01-01") == 50 * 60


def test_a_throughput_that_cannot_be_written_costs_no_receipt(
    book: RunBook,
    records: RunRecords,
    s3: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise aws_error("ThrottlingException")

    monkeypatch.setattr(ThroughputBook, "learn", refuse)
    closed_run(book, records, Busy(seconds=100, images=1000))
    assert stored_receipt(s3, "run-1000-100")["outcome"] == "completed"


def test_the_model_time_of_a_day_is_counted_once(book: RunBook, records: RunRecords, dynamodb: Any) -> None:  # noqa: ANN401
    with time_machine.travel(datetime(2026, 1, 1, 23, 50, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.note_model_running("run-1", inference_units=1, ours=True)
        clock.shift(timedelta(minutes=30))
        records.note_model_stop_accepted("run-1")
        record = records.read("run-1")
        for _ in range(2):
            book.close("run-1", Outcome.COMPLETED, None)
        # A second attempt that read the record before the first one closed the run.
        records.close("run-1", "completed", record)
    hours = ModelHours(dynamodb, TABLE, MODEL_ARN)
    assert (hours.used_seconds("2026-01-01"), hours.used_seconds("2026-01-02")) == (600.0, 1200.0)


def test_a_model_that_someone_else_runs_is_on_no_day(book: RunBook, records: RunRecords, dynamodb: Any) -> None:  # noqa: ANN401
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        book.open("run-1")
        records.note_model_running("run-1", inference_units=1, ours=False)
        clock.shift(timedelta(minutes=30))
        book.close("run-1", Outcome.COMPLETED, None)
    assert ModelHours(dynamodb, TABLE, MODEL_ARN).used_seconds("2026-01-01") == 0.0


def test_a_model_whose_stop_was_not_accepted_counts_until_the_end() -> None:
    record = RunRecord(model_running_at=START, inference_units=1, model_is_ours=True)
    assert model_time(record, finished_at=START + timedelta(hours=1), unit_hour_usd=4).cost_usd == 4.0


def test_a_model_that_someone_else_pays_for_has_no_cost() -> None:
    record = RunRecord(model_running_at=START, inference_units=1, model_is_ours=False)
    assert model_time(record, finished_at=START, unit_hour_usd=4) == ModelTime(1, None, None)


def test_a_run_without_a_model_cost_nothing() -> None:
    assert model_time(RunRecord(), finished_at=START, unit_hour_usd=4) == ModelTime(None, 0.0, 0.0, unit_seconds=0.0)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ({"code": "NoProgress", "message": '{"errorMessage": "stuck", "stackTrace": ["x"]}'}, "stuck"),
        ({"code": "NoProgress", "message": "plain"}, "plain"),
        ({"code": "NoProgress", "message": "[1]"}, "[1]"),
        ({"code": "NoProgress", "message": ""}, "no further information"),
        ({"code": "NoProgress"}, "no further information"),
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
    assert readable_error({"code": "ClientError", "message": json.dumps(cause)}) == {
        "code": "AccessDeniedException",
        "message": "AccessDeniedException: User: x is not authorized (UpdateItem)",
    }


def test_a_stack_trace_that_step_functions_cut_off_costs_nothing_of_the_message() -> None:
    cause = json.dumps({"errorMessage": 'the "model" is\nstuck', "errorType": "NoProgress", "stackTrace": ["x" * 900]})
    assert readable_error({"code": "NoProgress", "message": cause[:300]}) == {
        "code": "NoProgress",
        "message": 'the "model" is\nstuck',
    }


def test_no_failure_is_no_error() -> None:
    assert readable_error(None) is None


@pytest.mark.parametrize(("outcome", "value"), [(Outcome.COMPLETED, 0), (Outcome.STOP_NOT_CONFIRMED, 1)])
def test_a_stop_that_was_not_confirmed_is_in_the_metric_of_its_alarm(
    book: RunBook, outcome: Outcome, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, float] = {}
    monkeypatch.setattr(receipts_module.metrics, "add_metric", lambda name, value, **_: written.update({name: value}))
    book.open("run-1")
    book.close("run-1", outcome, None)
    assert written["ModelStopNotConfirmed"] == value
