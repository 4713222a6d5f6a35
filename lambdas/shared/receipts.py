"""The receipt of a run: what it labelled, what failed, how long its model ran, and what that cost (I7)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.events import RUN_FINISHED, EventBus
from shared.outcome import Outcome
from shared.run_record import RunRecord, RunRecords
from shared.telemetry import MetricUnit, logger, metrics
from shared.timestamps import format_rfc3339, now

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ModelTime:
    """Time in which the run's model was RUNNING, and its cost. None for a model that someone else runs and pays for.

    `idle_share` is the part of that time before the first call of the model and after its last answer.
    """

    inference_units: int | None
    running_seconds: float | None
    cost_usd: float | None
    unit_seconds: float | None = None
    idle_share: float | None = None
    usd_per_1000_images: float | None = None


class Receipts:
    """Writes the receipts of the runs of one model into the final bucket, and sends each as an event."""

    def __init__(
        self,
        records: RunRecords,
        s3: "S3Client",
        bus: EventBus,
        final_bucket: str,
        model_arn: str,
        unit_hour_usd: float,
        final_prefix: str = "",
    ) -> None:
        self._records = records
        self._s3 = s3
        self._bus = bus
        self._final_bucket = final_bucket
        self._final_prefix = final_prefix
        self._model_arn = model_arn
        self._unit_hour_usd = unit_hour_usd

    def write(self, run_id: str, outcome: Outcome, error: dict[str, str] | None) -> dict[str, Any]:
        """Finish the run's record, write the receipt, send it, and close the record: a crash in between repeats it.

        A run that was closed before had its event.
        """
        finished_at = now()
        record = self._records.finish(run_id, finished_at)
        document, model = self._put(run_id, outcome, error, record, finished_at=finished_at, instant=finished_at)
        if record.outcome is None:
            self._bus.send(RUN_FINISHED, [document])
        self._records.close(run_id, outcome, record, error, finished_at)
        # Once for a run. CloudWatch charges for a metric in each hour that has a value, and most runs of an hourly
        # schedule do nothing.
        if record.outcome is None and model.running_seconds:
            metrics.add_metric(name="ModelRunningSeconds", unit=MetricUnit.Seconds, value=model.running_seconds)
            metrics.add_metric(name="ModelUnitSeconds", unit=MetricUnit.Seconds, value=model.unit_seconds or 0)
        if outcome is Outcome.STOP_NOT_CONFIRMED:
            metrics.add_metric(name="ModelStopNotConfirmed", unit=MetricUnit.Count, value=1)
        logger.info("run closed", receipt=document)
        return document

    def _put(
        self,
        run_id: str,
        outcome: Outcome,
        error: Mapping[str, str] | None,
        record: RunRecord,
        *,
        finished_at: datetime,
        instant: datetime,
    ) -> tuple[dict[str, Any], ModelTime]:
        model = model_time(record, instant=instant, unit_hour_usd=self._unit_hour_usd)
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
        return document, model

    def write_for_dead_run(self, run_id: str, outcome: Outcome, error: dict[str, str]) -> None:
        """Write the receipt that a dead run could not write.

        One that the run wrote itself keeps its outcome, and gets the time for which the model ran on after it. That
        time also counts for the day.
        """
        record = self._records.read(run_id)
        if record.started_at is None:
            return
        if record.finished_at is None or record.outcome is None:
            self.write(run_id, outcome, error)
            return
        counted_until = record.model_counted_at or record.model_running_at
        end = record.model_time_end(now())
        if counted_until is None or end <= counted_until or not record.model_is_ours:
            return
        document, _ = self._put(
            run_id, Outcome(record.outcome), record.run_error, record, finished_at=record.finished_at, instant=end
        )
        # After the receipt, so that a crash in between repeats it.
        self._records.add_late_model_time(run_id, record, end)
        late_seconds = (end - counted_until).total_seconds()
        metrics.add_metric(name="ModelRunningSeconds", unit=MetricUnit.Seconds, value=late_seconds)
        units = record.inference_units or 1
        metrics.add_metric(name="ModelUnitSeconds", unit=MetricUnit.Seconds, value=late_seconds * units)
        logger.info("the model ran on after its run; the receipt tells that now", receipt=document)


def model_time(record: RunRecord, *, instant: datetime, unit_hour_usd: float) -> ModelTime:
    """Return the run's model time, from Rekognition's first report of RUNNING until the stop was accepted.

    A model that may run on counts until `instant`, and goes on costing. Rekognition bills by inference unit and time.
    With autoscaling it may run more units than the minimum, so the cost is a lower bound.
    https://aws.amazon.com/rekognition/pricing/
    """
    if record.model_running_at is None:
        return ModelTime(inference_units=None, running_seconds=0.0, cost_usd=0.0, unit_seconds=0.0)
    if not record.model_is_ours:
        return ModelTime(inference_units=record.inference_units, running_seconds=None, cost_usd=None)
    seconds = round((record.model_time_end(instant) - record.model_running_at).total_seconds(), 3)
    units = record.inference_units or 1
    cost = seconds / 3600 * units * unit_hour_usd
    images = record.processed + record.failed
    labelling = _seconds(record.first_detection_at, record.last_detection_at) or 0.0
    return ModelTime(
        inference_units=units,
        running_seconds=seconds,
        cost_usd=round(cost, 6),
        unit_seconds=round(seconds * units, 3),
        idle_share=round(max(0.0, 1 - labelling / seconds), 4) if seconds > 0 else None,
        usd_per_1000_images=round(cost / images * 1000, 4) if images else None,
    )


def phases(record: RunRecord) -> dict[str, float | None]:
    """Return how long each phase of the model in this run took, in seconds; None for an unobserved phase.

    Rekognition bills from RUNNING until the stop is accepted: the three phases in the middle. AWS does not say
    whether the start and the stop are billed too.
    """
    return {
        "starting_seconds": _seconds(record.start_asked_at, record.model_running_at),
        "to_first_image_seconds": _seconds(record.model_running_at, record.first_detection_at),
        "labelling_seconds": _seconds(record.first_detection_at, record.last_detection_at),
        "to_stop_seconds": _seconds(record.last_detection_at, record.model_stop_accepted_at),
        "stopping_seconds": _seconds(record.model_stop_accepted_at, record.model_stopped_at),
    }


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    # When a failed run stops its model, batches in flight may get their answers after that.
    return None if begin is None or end is None else round(max(0.0, (end - begin).total_seconds()), 3)


def receipt(
    *,
    run_id: str,
    outcome: Outcome,
    record: RunRecord,
    finished_at: datetime,
    project_version_arn: str,
    model: ModelTime,
    error: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the receipt as it is stored under `runs/<run id>.json`."""
    return {
        "schema": "1",
        "run_id": run_id,
        "outcome": outcome.value,
        "started_at": format_rfc3339(record.started_at or finished_at),
        "finished_at": format_rfc3339(finished_at),
        # The dead-lettered ones were neither labelled nor found at fault; the dead-letter queue has each reason.
        "images": {"processed": record.processed, "failed": record.failed, "dead_lettered": record.dead_lettered},
        "model": {
            "project_version_arn": project_version_arn,
            "inference_units": model.inference_units,
            "running_seconds": model.running_seconds,
            "cost_usd": model.cost_usd,
            "unit_seconds": model.unit_seconds,
            "idle_share": model.idle_share,
            "usd_per_1000_images": model.usd_per_1000_images,
        },
        "phases": phases(record),
        "calls_throttled": record.throttled,
        # The reason for the number of units; None when this run asked for no start.
        "sizing": None if record.backlog is None else {"backlog": record.backlog, "reason": record.sizing_reason},
        # Whether the listing of the source bucket proved that no image waited; None where that did not end the run.
        "end": None if record.end_is_proven is None else {"proven": record.end_is_proven, "reason": record.end_reason},
        # Why the run did no more, although nothing failed.
        "reason": record.reason,
        "error": None if error is None else dict(error),
    }
