"""The last step of a reconcile: its report."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconcile.listing import Counts, Refused
from reconcile.records import ReconcileRecord, ReconcileRecords
from reconcile.report_store import ReportStore
from shared.failures import readable_error
from shared.telemetry import MetricUnit, logger, metrics
from shared.timestamps import format_rfc3339, now

# The most that one Map Run reads.
# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
MAX_OBJECTS = 100_000_000

BATCH_FAILED = "States.ExceedToleratedFailureThreshold"


class ReconcileOutcome(StrEnum):
    """How a reconcile ended, as the report names it."""

    QUEUED = "queued"
    DRY_RUN = "dry_run"
    NOTHING_TO_DO = "nothing_to_do"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class ReportedError:
    """Why a reconcile failed, as the report says it."""

    code: str
    message: str


class Reporting:
    """Writes the report of a reconcile."""

    def __init__(self, store: ReportStore, records: ReconcileRecords) -> None:
        self._store = store
        self._records = records

    def report(self, reconcile_id: str, failure: dict[str, Any] | None) -> dict[str, Any]:
        """Write the report and return it. `failure` is what the workflow caught, as {Error, Cause}."""
        record = self._records.read(reconcile_id)
        if record.counts.queued:
            # It was first recorded before the listing, and queueing a large bucket takes hours.
            self._records.record_queueing(reconcile_id)
        examples, refused = self._records.examples(reconcile_id)
        document = report(reconcile_id, record, examples, refused, reported_error(failure), now())
        self._store.write(reconcile_id, document)
        if record.counts.queued:
            metrics.add_metric(name="ImagesQueued", unit=MetricUnit.Count, value=record.counts.queued)
        logger.info("reconcile ended", report=document)
        return document


def report(
    reconcile_id: str,
    record: ReconcileRecord,
    examples: list[str],
    refused: list[Refused],
    error: ReportedError | None,
    finished_at: datetime,
) -> dict[str, Any]:
    """Return the report as it is stored under `reconcile/<reconcile ID>.json`."""
    return {
        "schema": "1",
        "reconcile_id": reconcile_id,
        "outcome": outcome(record.counts, error).value,
        "dry_run": record.dry_run,
        "prefix": record.prefix,
        "uploaded_before": format_rfc3339(record.uploaded_before) if record.uploaded_before else None,
        "started_at": format_rfc3339(record.started_at or finished_at),
        "finished_at": format_rfc3339(finished_at),
        **asdict(record.counts),
        "examples": examples,
        "refused_examples": [asdict(one) for one in refused],
        "note": note(record),
        "error": asdict(error) if error else None,
    }


def outcome(counts: Counts, error: ReportedError | None) -> ReconcileOutcome:
    """Return how the reconcile ended."""
    if error is not None:
        return ReconcileOutcome.FAILED
    if counts.orphans == 0:
        return ReconcileOutcome.REFUSED if counts.refused else ReconcileOutcome.NOTHING_TO_DO
    return ReconcileOutcome.QUEUED if counts.queued else ReconcileOutcome.DRY_RUN


def note(record: ReconcileRecord) -> str | None:
    """Return what else a reader of the report has to know."""
    if record.counts.objects_seen >= MAX_OBJECTS:
        return (
            f"{record.counts.objects_seen} objects were listed, and one Map Run lists at most {MAX_OBJECTS}: there may "
            "be more. Reconcile them by prefix."
        )
    return record.note


def reported_error(failure: dict[str, Any] | None) -> ReportedError | None:
    """Return the report's `error`; the workflow does not learn why a batch failed."""
    readable = readable_error(failure)
    if readable is None:
        return None
    if readable["code"] == BATCH_FAILED:
        return ReportedError(
            BATCH_FAILED,
            "a batch failed in every attempt; its error is in this execution's Map Run, and in the function's log. The "
            "images that were queued until then stay queued; a later reconcile finds the rest.",
        )
    return ReportedError(readable["code"], readable["message"])
