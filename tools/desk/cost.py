"""`clb cost`: what the model cost by day, this month so far, what the month may come to, and what would be cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.clients import client
from shared.timestamps import parse_rfc3339
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.runs import receipt_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READS_AT_ONCE = 16
# The forecast goes by the last days that are over.
FORECAST_DAYS = 7
# The promise that a cheaper plan has to keep.
WITHIN_HOURS = 4.0
# Fewer say nothing about a habit.
IMAGES_ENOUGH = 100
Days = Annotated[int, typer.Option("--days", min=1, max=90, help="Days to show, with today.")]
Within = Annotated[
    float,
    typer.Option("--within", min=0.5, max=168, help="Hours in which each image must be labelled, for the advice."),
]


@dataclass(frozen=True)
class Day:
    """A UTC day: its runs, what they labelled, and what their model cost."""

    day: str
    runs: int = 0
    images: int = 0
    model_seconds: float = 0.0
    usd: float = 0.0


@dataclass(frozen=True)
class Advice:
    """The planner's cheapest settings for the same images, and what they would have cost instead."""

    schedule_expression: str
    min_backlog: int
    max_wait_minutes: float
    max_inference_units: int
    usd: float
    saved_usd: float


def receipts_since(s3: S3Client, deployment: Deployment, begin: datetime) -> list[dict[str, Any]]:
    """Return the readable receipts that were written since then, the oldest first. Errors: botocore's."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=deployment.final_bucket, Prefix=f"{deployment.final_prefix}runs/"
    )
    names = [entry["Key"] for page in pages for entry in page.get("Contents", []) if entry["LastModified"] >= begin]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        found = pool.map(lambda name: receipt_of(s3, deployment.final_bucket, name), names)
        readable = [receipt for receipt in found if "unreadable" not in receipt]
    return sorted(readable, key=lambda receipt: str(receipt["finished_at"]))


def by_day(receipts: list[dict[str, Any]], first: date, last: date) -> list[Day]:
    """Return every day from the first to the last; a run counts for the day on which it ended."""
    days = {first + timedelta(days=number): Day("") for number in range((last - first).days + 1)}
    for receipt in receipts:
        day = parse_rfc3339(receipt["finished_at"]).astimezone(UTC).date()
        if day in days:
            before, model, images = days[day], receipt["model"], receipt["images"]
            days[day] = Day(
                "",
                runs=before.runs + 1,
                images=before.images + images["processed"] + images["failed"],
                model_seconds=before.model_seconds + (model["running_seconds"] or 0.0),
                usd=before.usd + (model["cost_usd"] or 0.0),
            )
    return [
        Day(day.isoformat(), one.runs, one.images, round(one.model_seconds, 1), round(one.usd, 4))
        for day, one in days.items()
    ]


def forecast(days: list[Day], month_so_far: float, today: date) -> float:
    """Return what the month comes to if its other days cost what the last full days cost on average."""
    known = [day for day in days if day.day < today.isoformat()][-FORECAST_DAYS:]
    # Days before the first run are no habit.
    while known and known[0].runs == 0:
        known = known[1:]
    spent_today = next((day.usd for day in days if day.day == today.isoformat()), 0.0)
    mean = sum(day.usd for day in known) / len(known) if known else spent_today
    next_month = (today.replace(day=28) + timedelta(days=4)).replace(day=1)
    days_left = (next_month - today).days - 1
    return round(month_so_far + max(0.0, mean - spent_today) + mean * days_left, 2)


def arrivals_of(receipts: list[dict[str, Any]]) -> Iterator[float]:
    """Yield when images came, in epoch seconds: those of a run evenly between the run before and its own start."""
    before: float | None = None
    for receipt in sorted(receipts, key=lambda one: str(one["started_at"])):
        start = parse_rfc3339(receipt["started_at"]).timestamp()
        count = receipt["images"]["processed"] + receipt["images"]["failed"]
        since = start - 3600 if before is None else min(before, start)
        for number in range(count):
            yield since + (start - since) * (number + 0.5) / count
        if count or receipt["outcome"] == "nothing_to_do":
            before = start


def advise(receipts: list[dict[str, Any]], unit_hour_usd: float, within_hours: float) -> Advice | None:
    """Return the cheapest settings that would have labelled the same images in time; None: too few to tell."""
    # They bring numpy, which takes a while.
    import numpy as np

    from tools.plan_cost import plan, settings
    from tools.plan_cost.arrivals import Arrivals
    from tools.plan_cost.durations import HOUR
    from tools.plan_cost.model import Model

    instants = np.array(sorted(arrivals_of(receipts)))
    if len(instants) < IMAGES_ENOUGH:
        return None
    within = within_hours * HOUR
    model = Model()
    seconds = max(float(instants[-1] - instants[0]), HOUR)
    arrivals = Arrivals(instants, seconds, None, 1.0, "what the runs labelled")
    schedules, gates = settings.suited_to(within, model)
    taken, _ = settings.combined(
        settings.read_schedules(settings.DEFAULT_SCHEDULES) + schedules,
        settings.read_units(settings.DEFAULT_UNITS, min(60, max(1, within / 4 // 60))),
        settings.read_gates(settings.DEFAULT_GATES) + gates,
        None,
    )
    row, keeps = plan.recommended(plan.rows(taken, arrivals, model, unit_hour_usd), within, model)
    if not keeps:
        return None
    spent = sum(receipt["model"]["cost_usd"] or 0.0 for receipt in receipts)
    return Advice(
        schedule_expression=row.settings.schedule,
        min_backlog=row.settings.gate.min_backlog,
        max_wait_minutes=row.settings.gate.max_wait_seconds / 60,
        max_inference_units=row.settings.limits.max_units,
        usd=round(row.outcome.usd, 2),
        saved_usd=round(max(0.0, spent - row.outcome.usd), 2),
    )


def cost(
    name: Name = None, outputs: Outputs = None, days: Days = 14, within: Within = WITHIN_HOURS, as_json: AsJson = False
) -> None:
    """Show what the model cost by day and this month, what the month may come to, and what would be cheaper."""
    deployment = chosen(name, outputs)
    today = datetime.now(UTC).date()
    first = min(today - timedelta(days=days - 1), today.replace(day=1), today - timedelta(days=FORECAST_DAYS))
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    receipts = receipts_since(client("s3", connections=READS_AT_ONCE), deployment, begin)
    every = by_day(receipts, first, today)
    so_far = round(sum(day.usd for day in every if day.day >= today.replace(day=1).isoformat()), 4)
    expected = forecast(every, so_far, today)
    advice = advise(receipts, deployment.unit_hour_usd, within)
    shown = every[-days:]
    if as_json:
        output.document(
            {
                "name": deployment.name,
                "days": [asdict(day) for day in shown],
                "month": {"so_far_usd": so_far, "forecast_usd": expected},
                "advice": None if advice is None else {"since": first.isoformat(), **asdict(advice)},
            }
        )
        return
    rows = [
        [day.day, f"{day.runs:,}", f"{day.images:,}", output.duration(day.model_seconds), f"US${day.usd:,.2f}"]
        for day in shown
    ]
    output.table(["day (UTC)", "runs", "images", "model", "cost"], rows, numbers=(1, 2, 3, 4))
    output.sentence("")
    output.sentence(f"This month so far: US${so_far:,.2f}. At the pace of the last days: US${expected:,.2f}.")
    output.sentence(_told(advice, first, within))


def _told(advice: Advice | None, first: date, within: float) -> str:
    if advice is None:
        return f"Too few images since {first} to compare settings; `make plan-cost` plans for more."
    if not advice.saved_usd:
        return f"No settings of the planner would have been cheaper since {first}, with each image within {within:g} h."
    return (
        f"Since {first}, {advice.schedule_expression} with min_backlog {advice.min_backlog} and max_wait_minutes "
        f"{advice.max_wait_minutes:g} would have cost US${advice.usd:,.2f}, which is US${advice.saved_usd:,.2f} less, "
        f"with each image within {within:g} h."
    )
