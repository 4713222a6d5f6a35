"""Lambda handler: `{"run_id": …, "waited_seconds": n}`."""

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.cold_start import build_now
from shared.model_stop import ModelStop
from shared.owner import Owner
from shared.telemetry import logger, traced
from shared.wiring import Wiring


@cache
def _model_stop() -> ModelStop:
    # A table that does not answer must leave this function time to stop the model without it.
    wiring = Wiring(attempts=2)
    return ModelStop(wiring.model(), wiring.lease(), wiring.states, wiring.records)


build_now(_model_stop)


@logger.inject_lambda_context(clear_state=True)
@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{status, settled, wait_seconds}`."""
    run_id = event["run_id"]
    logger.append_keys(run_id=run_id)
    return asdict(_model_stop().step(Owner.run(run_id), run_id, int(event["waited_seconds"])))
