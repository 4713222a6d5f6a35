"""Lambda handler: `{"run_id": …, "enable": bool, "waited_seconds": n, "pace": pace | absent}`."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment
from shared.clients import client
from shared.lease import Lease
from shared.pace import Pace
from shared.telemetry import logger, tracer
from shared.trigger import Trigger


@cache
def _trigger() -> Trigger:
    return Trigger(
        client("lambda"),
        environment.text("EVENT_SOURCE_MAPPING_UUID"),
        Lease(
            client("dynamodb"),
            environment.text("RUNS_TABLE_NAME"),
            environment.text("PROJECT_VERSION_ARN"),
            environment.integer("LEASE_SECONDS"),
        ),
    )


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{state, settled, wait_seconds}`."""
    logger.append_keys(run_id=event["run_id"])
    pace = event.get("pace")
    return _trigger().step(
        event["run_id"],
        enable=event["enable"],
        waited_seconds=int(event["waited_seconds"]),
        pace=None if pace is None else Pace.from_workflow(pace),
    )
