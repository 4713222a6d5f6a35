"""Opening and closing a run: the lease, the run's record and the receipt, in an order that survives a crash."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import LeaseLost
from shared.failed_starts import FailedStartsStore
from shared.lease import Lease
from shared.model_state import ModelStates
from shared.outcome import Outcome
from shared.owner import Owner
from shared.receipts import Receipts
from shared.run_record import RunRecord, RunRecords
from shared.telemetry import logger
from shared.throughput import ThroughputStore, measured
from shared.timestamps import now


@dataclass(frozen=True)
class Opening:
    """What came of opening a run. `model_left`: a run started the model and did not see it stopped."""

    acquired: bool
    model_left: bool


class RunLifecycle:
    """Opens and closes runs."""

    def __init__(
        self,
        lease: Lease,
        states: ModelStates,
        records: RunRecords,
        receipts: Receipts,
        throughput: ThroughputStore,
        failed_starts: FailedStartsStore,
    ) -> None:
        self._lease = lease
        self._states = states
        self._records = records
        self._receipts = receipts
        self._throughput = throughput
        self._failed_starts = failed_starts

    def open(self, run_id: str) -> Opening:
        """Take the lease, and write the receipts of dead runs that it was taken from, also by an earlier attempt."""
        self._records.open(run_id)
        acquisition = self._lease.acquire(Owner.run(run_id))
        model_left = acquisition.model_started_by is not None
        if not acquisition.acquired:
            logger.info("another run holds the lease on the model; this run ends", other_run=acquisition.other_run)
        elif acquisition.other_run or model_left:
            logger.warning(
                "an earlier run died; this run uses or stops the model that it may have left running",
                taken_over_from=acquisition.other_run,
                model_started_by=acquisition.model_started_by,
            )
        if acquisition.receipts_owed:
            owed = [dead_run for dead_run in acquisition.receipts_owed if not self._close_for(dead_run, run_id)]
            try:
                self._states.record_receipts_owed(Owner.run(run_id), owed)
            except LeaseLost:
                logger.info("the lease was taken over already; the run's next step finds that out")
        return Opening(acquisition.acquired, model_left)

    def _close_for(self, dead_run: str, run_id: str) -> bool:
        """Write the receipt of a run that the lease was taken from; model time from now on is this run's.

        Return whether it is written. If it cannot be, this run goes on, and the lease's next owner tries again.
        """
        self._take_over_model_time(dead_run, run_id)
        message = f"the lease of run {dead_run} expired without renewal; run {run_id} took over"
        try:
            self._failed_starts.learn(dead_run, self._records.read(dead_run), Outcome.ABORTED, "RunSilent")
            self._receipts.write_for_dead_run(dead_run, Outcome.ABORTED, {"code": "RunSilent", "message": message})
        except (ClientError, BotoCoreError):
            logger.exception("could not write the receipt of a dead run", dead_run=dead_run)
            return False
        return True

    def _take_over_model_time(self, dead_run: str, run_id: str) -> None:
        record, instant = self._records.read(dead_run), now()
        if record.model_running_at is None:
            return
        if record.model_is_ours and record.model_time_end(instant) == instant:
            # It may run on. First this write: after a crash in between, both runs have the seconds until the retry.
            self._records.record_model_running(
                run_id, inference_units=record.inference_units or 1, ours=True, fixed=record.units_are_fixed
            )
        self._records.record_model_time_over(dead_run)

    def close(self, run_id: str, outcome: Outcome, error: dict[str, str] | None) -> dict[str, Any]:
        """Write the receipt, learn from the run for the next ones, then give the lease back."""
        before = self._records.read(run_id)
        # Before the receipt: a bucket that refuses it is a fault that lasts.
        self._failed_starts.learn(run_id, before, outcome, error["code"] if error else None)
        document = self._receipts.write(run_id, outcome, error)
        # A repeated attempt finds the run closed, and may have learnt.
        if before.outcome is None:
            self._learn(before)
        self._lease.release(Owner.run(run_id))
        return document

    def _learn(self, record: RunRecord) -> None:
        # With autoscaling the number of units is not known, and someone else's model may have done more than ours.
        if not record.units_are_fixed or not record.model_is_ours or record.inference_units is None:
            return
        rate = measured(record.saturated_images, record.saturated_seconds, record.inference_units)
        if rate is None:
            return
        try:
            if not record.throttled and rate < self._throughput.read().images_per_second_per_unit:
                # The run never called faster than the model could answer, so the model may be faster than that.
                return
            known = self._throughput.learn(rate)
        except (ClientError, BotoCoreError):
            # The rate helps the next run; the receipt matters more.
            logger.exception("could not record the measured rate", images_per_second_per_unit=rate)
        else:
            logger.info("measured the model's rate", this_run=rate, known=str(known))
