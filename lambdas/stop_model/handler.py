"""Lambda handler: `{"run_id": …, "waited_seconds": n, "stop_accepted": bool, "sightings_at_rest": n}`."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment, project_version
from shared.clients import client
from shared.lease import Lease
from shared.model_stop import ModelStop
from shared.run_record import RunRecords
from shared.telemetry import logger, tracer


@cache
def _model_stop() -> ModelStop:
    dynamodb = client("dynamodb")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    return ModelStop(
        project_version.connect(environment.text("PROJECT_ARN"), model_arn),
        Lease(dynamodb, table, model_arn, environment.integer("LEASE_SECONDS")),
        RunRecords(dynamodb, table, model_arn),
    )


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{status, settled, stop_accepted, sightings_at_rest, wait_seconds}`."""
    logger.append_keys(run_id=event["run_id"])
    return _model_stop().step(
        event["run_id"],
        run_id=event["run_id"],
        waited_seconds=int(event["waited_seconds"]),
        stop_accepted=event["stop_accepted"],
        sightings_at_rest=int(event["sightings_at_rest"]),
    )
