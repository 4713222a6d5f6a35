"""Opening and closing a run: the lease, the run's record and the receipt, in an order that survives a crash."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.lease import Lease
from shared.receipts import Outcome, Receipts
from shared.run_record import RunRecord, RunRecords
from shared.telemetry import logger
from shared.throughput import ThroughputBook, measured


@dataclass(frozen=True)
class Busy:
    """The time of a run in which images waited all along, and how many ended in it."""

    seconds: float
    images: int


class RunBook:
    """Opens and closes runs."""

    def __init__(self, lease: Lease, records: RunRecords, receipts: Receipts, throughput: ThroughputBook) -> None:
        self._lease = lease
        self._records = records
        self._receipts = receipts
        self._throughput = throughput

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
        if acquisition.acquired and acquisition.other_run:
            self._close_for(acquisition.other_run, run_id)
        return {"acquired": acquisition.acquired, "other_run": acquisition.other_run, "clean_up": clean_up}

    def _close_for(self, dead_run: str, run_id: str) -> None:
        """Write the receipt of the run that the lease was taken from; model time from now on is this run's."""
        if self._records.read(dead_run).model_running_at is not None:
            self._records.note_model_stop_accepted(dead_run)
        self._receipts.write_for_dead_run(
            dead_run,
            Outcome.ABORTED,
            {
                "code": "RunSilent",
                "message": f"run {dead_run} gave no sign of life until its lease expired; run {run_id} took over",
            },
        )

    def close(
        self, run_id: str, outcome: Outcome, error: dict[str, str] | None, busy: Busy | None = None
    ) -> dict[str, Any]:
        """Write the receipt, learn from what the run showed of the model's speed, then give the lease back."""
        before = self._records.read(run_id)
        document = self._receipts.write(run_id, outcome, error)
        # A repeated attempt finds the run closed, and may have learnt.
        if busy is not None and before.finished_at is None:
            self._learn(before, busy)
        self._lease.release(run_id)
        return document

    def _learn(self, record: RunRecord, busy: Busy) -> None:
        # With autoscaling nobody says how many units there were, and someone else's model may have done more than ours.
        if not record.units_are_fixed or not record.model_is_ours or record.inference_units is None:
            return
        figure = measured(busy.images, busy.seconds, record.inference_units)
        if figure is None:
            return
        try:
            if not record.throttled and figure < self._throughput.read().images_per_second_per_unit:
                # It was never asked for more than it could do: it may be faster than that.
                return
            known = self._throughput.learn(figure)
        except (ClientError, BotoCoreError):
            # It is advice for the next run: the receipt matters more.
            logger.exception("could not write down how fast the model was", images_per_second_per_unit=figure)
        else:
            logger.info("learnt how fast the model is", this_run=figure, known=str(known))
