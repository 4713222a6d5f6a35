"""Lambda handler: `{"run_id": …, "backlog": n, "waited_seconds": n, "quota_seconds": n}`."""

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.telemetry import logger, traced
from shared.warm_up import WarmUp
from shared.wiring import Wiring
from start_model.model_start import ModelStart, StartProgress, Units
from start_model.sizing import Limits


@cache
def _model_start() -> ModelStart:
    wiring = Wiring()
    limits = Limits(
        min_units=environment.integer("MIN_INFERENCE_UNITS"),
        max_units=environment.integer("MAX_INFERENCE_UNITS"),
        target_drain_minutes=environment.number("TARGET_DRAIN_MINUTES"),
    )
    return ModelStart(
        wiring.model(),
        wiring.lease(),
        wiring.states,
        wiring.records,
        wiring.throughput(),
        Units(limits, scales=environment.flag("AUTOSCALING_ENABLED")),
        # Nothing is lost without an answer, and the next poll of the model waits for it.
        WarmUp(
            client("lambda", read_timeout_seconds=2, attempts=1),
            [environment.text("ANALYZE_FUNCTION_NAME"), environment.text("TOGGLE_FUNCTION_NAME")],
        ).send,
    )


build_now(_model_start)


@logger.inject_lambda_context(clear_state=True)
@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{status, ready, quota_seconds, wait_seconds}`."""
    run_id = event["run_id"]
    logger.append_keys(run_id=run_id)
    progress = StartProgress(int(event["waited_seconds"]), int(event["quota_seconds"]))
    return asdict(_model_start().step(run_id, backlog=int(event["backlog"]), progress=progress))
