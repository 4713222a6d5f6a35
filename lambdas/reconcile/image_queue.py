"""The image queue, as far as a reconcile fills it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import time
from collections.abc import Callable
from typing import Any

from reconcile.errors import MessagesNotSent

MESSAGES_PER_CALL = 10
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2

# Any attribute tells the analysis that an earlier attempt may have claimed a name, which S3's own messages rule out.
ATTRIBUTES = {"requeued": {"DataType": "Number", "StringValue": "1"}}


class ImageQueue:
    """The SQS queue that S3 notifies."""

    def __init__(self, sqs: Any, url: str, pause: Callable[[float], None] = time.sleep) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url
        self._pause = pause

    def send(self, bodies: list[str]) -> None:
        """Send all messages. Error: MessagesNotSent, when SQS refuses some of them again and again."""
        for first in range(0, len(bodies), MESSAGES_PER_CALL):
            self._send_ten(bodies[first : first + MESSAGES_PER_CALL])

    def _send_ten(self, bodies: list[str]) -> None:
        entries = [
            {"Id": str(number), "MessageBody": body, "MessageAttributes": ATTRIBUTES}
            for number, body in enumerate(bodies)
        ]
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            failed = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            if not failed:
                return
            ids = {failure["Id"] for failure in failed}
            entries = [entry for entry in entries if entry["Id"] in ids]
        raise MessagesNotSent(
            f"SQS did not take {len(entries)} of {len(bodies)} messages in {ATTEMPTS} attempts: "
            f"{failed[0]['Code']}: {failed[0].get('Message', 'no further information')}"
        )
