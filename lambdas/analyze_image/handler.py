"""Lambda handler: a batch of SQS messages, each with an S3 event; answers which of them could not be kept otherwise."""

import random
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.batch import Batch
from analyze_image.comeback import ImageQueue
from analyze_image.detector import Detector
from analyze_image.documents import ModelUse
from analyze_image.labelling import Labelling
from analyze_image.pacing import Pacing
from analyze_image.store import Store
from analyze_image.suspects import Suspects
from shared import environment
from shared.clients import client, error_code
from shared.dead_letters import DeadLetters
from shared.model_state import ModelState
from shared.request_rate import MAX_CONCURRENT_IMAGES
from shared.run_record import BatchCounts, RunRecords
from shared.s3_events import Source
from shared.telemetry import MetricUnit, logger, metrics, tracer
from shared.wiring import Wiring

# DynamoDB cancels one of two transactions that meet at the run's record, as batches of two environments do.
COUNT_ATTEMPTS = 5


@dataclass(frozen=True)
class Analysis:
    """What one execution environment keeps between batches."""

    labelling: Labelling
    queue: ImageQueue
    dead_letters: DeadLetters
    suspects: Suspects
    pacing: Pacing
    source: Source
    records: RunRecords
    # Returns who holds the lease, and how fast the model may be asked.
    read_state: Callable[[], ModelState]

    def begin(self, seconds_left: Callable[[], float]) -> tuple[Batch, str | None, int]:
        """Return a batch, the run that it counts for, and how many of its images are at work at once.

        The run is the lease's holder, or is being cleaned up after; None when the trigger is open without one, or it
        cannot be known now.
        """
        run_id, rate = None, None
        try:
            state = self.read_state()
            run_id, rate = state.run_id, state.request_rate
        except (ClientError, BotoCoreError):
            logger.exception("could not read whose run this is; the batch is labelled one by one and not counted")
        self.suspects.begin(run_id)
        self.pacing.begin(run_id, rate)
        batch = Batch(
            self.labelling,
            self.pacing,
            self.queue,
            self.dead_letters,
            self.suspects,
            self.source,
            run_id,
            seconds_left,
        )
        return batch, run_id, rate.concurrent_images_per_batch if rate else 1

    def count(self, run_id: str, counts: BatchCounts) -> None:
        """Add the batch to the run's counters, which are progress, not truth: the results stand without them."""
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            try:
                self.records.add_batch(run_id, counts)
            except (ClientError, BotoCoreError) as error:
                if _is_conflict(error) and attempt < COUNT_ATTEMPTS:
                    time.sleep(random.uniform(0, 0.1 * attempt))  # noqa: S311 - two batches must not meet again
                    continue
                logger.exception("could not add to the run's counters; its receipt will miss images", counts=counts)
            return


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ClientError) and error_code(error) == "TransactionCanceledException"


def _has_labelled(records: RunRecords, run_id: str) -> bool:
    try:
        return records.read(run_id).processed > 0
    except (ClientError, BotoCoreError):
        logger.exception("could not read what the run has labelled so far; taken for nothing")
        return False


@cache
def _analysis() -> Analysis:
    source = Source(environment.text("SOURCE_BUCKET_NAME"), environment.optional_text("SOURCE_PREFIX"))
    final, final_prefix = environment.text("FINAL_BUCKET_NAME"), environment.optional_text("FINAL_PREFIX")
    wiring = Wiring(read_timeout_seconds=2, attempts=2)
    # What each client may take at the worst is added up in batch.py.
    rekognition = client("rekognition", read_timeout_seconds=10, attempts=2, connections=MAX_CONCURRENT_IMAGES)
    pacing = Pacing()
    pacing.attach(rekognition)
    sqs = client("sqs", read_timeout_seconds=2, attempts=2)
    records = wiring.records
    use = ModelUse(wiring.model_arn, environment.optional_number("MIN_CONFIDENCE"))
    return Analysis(
        labelling=Labelling(
            Detector(rekognition, use),
            Store(client("s3", connections=MAX_CONCURRENT_IMAGES), source.bucket, final, final_prefix),
        ),
        queue=ImageQueue(sqs, environment.text("QUEUE_URL")),
        dead_letters=DeadLetters(sqs, environment.text("DEAD_LETTER_QUEUE_URL")),
        suspects=Suspects(lambda run_id: _has_labelled(records, run_id)),
        pacing=pacing,
        source=source,
        records=records,
        read_state=wiring.states.read,
    )


class _Processor(BatchProcessor):
    """Powertools' processor of partial batches, with several messages at work at once.

    Most of an image's time is waiting for answers, which threads of one environment can do side by side.
    https://docs.aws.amazon.com/powertools/python/latest/utilities/batch/#extending-batchprocessor
    """

    at_once = 1

    def process(self) -> list[tuple]:
        """Process all messages; those that could not be kept are reported by the base class."""
        if self.at_once == 1:
            return super().process()
        with futures.ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(self._process_record, self.records))


_processor = _Processor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Label a batch. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    analysis = _analysis()
    batch, run_id, at_once = analysis.begin(lambda: context.get_remaining_time_in_millis() / 1000)
    _processor.at_once = at_once
    logger.append_keys(run_id=run_id)
    response = process_partial_response(event=event, record_handler=batch.handle, processor=_processor, context=context)
    counts = batch.counts()
    for name, value in {
        "ImagesProcessed": counts.processed,
        "ImagesFailed": counts.failed,
        "ImagesSetAside": counts.dead_lettered,
        "MessagesDeferred": batch.deferred,
        "DetectionsThrottled": counts.throttled,
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    if run_id is not None and counts != BatchCounts():
        analysis.count(run_id, counts)
    return response
