"""The dead-letter queue as people look at it: each message with its image and its reason."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.upload import ForeignMessageError, uploads_in
from shared.s3_events import Source

# A queue on many servers may answer a receive with nothing although it holds something.
EMPTY_RECEIVES_AT_THE_END = 3
WAIT_SECONDS = 2


@dataclass(frozen=True)
class DeadLetter:
    """One message that was given up. `images` is empty for one that is no image upload."""

    message_id: str
    receipt_handle: str
    body: str
    images: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        what = ", ".join(self.images) or f"no image upload: {self.body[:80]!r}"
        return f"{what}: {self.reason}"


def read(sqs: Any, queue_url: str, images_from: Source, *, visibility_seconds: int) -> Iterator[list[DeadLetter]]:  # noqa: ANN401
    """Yield the queue's messages by tens, each once; they are hidden from others for `visibility_seconds`."""
    seen: set[str] = set()
    empty_receives = 0
    while empty_receives < EMPTY_RECEIVES_AT_THE_END:
        answer = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility_seconds,
            WaitTimeSeconds=WAIT_SECONDS,
            AttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        empty_receives = 0 if new else empty_receives + 1
        seen |= {message["MessageId"] for message in new}
        if new:
            yield [_dead_letter(message, images_from) for message in new]


def put_back(sqs: Any, queue_url: str, letters: Iterable[DeadLetter]) -> None:  # noqa: ANN401
    """Make the letters visible again. One that cannot be comes back by itself when its time is over."""
    for letter in letters:
        with suppress(BotoCoreError, ClientError):
            sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0)


def _dead_letter(message: dict[str, Any], images_from: Source) -> DeadLetter:
    attributes = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
    if "error_code" in attributes:
        reason = f"{attributes['error_code']}: {attributes.get('error_message', 'no message')}"
    else:
        reason = "received too often without an end: its function was cut off; search the log for the key"
    try:
        images = tuple(f"s3://{upload.bucket}/{upload.key}" for upload in uploads_in(message["Body"], images_from))
    except ForeignMessageError:
        images = ()
    return DeadLetter(message["MessageId"], message["ReceiptHandle"], message["Body"], images, reason)
