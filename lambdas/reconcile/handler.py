"""Lambda handler: one action for each step of the reconcile.

    {"action": "plan", "reconcile_id": …, "input": the execution's input}
    {"action": "queue", "batch": {"Items": […], "BatchInput": {…}}}
    {"action": "report", "reconcile_id": …, "error": {Error, Cause} | null}

A batch is the input of a Distributed Map's child, as Step Functions writes it. `BatchInput` has the members
reconcile_id, uploaded_before, dry_run and dead_lettered_key.
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from reconcile.batches import Batches, ListingBatch
from reconcile.dead_letters import DeadLetterImages
from reconcile.message import Origin
from reconcile.plan import Planner
from reconcile.records import ReconcileRecords
from reconcile.report import Reporting
from reconcile.report_store import ReportStore
from reconcile.source_bucket import SourceBucket
from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.dead_letter_queue import DeadLetterQueue
from shared.errors import ConfigurationError
from shared.image_queue import ImageQueue
from shared.telemetry import logger, metrics, traced
from shared.timestamps import now
from shared.wiring import Wiring, image_source


@dataclass(frozen=True)
class Steps:
    """The three steps, and what they keep between invocations."""

    planner: Planner
    batches: Batches
    reporting: Reporting


@cache
def _steps() -> Steps:
    # More attempts for S3, because an object is left out for which S3 was throttled in all of them.
    wiring, s3, sqs = Wiring(), client("s3", attempts=5), client("sqs")
    images = image_source()
    source = SourceBucket(s3, images.bucket, images.prefix)
    records = ReconcileRecords(wiring.items)
    store = ReportStore(s3, environment.text("FINAL_BUCKET_NAME"), environment.optional_text("FINAL_PREFIX"))
    dead_letters = DeadLetterImages(DeadLetterQueue(sqs, environment.text("DEAD_LETTER_QUEUE_URL")), images.bucket)
    queue = ImageQueue(sqs, environment.text("QUEUE_URL"))
    return Steps(
        Planner(source, dead_letters, store, records, images.suffixes, wiring.states.read, now),
        Batches(source, queue, store, records, images.suffixes, Origin.of(images.bucket, wiring.model_arn)),
        Reporting(store, records),
    )


build_now(_steps)


@logger.inject_lambda_context(clear_state=True)
@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the plan, the counts of a batch, or the report."""
    match event:
        case {"action": "plan", "reconcile_id": str(reconcile_id), "input": document}:
            logger.append_keys(reconcile_id=reconcile_id)
            return asdict(_steps().planner.plan(reconcile_id, document))
        case {"action": "queue", "batch": {"Items": list(), "BatchInput": dict()} as document}:
            batch = ListingBatch.from_map(document)
            logger.append_keys(reconcile_id=batch.reconcile_id)
            return asdict(_steps().batches.queue(batch))
        case {"action": "report", "reconcile_id": str(reconcile_id), "error": _}:
            logger.append_keys(reconcile_id=reconcile_id)
            report: dict[str, Any] = _report(event, context)
            return report
        case _:
            raise ConfigurationError(
                f"the input must be a plan, queue or report action with its parameters, not {event.get('action')!r}"
            )


@metrics.log_metrics
def _report(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    return _steps().reporting.report(event["reconcile_id"], event["error"])
