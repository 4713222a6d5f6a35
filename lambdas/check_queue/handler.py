"""Lambda handler: `{"run_id": …, "phase": "before_start" | "draining" | "closed", "drain_state": state | null}`.

The phase "before_start" also takes `"scheduled": bool`, and "closed" `"take_more": bool`.
"""

import time
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from check_queue.daily_cap import DailyCap
from check_queue.finished_images import FinishedImages
from check_queue.logic import DrainState
from check_queue.queue_checks import QueueChecks
from check_queue.source_images import SourceImages
from check_queue.start_gate import Gate
from check_queue.waiting_images import WaitingImages
from shared import environment
from shared.clients import client
from shared.cold_start import build_now
from shared.dead_letter_queue import DeadLetterQueue
from shared.errors import ConfigurationError
from shared.failed_starts import FailedStartsStore
from shared.image_queue import PeekableQueue
from shared.telemetry import logger, metrics, traced
from shared.wiring import Wiring, image_source

ANALYSIS_SECONDS = 130


@cache
def _queue_checks() -> QueueChecks:
    wiring, sqs, s3 = Wiring(), client("sqs"), client("s3")
    source = image_source()
    dead_letters = DeadLetterQueue(sqs, environment.text("DEAD_LETTER_QUEUE_URL"))
    # One attempt: the analysis lives for 120 s, and the answer of a second one would say less.
    functions = client("lambda", read_timeout_seconds=ANALYSIS_SECONDS, attempts=1)
    finished = FinishedImages(functions, environment.text("ANALYZE_FUNCTION_NAME"))
    schedule_minutes = environment.optional_number("SCHEDULE_MINUTES")
    return QueueChecks(
        PeekableQueue(sqs, environment.text("QUEUE_URL"), dead_letters, source, finished.finish),
        SourceImages(s3, wiring.items),
        WaitingImages(
            # The model costs while the answer is waited for, and a poll can do without one.
            client("s3", read_timeout_seconds=3, attempts=2),
            source,
            environment.text("SOURCE_EVENTS"),
            dead_letters,
        ),
        wiring.lease(),
        wiring.states,
        wiring.records,
        FailedStartsStore(wiring.items),
        fingerprint=environment.text("FINGERPRINT"),
        max_run=timedelta(minutes=environment.integer("MAX_RUN_MINUTES")),
        gate=Gate(
            min_backlog=environment.integer("MIN_BACKLOG"),
            max_wait_seconds=environment.number("MAX_WAIT_MINUTES") * 60,
            schedule_seconds=None if schedule_minutes is None else schedule_minutes * 60,
        ),
        cap=DailyCap(environment.optional_number("MAX_MODEL_HOURS_PER_DAY"), wiring.usage),
        pause=time.sleep,
    )


build_now(_queue_checks)


@logger.inject_lambda_context(clear_state=True)
@traced
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Return `{decision, visible, in_flight, delayed, backlog, drain_state, wait_seconds}`."""
    run_id = event["run_id"]
    logger.append_keys(run_id=run_id)
    before = DrainState.from_workflow(event.get("drain_state"))
    match event["phase"]:
        case "before_start":
            return _queue_checks().before_start(run_id, scheduled=event["scheduled"])
        case "draining":
            return _queue_checks().draining(run_id, before)
        case "closed":
            return _queue_checks().closed(run_id, before, take_more=event["take_more"])
        case phase:
            raise ConfigurationError(f"phase must be before_start, draining or closed, not {phase!r}")
