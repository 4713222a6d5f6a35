"""Lambda handler: a batch of SQS messages, each with an S3 event; answers which of them have to come back."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.batch import Batch
from analyze_image.detector import Detector
from analyze_image.documents import ModelUse
from analyze_image.labelling import Ending, Labelling
from analyze_image.store import Store
from shared import environment, lease
from shared.clients import client
from shared.run_record import RunRecords
from shared.telemetry import MetricUnit, logger, metrics, tracer


class Analysis:
    """What one execution environment keeps between batches."""

    def __init__(
        self,
        labelling: Labelling,
        current_run: Callable[[], str | None],
        records: RunRecords,
        sqs: Any,  # noqa: ANN401
        queue_url: str,
    ) -> None:
        """`current_run` returns the run that holds the lease; None when the trigger is open without one."""
        self.labelling = labelling
        self._current_run = current_run
        self._records = records
        self._sqs = sqs
        self._queue_url = queue_url

    def run_id(self) -> str | None:
        """Return the run that this batch counts for; None when there is none or it cannot be known now."""
        try:
            return self._current_run()
        except (ClientError, BotoCoreError):
            logger.exception("could not read whose run this is; the batch is labelled and not counted")
            return None

    def put_back(self, receipt_handle: str) -> None:
        """Make a message visible again at once."""
        self._sqs.change_message_visibility(QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=0)

    def count(self, run_id: str, endings: Counter[Ending]) -> None:
        """Add the batch to the run's counters, which are progress, not truth: the results stand without them."""
        processed, failed = endings[Ending.PROCESSED], endings[Ending.FAILED]
        try:
            self._records.add_images(
                run_id, processed=processed, failed=failed, nothing_left=endings.total() - processed - failed
            )
        except (ClientError, BotoCoreError):
            logger.exception(
                "could not add to the run's counters; its receipt will show fewer images than it has",
                processed=processed,
                failed=failed,
            )


@cache
def _analysis() -> Analysis:
    source, final = environment.text("SOURCE_BUCKET_NAME"), environment.text("FINAL_BUCKET_NAME")
    table, model_arn = environment.text("RUNS_TABLE_NAME"), environment.text("PROJECT_VERSION_ARN")
    dynamodb = client("dynamodb")
    use = ModelUse(model_arn, environment.optional_number("MIN_CONFIDENCE"))
    return Analysis(
        Labelling(
            Detector(client("rekognition", read_timeout_seconds=10), use),
            Store(client("s3"), source, final),
        ),
        lambda: lease.current(dynamodb, table, model_arn).held_by,
        RunRecords(dynamodb, table, model_arn),
        client("sqs"),
        environment.text("QUEUE_URL"),
    )


_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Label a batch. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    analysis = _analysis()
    run_id = analysis.run_id()
    logger.append_keys(run_id=run_id)
    batch = Batch(
        analysis.labelling,
        environment.text("SOURCE_BUCKET_NAME"),
        analysis.put_back,
        lambda: context.get_remaining_time_in_millis() / 1000,
    )
    response = process_partial_response(event=event, record_handler=batch.handle, processor=_processor, context=context)
    metrics.add_metric(name="ImagesProcessed", unit=MetricUnit.Count, value=batch.endings[Ending.PROCESSED])
    metrics.add_metric(name="ImagesFailed", unit=MetricUnit.Count, value=batch.endings[Ending.FAILED])
    if run_id is not None and batch.endings.total() > 0:
        analysis.count(run_id, batch.endings)
    return response
