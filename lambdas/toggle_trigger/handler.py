"""Lambda handler: `{"run_id": …, "enable": bool}`. It returns when the trigger is switched."""

import time
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.owner import Owner
from shared.telemetry import logger, traced
from shared.trigger import Trigger
from shared.warm_up import is_warm_up
from shared.wiring import Wiring


@cache
def _trigger() -> Trigger:
    return Trigger(client("lambda"), environment.text("EVENT_SOURCE_MAPPING_UUID"), Wiring().lease())


build_now(_trigger)


@logger.inject_lambda_context(clear_state=True)
@traced
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001
    """Switch the trigger, and wait until it is switched."""
    if is_warm_up(event):
        return
    logger.append_keys(run_id=event["run_id"])
    _trigger().switch(Owner.run(event["run_id"]), enable=event["enable"], pause=time.sleep)
