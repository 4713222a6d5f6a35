"""Lambda handler: labels a batch of SQS messages, and answers which of them Lambda must not delete."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from analyze_image.analysis import Analysis, add_finished, has_labelled
from analyze_image.announcements import Announcements
from analyze_image.batch import COUNT_SECONDS, Batch
from analyze_image.detector import Detector
from analyze_image.documents import InferenceSettings
from analyze_image.labelling import Labelling
from analyze_image.lines import Stream
from analyze_image.partial_batch import PartialResponse, handle_all
from analyze_image.poison import PoisonDetector
from analyze_image.rate_limiter import AdaptiveRateLimiter
from analyze_image.requeued_messages import RequeuedMessages
from analyze_image.store import KNOWS_ANNOTATIONS, Store, send_condition
from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.dead_letter_queue import DeadLetterQueue
from shared.image_queue import ImageQueue
from shared.request_rate import MAX_CONCURRENT_IMAGES
from shared.retry_state import RetryState
from shared.telemetry import MetricUnit, logger, metrics, traced
from shared.warm_up import is_warm_up
from shared.wiring import Wiring, image_source

# The queue's maxReceiveCount is 6. At this receive a finished message is acknowledged although it was not counted.
MAX_RECEIVES_TO_COUNT = 5


@cache
def _analysis() -> Analysis:
    source = image_source()
    final, final_prefix = environment.text("FINAL_BUCKET_NAME"), environment.optional_text("FINAL_PREFIX")
    wiring = Wiring(read_timeout_seconds=2, attempts=2)
    # batch.py adds up the longest time that calls of these clients can take.
    rekognition = client("rekognition", read_timeout_seconds=10, attempts=2, connections=MAX_CONCURRENT_IMAGES)
    rate_limiter = AdaptiveRateLimiter()
    rate_limiter.attach(rekognition)
    sqs = client("sqs", read_timeout_seconds=2, attempts=2)
    s3 = client("s3", connections=MAX_CONCURRENT_IMAGES)
    # An image as large takes no detection, so there is time for one such copy.
    patient_s3 = s3 if KNOWS_ANNOTATIONS else client("s3", read_timeout_seconds=60, attempts=1)
    for each in (s3, patient_s3):
        send_condition(each)
    settings = InferenceSettings(
        wiring.model_arn,
        environment.optional_number("MIN_CONFIDENCE"),
        environment.numbers_by_name("LABEL_THRESHOLDS"),
        environment.optional_number("CANDIDATE_MIN_CONFIDENCE"),
    )
    alert_labels = environment.numbers_by_name("ALERT_LABELS")
    return Analysis(
        labelling=Labelling(
            Detector(rekognition, settings),
            Store(s3, source.bucket, final, final_prefix, patient_s3=patient_s3),
        ),
        queue=ImageQueue(sqs, environment.text("QUEUE_URL")),
        requeued_messages=RequeuedMessages(wiring.items),
        dead_letters=DeadLetterQueue(sqs, environment.text("DEAD_LETTER_QUEUE_URL")),
        poison=PoisonDetector(lambda run_id: has_labelled(wiring.records, run_id)),
        rate_limiter=rate_limiter,
        source=source,
        announcements=Announcements(alert_labels, wiring.bus() if alert_labels else None, _stream()),
        records=wiring.records,
        read_state=wiring.states.read,
    )


def _stream() -> Stream | None:
    name = environment.optional_text("STREAM_NAME")
    return Stream(client("firehose", read_timeout_seconds=2, attempts=1), name) if name else None


build_now(_analysis)


@logger.inject_lambda_context(clear_state=True)
@traced
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialResponse:
    """Label a batch. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    if is_warm_up(event):
        return {"batchItemFailures": []}
    analysis = _analysis()
    run = analysis.start_batch()
    logger.append_keys(run_id=run.run_id)
    batch_id = context.aws_request_id

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    batch = Batch(analysis, batch_id, run.run_id, seconds_left)
    response = handle_all(event["Records"], batch.handle, run.images_at_once)
    uncounted = batch.counts()
    counts = add_finished(uncounted, batch.finished, {image.counted: image for image in batch.finished if image.is_now})
    for name, value in {
        "ImagesProcessed": counts.processed,
        "ImagesFailed": counts.failed,
        "ImagesDeadLettered": counts.dead_lettered,
        "MessagesRequeued": batch.requeued,
        "DetectionsThrottled": counts.throttled,
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    if batch.requeued:
        metrics.add_metric(name="OldestImageAgeSeconds", unit=MetricUnit.Seconds, value=batch.oldest_requeued_seconds)
    is_announced = analysis.announce(batch_id, batch.finished, seconds_left() - COUNT_SECONDS)
    to_count = batch.finished if is_announced else []
    is_counted = run.run_id is not None and analysis.count(run.run_id, batch_id, uncounted, to_count)
    if not (is_announced and is_counted):
        _keep_uncounted(event, batch, response)
    return response


def _keep_uncounted(event: dict[str, Any], batch: Batch, response: PartialResponse) -> None:
    """Let SQS deliver finished messages again, so that a later batch tells of their images and counts them.

    A message that was received often goes, because it would be dead-lettered although its image is done.
    """
    finished = {image.message_id for image in batch.finished}
    finished -= {item["itemIdentifier"] for item in response["batchItemFailures"]}
    for record in event["Records"]:
        if record["messageId"] not in finished:
            continue
        if RetryState.read(record).receives >= MAX_RECEIVES_TO_COUNT:
            logger.error(
                "an image was not counted, so no receipt will have it, and perhaps nobody is told of it",
                message_id=record["messageId"],
            )
        else:
            response["batchItemFailures"].append({"itemIdentifier": record["messageId"]})
