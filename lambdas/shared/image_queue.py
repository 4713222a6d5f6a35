"""The image queue: its counts, what a short queue holds, and how messages are sent to it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.clients import calling
from shared.dead_letter_queue import DeadLetterQueue
from shared.retry_state import REQUEUED, RetryState
from shared.s3_events import Source, UnexpectedMessage, uploads_in
from shared.sqs import MESSAGES_PER_CALL, Backlog, count_messages

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, SendMessageBatchRequestEntryTypeDef

# A queue with more messages than this holds images: S3 sends one test event each time the notification is configured.
MAX_PEEKED = 10
# Enough time to read ten messages; after a crash they are visible again before the model has started.
PEEK_VISIBILITY_SECONDS = 30
PEEK_WAIT_SECONDS = 2

SEND_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2


class MessagesNotSent(Exception):  # noqa: N818 - the name is shown in the console as an execution's error
    """SQS did not accept all messages."""


@dataclass(frozen=True)
class Peek:
    """What the messages of a short queue are."""

    images: int
    test_events: int
    unexpected: int


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
    """The image queue, and what its messages are while they are few."""

    def __init__(self, sqs: SQSClient, url: str, dead_letters: DeadLetterQueue, source: Source) -> None:
        super().__init__(sqs, url)
        self._dead_letters = dead_letters
        self._source = source

    def peek(self, run_id: str) -> Peek:
        """Read a short queue: delete S3's test events, dead-letter unexpected messages, make images visible again.

        A receive may return fewer messages than there are. So it is repeated until an image is found, nothing comes, or
        MAX_PEEKED receives are through. Each counts as a receive, for which the queue's maxReceiveCount has room.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        image_handles: list[str] = []
        test_events = unexpected = 0
        for _ in range(MAX_PEEKED):
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                VisibilityTimeout=PEEK_VISIBILITY_SECONDS,
                WaitTimeSeconds=PEEK_WAIT_SECONDS,
            ).get("Messages", [])
            for message in messages:
                try:
                    if uploads_in(message["Body"], self._source):
                        image_handles.append(message["ReceiptHandle"])
                        continue
                    test_events += 1
                except UnexpectedMessage as error:
                    unexpected += 1
                    self._dead_letters.send(
                        message["Body"], code=UnexpectedMessage.__name__, reason=str(error), run_id=run_id
                    )
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            if image_handles or not messages:
                break
        for handle in image_handles:
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
        return Peek(len(image_handles), test_events, unexpected)


def _reason(failure: BatchResultErrorEntryTypeDef) -> str:
    return f"{failure['Code']} {failure.get('Message', 'without further information')} (SendMessageBatch)"
