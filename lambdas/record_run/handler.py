"""Lambda handler: `{"action": "open" | "close", "run_id": …}`; "close" also takes `outcome` and `error`.

`error` is what the workflow caught, as Step Functions describes it, or null; `Before` in it is what was caught before.
"""

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from record_run.run_lifecycle import RunLifecycle
from shared.cold_start import build_now
from shared.errors import ConfigurationError
from shared.failed_starts import FailedStartsStore
from shared.failures import readable_error
from shared.outcome import Outcome
from shared.telemetry import logger, metrics, traced
from shared.wiring import Wiring


@cache
def _run_lifecycle() -> RunLifecycle:
    wiring = Wiring()
    failed_starts = FailedStartsStore(wiring.items)
    return RunLifecycle(
        wiring.lease(), wiring.states, wiring.records, wiring.receipts(), wiring.throughput(), failed_starts
    )


build_now(_run_lifecycle)


@logger.inject_lambda_context(clear_state=True)
@traced
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Open: return `{acquired, model_left}`. Close: return the receipt."""
    run_id = event["run_id"]
    logger.append_keys(run_id=run_id)
    match event["action"]:
        case "open":
            return asdict(_run_lifecycle().open(run_id))
        case "close":
            return _run_lifecycle().close(run_id, Outcome(event["outcome"]), readable_error(event["error"]))
        case action:
            raise ConfigurationError(f"action must be open or close, not {action!r}")
