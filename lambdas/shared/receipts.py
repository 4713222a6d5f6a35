"""The receipt of a run: what it labelled, what failed, how long its model ran, and what that cost (I7)."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.instants import now, to_text
from shared.run_record import RunRecord, RunRecords
from shared.telemetry import MetricUnit, logger, metrics


class Outcome(StrEnum):
    """How a run ended, as the receipt names it."""

    COMPLETED = "completed"
    NOTHING_TO_DO = "nothing_to_do"
    ANOTHER_RUN_ACTIVE = "another_run_active"
    LEASE_LOST = "lease_lost"
    TIME_LIMIT_REACHED = "time_limit_reached"
    FAILED = "failed"
    # Its execution ended without its last steps: the watchdog took them.
    ABORTED = "aborted"
    STOP_NOT_CONFIRMED = "stop_not_confirmed"


@dataclass(frozen=True)
class ModelTime:
    """Time in which the run's model was RUNNING, and its price. All None for a model that someone else runs."""

    inference_units: int | None
    running_seconds: float | None
    cost_usd: float | None


class Receipts:
    """Writes the receipts of the runs of one model into the final bucket."""

    def __init__(
        self,
        records: RunRecords,
        s3: Any,  # noqa: ANN401
        final_bucket: str,
        model_arn: str,
        unit_hour_usd: float,
        final_prefix: str = "",
    ) -> None:
        self._records = records
        self._s3 = s3
        self._final_bucket = final_bucket
        self._final_prefix = final_prefix
        self._model_arn = model_arn
        self._unit_hour_usd = unit_hour_usd

    def write(self, run_id: str, outcome: Outcome, error: dict[str, str] | None) -> dict[str, Any]:
        """Write the receipt and close the run's record, in this order, so that a crash in between repeats it."""
        finished_at = now()
        record = self._records.read(run_id)
        model = model_time(record, finished_at=finished_at, unit_hour_usd=self._unit_hour_usd)
        document = receipt(
            run_id=run_id,
            outcome=outcome,
            record=record,
            finished_at=finished_at,
            project_version_arn=self._model_arn,
            model=model,
            error=error,
        )
        self._s3.put_object(
            Bucket=self._final_bucket,
            Key=f"{self._final_prefix}runs/{run_id}.json",
            Body=json.dumps(document, ensure_ascii=False, indent=2).encode(),
            ContentType="application/json",
        )
        self._records.close(run_id, outcome.value)
        metrics.add_metric(name="ModelRunningSeconds", unit=MetricUnit.Seconds, value=model.running_seconds or 0)
        not_confirmed = int(outcome is Outcome.STOP_NOT_CONFIRMED)
        metrics.add_metric(name="ModelStopNotConfirmed", unit=MetricUnit.Count, value=not_confirmed)
        logger.info("run closed", receipt=document)
        return document

    def write_for_dead_run(self, run_id: str, outcome: Outcome, error: dict[str, str]) -> None:
        """Write the receipt of a run that did not live to do it; does nothing when there is one."""
        record = self._records.read(run_id)
        if record.started_at is not None and record.finished_at is None:
            self.write(run_id, outcome, error)


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
        # In the dead-letter queue, each with its reason: neither labelled nor found at fault.
        "images_set_aside": record.set_aside,
        "model": {
            "project_version_arn": project_version_arn,
            "inference_units": model.inference_units,
            "running_seconds": model.running_seconds,
            "cost_usd": model.cost_usd,
        },
        "error": error,
    }
