"""Opening and closing a run: the lease, the run's record and the receipt, in an order that survives a crash."""

import json
from typing import Any

from record_run.logic import Outcome, model_time, receipt
from shared.instants import now
from shared.lease import Lease
from shared.run_record import RunRecords
from shared.telemetry import MetricUnit, logger, metrics


class RunBook:
    """Opens and closes runs."""

    def __init__(self, lease: Lease, records: RunRecords, s3: Any, final_bucket: str, model_arn: str) -> None:  # noqa: ANN401
        self._lease = lease
        self._records = records
        self._s3 = s3
        self._final_bucket = final_bucket
        self._model_arn = model_arn

    def open(self, run_id: str) -> dict[str, Any]:
        """Take the lease. `clean_up` says that a run started the model and was not there to see it stopped."""
        self._records.open(run_id)
        acquisition = self._lease.acquire(run_id)
        clean_up = acquisition.model_started_by is not None
        if not acquisition.acquired:
            logger.info("another run holds the lease on the model; this run ends", other_run=acquisition.other_run)
        elif acquisition.other_run or clean_up:
            logger.warning(
                "an earlier run did not end in order; this run uses or stops the model that it may have left running",
                taken_over_from=acquisition.other_run,
                model_started_by=acquisition.model_started_by,
            )
        return {"acquired": acquisition.acquired, "other_run": acquisition.other_run, "clean_up": clean_up}

    def close(
        self, run_id: str, outcome: Outcome, *, error: dict[str, str] | None, unit_hour_usd: float
    ) -> dict[str, Any]:
        """Write the receipt, then give the lease back, so that a crash in between repeats the receipt."""
        finished_at = now()
        record = self._records.read(run_id)
        model = model_time(record, finished_at=finished_at, unit_hour_usd=unit_hour_usd)
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
            Key=f"runs/{run_id}.json",
            Body=json.dumps(document, ensure_ascii=False, indent=2).encode(),
            ContentType="application/json",
        )
        self._records.close(run_id, outcome.value)
        self._lease.release(run_id)
        metrics.add_metric(name="ModelRunningSeconds", unit=MetricUnit.Seconds, value=model.running_seconds or 0)
        logger.info("run closed", receipt=document)
        return document
