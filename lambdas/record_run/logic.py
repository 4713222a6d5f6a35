"""What a receipt says, from what is known of a run."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.instants import to_text
from shared.run_record import RunRecord


class Outcome(StrEnum):
    """How a run ended, as the receipt names it."""

    COMPLETED = "completed"
    NOTHING_TO_DO = "nothing_to_do"
    ANOTHER_RUN_ACTIVE = "another_run_active"
    LEASE_LOST = "lease_lost"
    FAILED = "failed"
    STOP_NOT_CONFIRMED = "stop_not_confirmed"


@dataclass(frozen=True)
class ModelTime:
    """Time in which the run's model was RUNNING, and its price. All None for a model that someone else runs."""

    inference_units: int | None
    running_seconds: float | None
    cost_usd: float | None


def readable_error(failure: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the receipt's `error` for a failure as the workflow caught it.

    Step Functions hands on a function's exception as a JSON text with errorMessage and a stack trace; a time-out or a
    fault of the service has plain text or nothing. The stack trace stays in the log.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    if failure is None:
        return None
    cause = failure.get("message") or "no further information"
    try:
        details = json.loads(cause)
    except ValueError:
        details = None
    message = details.get("errorMessage", cause) if isinstance(details, dict) else cause
    return {"code": str(failure.get("code", "Unknown")), "message": str(message)}


def model_time(record: RunRecord, *, finished_at: datetime, unit_hour_usd: float) -> ModelTime:
    """Return the run's model time, from the first sight of RUNNING until the stop was accepted.

    A model whose stop was not accepted counts until `finished_at`, and goes on costing. Rekognition bills by
    inference unit and time; with autoscaling it may run more units than the fewest, so the cost is then the least
    it can be. https://aws.amazon.com/rekognition/pricing/
    """
    if record.model_running_at is None:
        return ModelTime(inference_units=None, running_seconds=0.0, cost_usd=0.0)
    if not record.model_is_ours:
        return ModelTime(inference_units=record.inference_units, running_seconds=None, cost_usd=None)
    end = record.model_stop_accepted_at or finished_at
    seconds = round((end - record.model_running_at).total_seconds(), 3)
    units = record.inference_units or 1
    return ModelTime(
        inference_units=units,
        running_seconds=seconds,
        cost_usd=round(seconds / 3600 * units * unit_hour_usd, 6),
    )


def receipt(
    *,
    run_id: str,
    outcome: Outcome,
    record: RunRecord,
    finished_at: datetime,
    project_version_arn: str,
    model: ModelTime,
    error: dict[str, str] | None,
) -> dict[str, Any]:
    """Return the receipt as it is stored under `runs/<run id>.json`."""
    return {
        "schema": "1",
        "run_id": run_id,
        "outcome": outcome.value,
        "started_at": to_text(record.started_at or finished_at),
        "finished_at": to_text(finished_at),
        "images": {"processed": record.processed, "failed": record.failed},
        "model": {
            "project_version_arn": project_version_arn,
            "inference_units": model.inference_units,
            "running_seconds": model.running_seconds,
            "cost_usd": model.cost_usd,
        },
        "error": error,
    }
