"""The messages of the dead-letter queue as people read them: each with its image and its reason."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from shared.dead_letter_queue import DeadLetterQueue
from shared.s3_events import Source, UnexpectedMessage, Upload, uploads_in

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


@dataclass(frozen=True)
class DeadLetter:
    """One message of the dead-letter queue. `uploads` is empty for one that is not an S3 upload event."""

    receipt_handle: str
    body: str
    uploads: tuple[Upload, ...]
    reason: str
    uncopied: str = ""

    @property
    def images(self) -> tuple[str, ...]:
        """The addresses of the images, for people."""
        return tuple(f"s3://{upload.bucket}/{upload.key}" for upload in self.uploads)

    @classmethod
    def of(cls, message: MessageTypeDef, source: Source) -> Self:
        """Return a received message with what its attributes say."""
        attributes = {
            name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()
        }
        if "error_code" in attributes:
            reason = f"{attributes['error_code']}: {attributes.get('error_message', 'no message')}"
        else:
            reason = "received too often: the function crashed or timed out each time; search the log for the key"
        try:
            uploads = tuple(uploads_in(message["Body"], source))
        except UnexpectedMessage:
            uploads = ()
        return cls(message["ReceiptHandle"], message["Body"], uploads, reason, attributes.get("uncopied", ""))

    def __str__(self) -> str:
        what = ", ".join(self.images) or f"not an S3 upload event: {self.body[:80]!r}"
        return f"{what}: {self.reason}"


def put_back(queue: DeadLetterQueue, letters: Sequence[DeadLetter]) -> None:
    """Make the letters visible again. One for which that fails becomes visible when its hidden time is over."""
    with suppress(BotoCoreError, ClientError):
        queue.put_back([letter.receipt_handle for letter in letters])
