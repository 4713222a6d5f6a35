"""Lambda handler: `{"run_id": …, "backlog": n, "waited_seconds": n, "quota_seconds": n, "start_accepted": bool}`."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment, project_version
from shared.clients import client
from shared.lease import Lease
from shared.run_record import RunRecords
from shared.telemetry import logger, tracer
from shared.throughput import ThroughputBook
from start_model.model_start import Begun, ModelStart, Units
from start_model.sizing import Limits


@cache
def _model_start() -> ModelStart:
    dynamodb = client("dynamodb")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    limits = Limits(
        fewest=environment.integer("MIN_INFERENCE_UNITS"),
        most=environment.integer("MAX_INFERENCE_UNITS"),
        target_drain_minutes=environment.number("TARGET_DRAIN_MINUTES"),
    )
    return ModelStart(
        project_version.connect(environment.text("PROJECT_ARN"), model_arn),
        Lease(dynamodb, table, model_arn, environment.integer("LEASE_SECONDS")),
        RunRecords(dynamodb, table, model_arn),
        ThroughputBook(dynamodb, table, model_arn, environment.number("IMAGES_PER_SECOND_PER_UNIT")),
        Units(limits, scales=environment.flag("AUTOSCALING_ENABLED")),
    )


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{status, ready, start_accepted, started_by_us, quota_seconds, pace, wait_seconds}`."""
    logger.append_keys(run_id=event["run_id"])
    return _model_start().step(event["run_id"], backlog=int(event["backlog"]), begun=Begun.from_workflow(event))
