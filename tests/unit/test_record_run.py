"""Every run leaves a receipt that adds up."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from record_run.run_book import RunBook
from shared import receipts as receipts_module
from shared.failures import readable_error
from shared.lease import Lease
from shared.receipts import ModelTime, Outcome, Receipts, model_time
from shared.run_record import BatchCounts, RunRecord, RunRecords
from tests.unit.conftest import FINAL, MODEL_ARN, Clock

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def book(lease: Lease, records: RunRecords, receipts: Receipts) -> RunBook:
    return RunBook(lease, records, receipts)


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
    records.add_batch("run-1", BatchCounts(processed=3, failed=1, refused=7, refusal="because"))
    records.add_batch("run-1", BatchCounts(processed=2, nothing_left=4, set_aside=1))
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
        "error",
    ]
    assert (receipt["schema"], receipt["run_id"], receipt["outcome"]) == ("1", "run-1", "completed")
    assert receipt["images"] == {"processed": 5, "failed": 1}
    assert receipt["images_set_aside"] == 1
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
    assert model_time(record, finished_at=START + timedelta(hours=9), unit_hour_usd=4) == ModelTime(3, 1800.0, 6.0)


def test_a_model_whose_stop_was_not_accepted_counts_until_the_end() -> None:
    record = RunRecord(model_running_at=START, inference_units=1, model_is_ours=True)
    assert model_time(record, finished_at=START + timedelta(hours=1), unit_hour_usd=4).cost_usd == 4.0


def test_a_model_that_someone_else_pays_for_has_no_cost() -> None:
    record = RunRecord(model_running_at=START, inference_units=1, model_is_ours=False)
    assert model_time(record, finished_at=START, unit_hour_usd=4) == ModelTime(1, None, None)


def test_a_run_without_a_model_cost_nothing() -> None:
    assert model_time(RunRecord(), finished_at=START, unit_hour_usd=4) == ModelTime(None, 0.0, 0.0)


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
