"""One batch of messages: labels every image of every message, and keeps the messages whose images are not finished.

`handle` returns when Lambda may delete the message: its images are finished, or it was requeued or
dead-lettered. Otherwise it raises, and SQS redelivers the message after the visibility timeout.

A message may tell of many images. What is sent again tells only of those that are left, so each pass has less to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.analysis import Analysis, FinishedImage
from analyze_image.errors import DeadlineError, ErrorClass, classify, describe, error_code_of, may_concern_one_object
from analyze_image.labelling import Attempt, ImageOutcome
from analyze_image.rate_limiter import MAX_WAIT_SECONDS
from analyze_image.requeue import (
    MAX_DEFERRED_SECONDS,
    MAX_DELAY_SECONDS,
    MAX_OBJECT_DEFERRED_SECONDS,
    MAX_OBJECT_DELAY_SECONDS,
    delay_after_deferral,
    delay_after_failure,
)
from shared.clients import CONNECT_TIMEOUT_SECONDS
from shared.retry_state import RetryState, mark_of
from shared.run_record import BatchCounts, CountedImage
from shared.s3_events import Upload, part_of, uploads_in
from shared.telemetry import logger

# The longest time that calls can take, each with the longest connect and an answer that never comes. handler.py makes
# the clients, and a test compares them with these sums. Between attempts botocore waits up to 1 s, then up to 2 s.
DETECT_SECONDS = 2 * (MAX_WAIT_SECONDS + CONNECT_TIMEOUT_SECONDS + 10) + 1
S3_CALL_SECONDS = 3 * (CONNECT_TIMEOUT_SECONDS + 5) + 1 + 2
SEND_SECONDS = 2 * (CONNECT_TIMEOUT_SECONDS + 2) + 1
COUNT_SECONDS = 2 * (CONNECT_TIMEOUT_SECONDS + 2) + 1

# Time to requeue a message and to count the batch. With less left, it is not requeued.
REQUEUE_SECONDS = SEND_SECONDS + COUNT_SECONDS
# Time for an image that fails at the last moment. With less left, no image is started: 96 of the function's 120 s.
ONE_IMAGE_SECONDS = DETECT_SECONDS + S3_CALL_SECONDS + REQUEUE_SECONDS

MAX_LOGGED_BODY_CHARACTERS = 500


@dataclass(frozen=True)
class Message:
    """One message: what it carries, and which of its uploads is being processed. None: not one was read yet.

    `done` of its `records` are finished; the next one is the upload, and `state` is its state.
    """

    message_id: str
    body: str
    state: RetryState
    upload: Upload | None = None
    records: int = 1
    done: int = 0

    @property
    def image(self) -> str:
        """What tells the image from others. A message that could not be read stands for itself."""
        return str(self.upload) if self.upload else f"message {self.message_id}"

    @property
    def body_of_rest(self) -> str:
        """The message without the records that are finished."""
        return part_of(self.body, slice(self.done, None)) if self.done else self.body

    @property
    def body_of_upload(self) -> str:
        """The message with this record alone."""
        return part_of(self.body, slice(self.done, self.done + 1)) if self.records > 1 else self.body

    def after_this_record(self) -> Message:
        """Return the message with this record finished."""
        return replace(self, done=self.done + 1, state=self.state.of_next_record())

    def log_keys(self) -> dict[str, Any]:
        """Return what every log line about the message says."""
        return {
            "image": self.image,
            "message_id": self.message_id,
            "receives": self.state.receives,
            "deferrals": self.state.deferrals,
            "attempts": self.state.attempts,
            "counted_failures": self.state.counted_failures,
            "waited_seconds": self.state.waited_seconds(time.time()),
        }


@dataclass
class Failure:
    """Why a message is not finished. `blocked_reason` is set once the run knows that it may concern every image.

    `is_tried`: the error is this image's, and not another's that stopped the batch.
    """

    message: Message
    error: Exception
    error_class: ErrorClass
    is_tried: bool = True
    blocked_reason: str | None = None

    @property
    def reason(self) -> str:
        """The error as one readable sentence."""
        return describe(self.error) if self.is_tried else f"not tried, because of {describe(self.error)}"

    def log_keys(self) -> dict[str, Any]:
        """Return what every log line about the failure says."""
        keys = self.message.log_keys() | {"error_class": self.error_class.name, "reason": self.reason}
        return keys if self.blocked_reason is None else keys | {"blocked_reason": self.blocked_reason}


class NotTriedError(Exception):
    """An error that another image met stopped the batch before this image."""

    def __init__(self, stopped_by: Exception) -> None:
        super().__init__(str(stopped_by))
        self.stopped_by = stopped_by


class AlreadyRequeuedError(Exception):
    """The message was requeued before, and is only there because its deletion failed."""


class Batch:
    """Processes the messages of one invocation in several threads: shared state is written under a lock."""

    def __init__(
        self, analysis: Analysis, batch_id: str, run_id: str | None, seconds_left: Callable[[], float]
    ) -> None:
        self._analysis = analysis
        self._batch_id = batch_id
        self._run_id = run_id
        self._seconds_left = seconds_left
        # The error that ends the whole batch.
        self._stopped_by: Exception | None = None
        # The images with a result, also those of earlier attempts, and the others that left the queue.
        self.finished: list[FinishedImage] = []
        self._labelled = 0
        self._nothing_to_do = 0
        self._dead_lettered = 0
        self._blocked = 0
        self._blocked_reason: str | None = None
        self.requeued = 0
        # How long the oldest of the requeued images has waited since its upload.
        self.oldest_requeued_seconds = 0
        self._lock = Lock()

    def handle(self, record: Mapping[str, Any]) -> None:
        """Label the images of one message, or keep the message."""
        message = Message(record["messageId"], record["body"], RetryState.read(record))
        marked = message.state.uncopied
        try:
            uploads = uploads_in(message.body, self._analysis.source)
            for upload in uploads:
                message = replace(message, upload=upload, records=len(uploads))
                self._raise_if_not_to_start()
                mark = mark_of(upload)
                attempt = Attempt(
                    marked == mark, self._analysis.poison.has_labelled, self._batch_id, run_id=self._run_id
                )
                try:
                    outcome = self._analysis.labelling.label(
                        upload, redelivered=message.state.redelivered, attempt=attempt
                    )
                finally:
                    if attempt.uncopied or marked == mark:
                        state = replace(message.state, uncopied=mark if attempt.uncopied else "")
                        message = replace(message, state=state)
                self._finish(outcome, message, mark, attempt)
                logger.info("image finished", outcome=outcome.value, **message.log_keys())
                message = message.after_this_record()
        except NotTriedError as error:
            self._keep(Failure(message, error.stopped_by, classify(error.stopped_by), is_tried=False))
        except Exception as error:
            self._keep(Failure(message, error, classify(error)))

    def counts(self) -> BatchCounts:
        """Return what became of the messages so far, without the finished images."""
        rate_limiter = self._analysis.rate_limiter
        return BatchCounts(
            labelled=self._labelled,
            nothing_to_do=self._nothing_to_do,
            dead_lettered=self._dead_lettered,
            blocked=self._blocked,
            blocked_reason=self._blocked_reason,
            throttled=rate_limiter.throttled_calls,
            first_detection_at=rate_limiter.first_call_at,
            last_detection_at=rate_limiter.last_answer_at,
        )

    def _raise_if_not_to_start(self) -> None:
        if self._stopped_by is not None:
            raise NotTriedError(self._stopped_by)
        if self._seconds_left() < ONE_IMAGE_SECONDS:
            raise DeadlineError("too little time is left in this invocation")

    def _finish(self, outcome: ImageOutcome, message: Message, mark: str, attempt: Attempt) -> None:
        is_first_delivery = message.state.receives == 1
        is_now = outcome in (ImageOutcome.PROCESSED, ImageOutcome.FAILED)
        with self._lock:
            if is_now or (outcome is ImageOutcome.ALREADY_DONE and attempt.claimed_by):
                image = CountedImage(attempt.claimed_by or self._batch_id, mark)
                self.finished.append(
                    FinishedImage(
                        image, attempt.is_failure, is_now, message.message_id, is_first_delivery, attempt.document
                    )
                )
            elif is_first_delivery:
                # SQS may deliver a message again whose images are gone, which is no progress of the run.
                self._nothing_to_do += 1
            if outcome is ImageOutcome.PROCESSED and attempt.claimed_by == self._batch_id:
                # A claim of an earlier batch does not show that the model works now.
                self._labelled += 1
                self._analysis.poison.labelled()

    def _keep(self, failure: Failure) -> None:
        if self._seconds_left() < REQUEUE_SECONDS:
            logger.error(
                "out of time to requeue; SQS redelivers this message after the visibility timeout",
                **failure.log_keys(),
            )
            raise failure.error
        try:
            self._follow(failure)
        except (ClientError, BotoCoreError) as error:
            if classify(error) in (ErrorClass.BLOCKED, ErrorClass.REFUSED) and failure.blocked_reason is None:
                self._note_blocked(failure, describe(error))
            logger.exception(
                "could not send the message; SQS redelivers it after the visibility timeout", **failure.log_keys()
            )
            raise

    def _follow(self, failure: Failure) -> None:
        match failure.error_class:
            case ErrorClass.NOT_AN_UPLOAD:
                self._dead_letter_unexpected(failure)
            case ErrorClass.DEADLINE:
                self._defer(failure, max_delay_seconds=0)
            case ErrorClass.BLOCKED:
                with self._lock:
                    self._stopped_by = failure.error
                self._note_blocked(failure, describe(failure.error))
                if failure.is_tried:
                    logger.error("labelling is blocked for every image; requeueing the batch", **failure.log_keys())
                self._defer(failure)
            case ErrorClass.THROTTLED:
                with self._lock:
                    # An error that blocks everything says more than a throttle.
                    self._stopped_by = self._stopped_by or failure.error
                self._defer(failure)
            case ErrorClass.S3_TRANSIENT:
                self._defer(failure, MAX_OBJECT_DELAY_SECONDS, MAX_OBJECT_DEFERRED_SECONDS)
            case _:
                self._judge(failure)

    def _note_blocked(self, failure: Failure, reason: str) -> None:
        """Let the run know that an image was refused for a reason that may concern every image."""
        failure.blocked_reason = reason
        with self._lock:
            self._blocked += 1
            self._blocked_reason = reason

    def _defer(
        self,
        failure: Failure,
        max_delay_seconds: int = MAX_DELAY_SECONDS,
        max_deferred_seconds: int = MAX_DEFERRED_SECONDS,
    ) -> None:
        before, now = failure.message.state, time.time()
        delay = delay_after_deferral(before.deferrals, max_delay_seconds)
        state = before.deferred(now)
        failure.message = replace(failure.message, state=state)
        if state.deferred_seconds(now) >= max_deferred_seconds:
            hours = state.deferred_seconds(now) // 3600
            self._dead_letter(failure, f"deferred {state.deferrals} times in {hours} hours")
            return
        self._requeue(failure.message, delay)
        logger.warning("image deferred; message requeued", retry_in_seconds=delay, **failure.log_keys())

    def _judge(self, failure: Failure) -> None:
        before, poison = failure.message.state, self._analysis.poison
        is_refusal = failure.error_class is ErrorClass.REFUSED
        with self._lock:
            judgement = (
                poison.refused(failure.message.image, before, may_concern_one=may_concern_one_object(failure.error))
                if is_refusal
                else poison.failed(failure.message.image, before)
            )
        failure.message = replace(failure.message, state=judgement.state)
        if judgement.concerns_all:
            self._note_blocked(failure, describe(failure.error))
        if judgement.should_dead_letter:
            self._dead_letter(failure, f"failed {judgement.state.attempts} times")
            return
        if judgement.should_defer:
            self._defer(failure)
            return
        delay = delay_after_failure(before.attempts)
        self._requeue(failure.message, delay)
        logger.error(
            f"image {'refused' if is_refusal else 'failed'}; message requeued",
            retry_in_seconds=delay,
            exc_info=failure.error,
            **failure.log_keys(),
        )

    def _dead_letter(self, failure: Failure, tries: str) -> None:
        message = failure.message
        self._analysis.dead_letters.send(
            message.body_of_upload,
            code=error_code_of(failure.error),
            reason=f"{failure.reason} ({tries})",
            run_id=self._run_id,
            uncopied=message.state.uncopied,
        )
        rest = message.after_this_record()
        if rest.done < rest.records:
            self._requeue(rest, 0)
        with self._lock:
            self._analysis.poison.discard(failure.message.image)
            self._dead_lettered += 1
        logger.error(
            "image dead-lettered; it stays in the source bucket",
            what_to_do="read the reason, fix it, and send the message back with `clb redrive`",
            exc_info=failure.error,
            **failure.log_keys(),
        )

    def _dead_letter_unexpected(self, failure: Failure) -> None:
        self._analysis.dead_letters.send(
            failure.message.body, code=error_code_of(failure.error), reason=str(failure.error), run_id=self._run_id
        )
        logger.error(
            "not an S3 upload event; moved to the dead-letter queue",
            what_to_do="find out who sends to this queue",
            body=failure.message.body[:MAX_LOGGED_BODY_CHARACTERS],
            **failure.log_keys(),
        )

    def _requeue(self, message: Message, delay_seconds: int) -> None:
        # Of a message with many records, what is requeued is shorter each time.
        is_whole = message.done == 0
        if is_whole and message.state.receives > 1 and self._analysis.requeued_messages.has(message.message_id):
            logger.warning("message was requeued already; SQS redelivers it by itself", **message.log_keys())
            raise AlreadyRequeuedError(f"{message.image} was requeued, and this message could not be deleted")
        self._analysis.queue.requeue(message.body_of_rest, message.state, delay_seconds)
        if is_whole and self._seconds_left() > REQUEUE_SECONDS + COUNT_SECONDS:
            self._analysis.requeued_messages.record(message.message_id)
        with self._lock:
            self.requeued += 1
            waited = message.state.waited_seconds(time.time()) or 0
            self.oldest_requeued_seconds = max(self.oldest_requeued_seconds, waited)
