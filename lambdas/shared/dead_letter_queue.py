"""The dead-letter queue: messages that wait for a person, each with its reason in its attributes.

SQS moves a message here unchanged after too many receives. The functions send a message here with the reason.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from shared.clients import calling
from shared.readable import shortened
from shared.retry_state import message_attributes
from shared.sqs import MESSAGES_PER_CALL, Backlog, count_messages
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# A reason is a sentence, not a stack trace.
MAX_REASON_CHARACTERS = 1000
# What both queues take. Attributes count towards it with their names and types.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_MESSAGE_BYTES = 256 * 1024

# A long poll asks all of SQS's servers. A queue is read to its end when three in a row bring nothing new.
WAIT_SECONDS = 2
EMPTY_RECEIVES_AT_END = 3


class DeadLetterQueue:
    """The dead-letter queue of the image queue."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, body: str, *, code: str, reason: str, run_id: str | None, uncopied: str = "") -> None:
        """Keep a message here with its reason. The caller deletes it from the image queue afterwards, not before.

        Attributes that do not fit beside a very long body are left out. `uncopied` is of the message's RetryState.
        """
        # SQS takes no control characters, and a key may hold some.
        readable = "".join(character if character.isprintable() else "?" for character in reason)
        message = shortened(readable, MAX_REASON_CHARACTERS)
        attributes = message_attributes(error_code=code, error_message=message, run_id=run_id, uncopied=uncopied)
        room = MAX_MESSAGE_BYTES - len(body.encode())
        for name, attribute in list(attributes.items()):
            taken = sum(len(text.encode()) for text in (name, attribute["DataType"], attribute["StringValue"]))
            if taken <= room:
                room -= taken
            else:
                del attributes[name]
        with calling("SendMessage", self._url):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=attributes)

    def count(self) -> Backlog:
        """Return the approximate counts."""
        return count_messages(self._sqs, self._url)

    def read(self, *, hidden_seconds: int) -> Iterator[list[MessageTypeDef]]:
        """Yield the queue's messages by tens, each once; SQS hides them from others for `hidden_seconds`.

        Reading takes nothing out: the caller deletes messages, or makes them visible again with `put_back`. A read
        adds one to a message's receive count, which a dead-letter queue does not use.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
        """
        seen: set[str] = set()
        empty_receives = 0
        while empty_receives < EMPTY_RECEIVES_AT_END:
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            new = [message for message in messages if message["MessageId"] not in seen]
            empty_receives = 0 if new else empty_receives + 1
            seen |= {message["MessageId"] for message in new}
            if new:
                yield new

    def put_back(self, receipt_handles: Sequence[str]) -> None:
        """Make messages visible again. One for which that fails becomes visible when its hidden time is over."""
        for first in range(0, len(receipt_handles), MESSAGES_PER_CALL):
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(receipt_handles[first : first + MESSAGES_PER_CALL])
                ],
            )
            if failed := answer.get("Failed"):
                logger.warning("some dead-letter messages stay hidden until their visibility timeout", failed=failed)

    def delete(self, receipt_handle: str) -> None:
        """Delete a message that was sent on."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt_handle)
