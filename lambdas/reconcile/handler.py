"""Lambda handler: one action for each step of the reconcile.

    {"action": "look", "run_id": …, "input": the execution's input}
    {"action": "queue", "batch": {"Items": […], "BatchInput": {run_id, uploaded_before, dry_run, set_aside_key}}}
    {"action": "report", "run_id": …, "error": {Error, Cause} | null}

A batch is the input of a Distributed Map's child as Step Functions makes it.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from reconcile.batches import Batch, Batches
from reconcile.dead_letter_queue import DeadLetterQueue
from reconcile.files import Files
from reconcile.image_queue import ImageQueue
from reconcile.look import Look
from reconcile.message import Origin
from reconcile.records import Records
from reconcile.report import Reporting
from reconcile.source_bucket import SourceBucket
from shared import environment
from shared.clients import client
from shared.errors import ConfigurationError
from shared.items import Items
from shared.model_state import ModelStates
from shared.telemetry import logger, metrics, tracer
from shared.timestamps import now


@dataclass(frozen=True)
class Steps:
    """The three steps, and what they keep between invocations."""

    look: Look
    batches: Batches
    reporting: Reporting


@cache
def _steps() -> Steps:
    # S3 is asked about single objects, and one that it is too busy for is left out: so it is asked more often.
    dynamodb, s3, sqs = client("dynamodb"), client("s3", attempts=5), client("sqs")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    bucket, suffixes = environment.text("SOURCE_BUCKET_NAME"), _image_suffixes()
    source = SourceBucket(s3, bucket, environment.optional_text("SOURCE_PREFIX"))
    records = Records(dynamodb, table, model_arn)
    files = Files(s3, environment.text("FINAL_BUCKET_NAME"), environment.optional_text("FINAL_PREFIX"))
    dead_letters = DeadLetterQueue(sqs, environment.text("DEAD_LETTER_QUEUE_URL"), bucket)
    queue = ImageQueue(sqs, environment.text("QUEUE_URL"))
    return Steps(
        Look(source, dead_letters, files, records, suffixes, ModelStates(Items(dynamodb, table, model_arn)).read, now),
        Batches(source, queue, files, records, suffixes, Origin.of(bucket, model_arn)),
        Reporting(files, records),
    )


def _image_suffixes() -> tuple[str, ...]:
    value = environment.text("IMAGE_SUFFIXES")
    try:
        suffixes = tuple(json.loads(value))
    except (ValueError, TypeError):
        suffixes = ()
    if not suffixes or not all(isinstance(suffix, str) and suffix for suffix in suffixes):
        raise ConfigurationError(f'IMAGE_SUFFIXES must be a JSON list such as [".jpg", ".png"], not {value!r}')
    return suffixes


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look: `{verdict, prefix, uploaded_before, dry_run, set_aside_key}`. Queue: the counts. Report: the report."""
    match event:
        case {"action": "look", "run_id": str(run_id), "input": document}:
            logger.append_keys(reconcile_id=run_id)
            return _steps().look.look(run_id, document)
        case {"action": "queue", "batch": {"Items": list(), "BatchInput": dict()} as document}:
            batch = Batch.from_map(document)
            logger.append_keys(reconcile_id=batch.run_id)
            return asdict(_steps().batches.queue(batch))
        case {"action": "report", "run_id": str(run_id), "error": _}:
            logger.append_keys(reconcile_id=run_id)
            return _report(event, context)
        case _:
            raise ConfigurationError(
                f"no look, queue or report with what belongs to it: action {event.get('action')!r}"
            )


@metrics.log_metrics
def _report(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    return _steps().reporting.report(event["run_id"], event["error"])
