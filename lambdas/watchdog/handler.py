"""Lambda handler: the schedule's tick, an execution's end as EventBridge reports it, or Terraform's own call.

https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

import time
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.errors import ConfigurationError
from shared.failed_starts import FailedStartsStore
from shared.model_stop import ModelStop
from shared.telemetry import logger, metrics, traced
from shared.trigger import Trigger
from shared.wiring import Wiring
from watchdog.executions import Executions
from watchdog.watchdog import ExecutionEnded, Watchdog


@cache
def _watchdog() -> Watchdog:
    wiring = Wiring()
    lease, model = wiring.lease(), wiring.model()
    return Watchdog(
        lease=lease,
        states=wiring.states,
        records=wiring.records,
        receipts=wiring.receipts(),
        failed_starts=FailedStartsStore(wiring.items),
        executions=Executions(client("stepfunctions"), environment.text("STATE_MACHINE_ARN")),
        model=model,
        model_stop=ModelStop(model, lease, wiring.states, wiring.records),
        trigger=Trigger(client("lambda"), environment.text("EVENT_SOURCE_MAPPING_UUID"), lease),
        max_run=timedelta(minutes=environment.integer("MAX_RUN_MINUTES")),
    )


build_now(_watchdog)


@logger.inject_lambda_context(clear_state=True)
@traced
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return `{holder, owner, settled}`; settled is null when there was nothing to clean up."""
    match event:
        case {"tf": {"action": "delete"}}:
            return _watchdog().retire(
                seconds_left=lambda: context.get_remaining_time_in_millis() / 1000, pause=time.sleep
            )
        case {"tf": {"action": "create" | "update"}}:
            return _watchdog().resume(pause=time.sleep)
        case {"detail": {"name": str(run_id), "status": str(status)}}:
            logger.append_keys(run_id=run_id)
            return _watchdog().tick(context.aws_request_id, ExecutionEnded(run_id, status))
        case {"source": "schedule"}:
            return _watchdog().tick(context.aws_request_id, None)
        case _:
            raise ConfigurationError(f"not a tick, an execution's end or Terraform's call: keys {sorted(event)}")
