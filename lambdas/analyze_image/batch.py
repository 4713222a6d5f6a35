"""One batch of messages: every image of every message, and what becomes of those that cannot be done now.

`handle` returns when a message may be deleted: it is done, its copy is in the queue, or it is set aside. It raises only
when none of that was possible; then the message stays where it is and comes back after the visibility timeout.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.comeback import History, ImageQueue, mark_of
from analyze_image.faults import Fault, NotEnoughTimeError, code_of, fault_of, may_be_of_one_object, reason_of
from analyze_image.labelling import Attempt, Ending, Labelling
from analyze_image.pacing import LONGEST_WAIT_SECONDS, Pacing
from analyze_image.suspects import Suspects
from analyze_image.upload import uploads_in
from shared.dead_letters import DeadLetters
from shared.run_record import BatchCounts
from shared.s3_events import Source
from shared.telemetry import logger

# What the calls may take at the worst, each with a connection that takes 3 s and an answer that never comes (the
# clients are made in handler.py).
DETECT_SECONDS = 2 * (LONGEST_WAIT_SECONDS + 3 + 10) + 1  # two attempts, up to a second of back-off between them
S3_CALL_SECONDS = 3 * (3 + 5) + 1 + 2
SEND_SECONDS = 2 * (3 + 2) + 1
COUNT_SECONDS = 2 * (3 + 2) + 1

# Time to give a message back and to count the batch. With less left, a copy is not begun.
GIVING_BACK_SECONDS = SEND_SECONDS + COUNT_SECONDS
# Time for one image that fails at the worst moment. With less left, an image is not begun: 96 of the function's 120 s.
ONE_IMAGE_SECONDS = DETECT_SECONDS + S3_CALL_SECONDS + GIVING_BACK_SECONDS

LOGGED_BODY_CHARACTERS = 500


class Batch:
    """Handles the messages of one invocation, several at once: what they share is written under a lock."""

    def __init__(
        self,
        labelling: Labelling,
        pacing: Pacing,
        queue: ImageQueue,
        dead_letters: DeadLetters,
        suspects: Suspects,
        source: Source,
        run_id: str | None,
        seconds_left: Callable[[], float],
    ) -> None:
        self._labelling = labelling
        self._pacing = pacing
        self._queue = queue
        self._dead_letters = dead_letters
        self._suspects = suspects
        self._source = source
        self._run_id = run_id
        self._seconds_left = seconds_left
        # The fault that speaks for the whole batch.
        self._stopped_by: Exception | None = None
        self._endings: Counter[Ending] = Counter()
        self._set_aside = 0
        self._refused = 0
        self._refusal: str | None = None
        self.deferred = 0
        self._lock = Lock()

    def handle(self, record: SQSRecord) -> None:
        """Label the images that one message tells of, or see to it that the message is kept."""
        history = History.of(record)
        details: dict[str, Any] = {
            "image": None,
            "message_id": record.message_id,
            "receives": history.receives,
            "deferrals": history.deferrals,
            "attempts": history.attempts,
            "waited_seconds": history.waited_seconds(time.time()),
        }
        marked = history.lacks_copy
        try:
            for upload in uploads_in(record.body, self._source):
                details["image"] = str(upload)
                self._raise_if_not_to_begin()
                mark = mark_of(upload)
                attempt = Attempt(marked == mark, self._suspects.model_labels)
                try:
                    ending = self._labelling.label(upload, redelivered=history.redelivered, attempt=attempt)
                finally:
                    if attempt.lacks_copy or marked == mark:
                        history = replace(history, lacks_copy=mark if attempt.lacks_copy else "")
                with self._lock:
                    self._endings[ending] += 1
                    if ending is Ending.PROCESSED:
                        self._suspects.labelled()
                    if ending in (Ending.PROCESSED, Ending.FAILED):
                        self._suspects.finished()
                logger.info("image done", ending=ending.value, **details)
        except Exception as error:
            self._keep(record.body, history, error, details)

    def counts(self) -> BatchCounts:
        """Return what became of the messages so far."""
        processed, failed = self._endings[Ending.PROCESSED], self._endings[Ending.FAILED]
        return BatchCounts(
            processed=processed,
            failed=failed,
            already_done=self._endings.total() - processed - failed,
            dead_lettered=self._set_aside,
            blocked=self._refused,
            blocked_reason=self._refusal,
            throttled=self._pacing.throttled,
            first_detection_at=self._pacing.first_call_at,
            last_detection_at=self._pacing.last_answer_at,
        )

    def _raise_if_not_to_begin(self) -> None:
        if self._stopped_by is not None:
            raise self._stopped_by
        if self._seconds_left() < ONE_IMAGE_SECONDS:
            raise NotEnoughTimeError("too little time is left in this invocation")

    def _keep(self, body: str, history: History, error: Exception, details: dict[str, Any]) -> None:
        fault = fault_of(error)
        details.update(fault=fault.name, reason=reason_of(error))
        if self._seconds_left() < GIVING_BACK_SECONDS:
            logger.error(
                "no time left to send this message again: it comes back after the visibility timeout", **details
            )
            raise error
        try:
            self._follow(fault, body, history, error, details)
        except (ClientError, BotoCoreError) as failure:
            if fault_of(failure) in (Fault.BLOCKED, Fault.REFUSED) and "refusal" not in details:
                self._note_refusal(reason_of(failure), details)
            logger.exception("this message could not be sent: it comes back after the visibility timeout", **details)
            raise

    def _follow(self, fault: Fault, body: str, history: History, error: Exception, details: dict[str, Any]) -> None:
        is_first = error is not self._stopped_by
        match fault:
            case Fault.FOREIGN:
                self._set_foreign_aside(body, error, details)
            case Fault.NO_TIME:
                self._send_again(body, history, 0)
                logger.info("image not begun for lack of time: its message goes back at once", **details)
            case Fault.BLOCKED:
                with self._lock:
                    self._stopped_by = error
                self._note_refusal(reason_of(error), details)
                if is_first:
                    logger.error("nothing can be labelled now: the batch goes back", **details)
                self._put_off(body, history, details)
            case Fault.CONGESTED:
                with self._lock:
                    # What blocks everything says more than that it is asked too often.
                    self._stopped_by = self._stopped_by or error
                self._put_off(body, history, details)
            case Fault.BUSY:
                self._put_off(body, history, details)
            case Fault.REFUSED:
                self._judge_refusal(body, history, error, details)
            case _:
                self._suspect(body, history, error, details)

    def _note_refusal(self, refusal: str, details: dict[str, Any]) -> None:
        """Let the run know that an image was refused for a reason that may be everybody's."""
        details["refusal"] = refusal
        with self._lock:
            self._refused += 1
            self._refusal = refusal

    def _put_off(self, body: str, history: History, details: dict[str, Any]) -> None:
        delay = history.delay_after_deferral()
        self._send_again(body, history.put_off(), delay)
        logger.warning("image put off: its message comes back", comes_back_in_seconds=delay, **details)

    def _suspect(self, body: str, history: History, error: Exception, details: dict[str, Any]) -> None:
        image = str(details["image"])
        with self._lock:
            after = self._suspects.failed(image, history)
        details.update(attempts=after.attempts, held_against=after.held_against)
        if not self._suspects.is_given_up(after):
            delay = history.delay_after_failure()
            self._send_again(body, after, delay)
            logger.error("image failed: its message comes back", comes_back_in_seconds=delay, exc_info=error, **details)
            return
        self._give_up(body, after, error, details)

    def _judge_refusal(self, body: str, history: History, error: Exception, details: dict[str, Any]) -> None:
        with self._lock:
            judgement = self._suspects.refused(
                str(details["image"]), history, may_be_its_own=may_be_of_one_object(error)
            )
        after = judgement.history
        details.update(attempts=after.attempts, held_against=after.held_against)
        if judgement.is_of_all:
            self._note_refusal(reason_of(error), details)
        if judgement.is_given_up:
            self._give_up(body, after, error, details)
            return
        is_put_off = after.deferrals > history.deferrals
        delay = history.delay_after_deferral() if is_put_off else history.delay_after_failure()
        self._send_again(body, after, delay)
        logger.error("image refused: its message comes back", comes_back_in_seconds=delay, exc_info=error, **details)

    def _give_up(self, body: str, history: History, error: Exception, details: dict[str, Any]) -> None:
        self._dead_letters.set_aside(
            body,
            code=code_of(error),
            reason=f"{reason_of(error)} (failed {history.attempts} times)",
            run_id=self._run_id,
            lacks_copy=history.lacks_copy,
        )
        with self._lock:
            self._suspects.forget(str(details["image"]))
            self._set_aside += 1
        logger.error(
            "image given up: it stays in the source bucket, and its message is in the dead-letter queue",
            what_to_do="look at the reason, put it right, and bring the message back with `make redrive`",
            exc_info=error,
            **details,
        )

    def _set_foreign_aside(self, body: str, error: Exception, details: dict[str, Any]) -> None:
        self._dead_letters.set_aside(body, code=code_of(error), reason=str(error), run_id=self._run_id)
        logger.error(
            "this message is no image upload: the dead-letter queue keeps it",
            what_to_do="find out who sends to this queue",
            body=body[:LOGGED_BODY_CHARACTERS],
            **details,
        )

    def _send_again(self, body: str, history: History, delay_seconds: int) -> None:
        self._queue.send_again(body, history, delay_seconds)
        with self._lock:
            self.deferred += 1
