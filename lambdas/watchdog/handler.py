"""Lambda handler: the schedule's tick, an execution's end as EventBridge reports it, or Terraform's own call.

https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

import time
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment, lease, project_version
from shared.clients import client
from shared.errors import ConfigurationError
from shared.lease import Lease
from shared.model_stop import ModelStop
from shared.receipts import Receipts
from shared.run_record import RunRecords
from shared.telemetry import logger, metrics, tracer
from shared.trigger import Trigger
from watchdog.executions import Executions
from watchdog.watchdog import Ended, Watchdog


@cache
def _watchdog() -> Watchdog:
    dynamodb = client("dynamodb")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    held_lease = Lease(dynamodb, table, model_arn, environment.integer("LEASE_SECONDS"))
    records = RunRecords(dynamodb, table, model_arn)
    model = project_version.connect(environment.text("PROJECT_ARN"), model_arn)
    unit_hour_usd = environment.number("INFERENCE_UNIT_HOUR_USD")
    return Watchdog(
        look_at_lease=lambda: lease.current(dynamodb, table, model_arn),
        lease=held_lease,
        records=records,
        receipts=Receipts(
            records,
            client("s3"),
            environment.text("FINAL_BUCKET_NAME"),
            model_arn,
            unit_hour_usd,
            environment.optional_text("FINAL_PREFIX"),
        ),
        executions=Executions(client("stepfunctions"), environment.text("STATE_MACHINE_ARN")),
        model=model,
        model_stop=ModelStop(model, held_lease, records),
        trigger=Trigger(client("lambda"), environment.text("EVENT_SOURCE_MAPPING_UUID"), held_lease),
        longest_run=timedelta(minutes=environment.integer("MAX_RUN_MINUTES")),
    )


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return `{owner, held_by, settled}`; settled is null when there was nothing to clean up."""
    match event:
        case {"tf": {"action": "delete"}}:
            return _watchdog().retire(
                seconds_left=lambda: context.get_remaining_time_in_millis() / 1000, pause=time.sleep
            )
        case {"tf": {"action": "create" | "update"}}:
            return _watchdog().resume(pause=time.sleep)
        case {"detail": {"name": str(run_id), "status": str(status)}}:
            logger.append_keys(run_id=run_id)
            return _watchdog().tick(context.aws_request_id, Ended(run_id, status))
        case {"source": "schedule"}:
            return _watchdog().tick(context.aws_request_id, None)
        case _:
            raise ConfigurationError(f"not a tick, an execution's end or Terraform's call: keys {sorted(event)}")
