"""The image queue: its counts, whether an image is in it, and how messages are sent to it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.clients import calling
from shared.dead_letter_queue import DeadLetterQueue
from shared.retry_state import REQUEUED, RetryState
from shared.s3_events import Source, UnexpectedMessage, Upload, uploads_in
from shared.sqs import MESSAGES_PER_CALL, Backlog, count_messages

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

# A look goes through thousands of messages in this time. What is still unread then counts as images: to find out costs
# less with the model than to let an image wait behind a flood.
LOOK_SECONDS = 120
# Enough time for ten messages; after a crash they are visible again before the model has started.
LOOK_VISIBILITY_SECONDS = 30
LOOK_WAIT_SECONDS = 2

SEND_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2


class MessagesNotSent(Exception):  # noqa: N818 - the name is shown in the console as an execution's error
    """SQS did not accept all messages."""


@dataclass
class Look:
    """What a look into the queue found: the first image that exists, and how many messages were none.

    `is_complete`: nothing was left to read. Otherwise the look ended at an image, or its time was over.
    """

    image: Upload | None = None
    test_events: int = 0
    unexpected: int = 0
    gone: int = 0
    is_complete: bool = False


class ImageQueue:
    """The SQS queue to which S3 sends its events."""

    def __init__(self, sqs: SQSClient, url: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._sqs = sqs
        self._url = url
        self._pause = pause

    def count(self) -> Backlog:
        """Return the approximate counts."""
        return count_messages(self._sqs, self._url)

    def requeue(self, body: str, state: RetryState, delay_seconds: int) -> None:
        """Send a copy of a message. The caller reports the original as done afterwards, not before.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        with calling("SendMessage", self._url):
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_seconds, MessageAttributes=state.attributes()
            )

    def send_all(self, bodies: Sequence[str]) -> dict[int, str]:
        """Send messages; return why SQS refuses some for good, by their places in `bodies`.

        Error: MessagesNotSent, after all others were sent, when SQS could not accept some in SEND_ATTEMPTS attempts.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
        """
        refused: dict[int, str] = {}
        waiting = dict(enumerate(bodies))
        failed: dict[int, BatchResultErrorEntryTypeDef] = {}
        for attempt in range(SEND_ATTEMPTS):
            if attempt:
                self._pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            failed = {int(failure["Id"]): failure for failure in self._send(waiting)}
            refused |= {place: _reason(failure) for place, failure in failed.items() if failure.get("SenderFault")}
            waiting = {place: waiting[place] for place in failed if place not in refused}
            if not waiting:
                return refused
        raise MessagesNotSent(
            f"SQS did not accept {len(waiting)} of {len(bodies)} messages in {SEND_ATTEMPTS} attempts: "
            f"{_reason(failed[next(iter(waiting))])}"
        )

    def _send(self, bodies: dict[int, str]) -> Iterator[BatchResultErrorEntryTypeDef]:
        """Send messages by tens, and yield what SQS did not accept."""
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(place), "MessageBody": body, "MessageAttributes": REQUEUED} for place, body in bodies.items()
        ]
        for first in range(0, len(entries), MESSAGES_PER_CALL):
            ten = entries[first : first + MESSAGES_PER_CALL]
            yield from self._sqs.send_message_batch(QueueUrl=self._url, Entries=ten).get("Failed", [])


class PeekableQueue(ImageQueue):
    """The image queue, and whether an image is in it."""

    def __init__(
        self,
        sqs: SQSClient,
        url: str,
        dead_letters: DeadLetterQueue,
        source: Source,
        finish: Callable[[Sequence[MessageTypeDef]], set[str]],
        epoch: Callable[[], float] = time.time,
    ) -> None:
        """`finish` takes messages that came before and whose images are gone; it returns the IDs of those to delete."""
        super().__init__(sqs, url)
        self._finish = finish
        self._dead_letters = dead_letters
        self._source = source
        self._epoch = epoch

    def look(self, run_id: str, exists: Callable[[Upload], bool]) -> Look:
        """Read messages until one is about an upload that `exists`, nothing comes, or LOOK_SECONDS are over.

        Deletes S3's test events and messages whose uploads are all gone, and dead-letters unexpected ones. Of messages
        that came before, an image may be gone because it has its result, which is counted first. A message about an
        image becomes visible again. Its read counts as a receive, for which maxReceiveCount has room.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        look, ends_at = Look(), self._epoch() + LOOK_SECONDS
        while look.image is None and self._epoch() < ends_at:
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                VisibilityTimeout=LOOK_VISIBILITY_SECONDS,
                WaitTimeSeconds=LOOK_WAIT_SECONDS,
                AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not messages:
                look.is_complete = True
                break
            came_before = []
            for message in messages:
                gone_before = look.gone
                if not self._is_no_image(message["Body"], look, run_id, exists):
                    self._put_back(message)
                elif look.gone > gone_before and _came_before(message):
                    came_before.append(message)
                else:
                    self._delete(message)
            if came_before and not self._finish_all(came_before):
                # The trigger hands them to the analysis instead.
                break
        return look

    def _finish_all(self, messages: Sequence[MessageTypeDef]) -> bool:
        finished = self._finish(messages)
        for message in messages:
            if message["MessageId"] in finished:
                self._delete(message)
            else:
                self._put_back(message)
        return len(finished) == len(messages)

    def _delete(self, message: MessageTypeDef) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _put_back(self, message: MessageTypeDef) -> None:
        handle = message["ReceiptHandle"]
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)

    def _is_no_image(self, body: str, look: Look, run_id: str, exists: Callable[[Upload], bool]) -> bool:
        """Note in `look` what one message is, unless an image was found before; return whether to delete it."""
        if look.image is not None:
            return False
        try:
            uploads = uploads_in(body, self._source)
        except UnexpectedMessage as error:
            look.unexpected += 1
            self._dead_letters.send(body, code=UnexpectedMessage.__name__, reason=str(error), run_id=run_id)
            return True
        look.image = next((upload for upload in uploads if exists(upload)), None)
        if look.image is None and uploads:
            look.gone += 1
        elif look.image is None:
            look.test_events += 1
        return look.image is None


def _came_before(message: MessageTypeDef) -> bool:
    """Whether a batch may have finished its images: it was received before, or sent again."""
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)) > 1 or "MessageAttributes" in message


def _reason(failure: BatchResultErrorEntryTypeDef) -> str:
    return f"{failure['Code']} {failure.get('Message', 'without further information')} (SendMessageBatch)"
