"""`clb cost` adds up the receipts by day, and says what the month may come to and what would be cheaper."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.unit.conftest import FINAL
from tests.unit.desk.conftest import Account
from tools.desk import __main__ as desk
from tools.desk.cost import Day, advise, arrivals_of, by_day, forecast

BEGIN = datetime(2026, 1, 10, tzinfo=UTC)


def run(at: datetime, images: int = 0, usd: float | None = 0.0, outcome: str = "completed") -> dict[str, Any]:
    def text(instant: datetime) -> str:
        return instant.isoformat().replace("+00:00", "Z")

    return {
        "run_id": f"run-{at:%d-%H-%M}",
        "outcome": outcome,
        "started_at": text(at),
        "finished_at": text(at + timedelta(minutes=20)),
        "images": {"processed": images, "failed": 0, "dead_lettered": 0},
        "model": {"running_seconds": 900.0 if usd else 0.0, "cost_usd": usd},
        "error": None,
    }


def test_a_run_counts_for_the_day_on_which_it_ended() -> None:
    receipts = [run(BEGIN + timedelta(hours=23, minutes=50), 5, 1.0), run(BEGIN + timedelta(hours=3), 2, None)]
    assert by_day(receipts, BEGIN.date(), BEGIN.date() + timedelta(days=1)) == [
        Day("2026-01-10", runs=1, images=2, model_seconds=0.0, usd=0.0),
        Day("2026-01-11", runs=1, images=5, model_seconds=900.0, usd=1.0),
    ]


def test_the_month_is_forecast_from_the_last_full_days() -> None:
    def days(*usd: float) -> list[Day]:
        first = date(2026, 1, 20) - timedelta(days=len(usd) - 1)
        return [Day((first + timedelta(days=at)).isoformat(), 1, 1, 1.0, each) for at, each in enumerate(usd)]

    # Eleven days follow the 20th, and today has spent 1 of the 2 that a day costs.
    assert forecast(days(9.0, *[2.0] * 7, 1.0), 24.0, date(2026, 1, 20)) == 24 + 1 + 11 * 2
    assert forecast(days(2.0, 5.0), 7.0, date(2026, 1, 20)) == 7 + 11 * 2
    assert forecast(days(3.0), 3.0, date(2026, 1, 20)) == 3 + 11 * 3
    assert forecast([Day("2026-01-31", usd=1.0)], 3.0, date(2026, 1, 31)) == 3


def test_images_came_between_the_run_before_and_their_own() -> None:
    receipts = [run(BEGIN, 0, outcome="nothing_to_do"), run(BEGIN + timedelta(hours=1), 2)]
    assert list(arrivals_of(receipts)) == [BEGIN.timestamp() + 900, BEGIN.timestamp() + 2700]


def test_hourly_starts_for_a_few_images_would_be_cheaper_in_company() -> None:
    receipts = [run(BEGIN + timedelta(hours=hour), 20, 0.12) for hour in range(72)]
    found = advise(receipts, 4.0, 4.0)
    assert found is not None
    assert found.saved_usd > 4
    assert found.usd == pytest.approx(72 * 0.12 - found.saved_usd, abs=0.011)
    assert advise(receipts[:4], 4.0, 4.0) is None


def test_the_days_are_shown_and_sent_as_json(account: Account, s3: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401, ARG001
    now = datetime.now(UTC)
    for receipt in (run(now - timedelta(minutes=30), 40, 0.5), {"no": "receipt"}):
        s3.put_object(Bucket=FINAL, Key=f"runs/{len(receipt)}.json", Body=json.dumps(receipt))
    assert desk.command(["cost", "--name", "labels", "--days", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"name", "days", "month", "advice"}
    assert sum(day["usd"] for day in found["days"]) == 0.5
    assert found["days"][0].keys() == {"day", "runs", "images", "model_seconds", "usd"}
    assert found["month"].keys() == {"so_far_usd", "forecast_usd"}
    assert found["advice"] is None
    assert desk.command(["cost", "--name", "labels", "--days", "2"]) == 0
    printed = capsys.readouterr().out
    assert "This month so far: US$" in printed
    assert "Too few images since" in printed
