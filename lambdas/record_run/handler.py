"""Lambda handler: `{"action": "open" | "close", "run_id": …}`."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from record_run.run_book import Busy, RunBook
from shared import environment
from shared.clients import client
from shared.errors import ConfigurationError
from shared.failures import readable_error
from shared.lease import Lease
from shared.receipts import Outcome, Receipts
from shared.run_record import RunRecords
from shared.telemetry import logger, metrics, tracer
from shared.throughput import ThroughputBook


@cache
def _run_book() -> RunBook:
    dynamodb = client("dynamodb")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    records = RunRecords(dynamodb, table, model_arn)
    unit_hour_usd = environment.number("INFERENCE_UNIT_HOUR_USD")
    return RunBook(
        Lease(dynamodb, table, model_arn, environment.integer("LEASE_SECONDS")),
        records,
        Receipts(
            records,
            client("s3"),
            environment.text("FINAL_BUCKET_NAME"),
            model_arn,
            unit_hour_usd,
            environment.optional_text("FINAL_PREFIX"),
        ),
        ThroughputBook(dynamodb, table, model_arn, environment.number("IMAGES_PER_SECOND_PER_UNIT")),
    )


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Open: `{acquired, other_run, clean_up}`. Close, with `outcome`, `error` and the last `sample`: the receipt."""
    run_id = event["run_id"]
    logger.append_keys(run_id=run_id)
    match event["action"]:
        case "open":
            return _run_book().open(run_id)
        case "close":
            sample = event["sample"]
            busy = None if sample is None else Busy(int(sample["busy_ms"]) / 1000, int(sample["busy_images"]))
            return _run_book().close(run_id, Outcome(event["outcome"]), readable_error(event["error"]), busy)
        case action:
            raise ConfigurationError(f"action must be open or close, not {action!r}")
