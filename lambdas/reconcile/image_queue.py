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

    def send(self, bodies: list[str]) -> dict[int, str]:
        """Send all messages; return the reasons of those that SQS will never take, by their places in `bodies`.

        Error: MessagesNotSent, when all was sent but some that SQS could not take now, again and again.
        """
        refused: dict[int, str] = {}
        not_sent: dict[int, str] = {}
        for first in range(0, len(bodies), MESSAGES_PER_CALL):
            self._send_ten(dict(enumerate(bodies[first : first + MESSAGES_PER_CALL], first)), refused, not_sent)
        if not_sent:
            raise MessagesNotSent(
                f"SQS did not take {len(not_sent)} of {len(bodies)} messages in {ATTEMPTS} attempts: "
                f"{next(iter(not_sent.values()))}"
            )
        return refused

    def _send_ten(self, bodies: dict[int, str], refused: dict[int, str], not_sent: dict[int, str]) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            entries = [
                {"Id": str(place), "MessageBody": body, "MessageAttributes": ATTRIBUTES}
                for place, body in bodies.items()
            ]
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            failed = {int(failure["Id"]): failure for failure in answer.get("Failed", [])}
            refused |= {place: _reason(failure) for place, failure in failed.items() if failure.get("SenderFault")}
            bodies = {place: body for place, body in bodies.items() if place in failed.keys() - refused.keys()}
            if not bodies:
                return
        not_sent |= {place: _reason(failed[place]) for place in bodies}


def _reason(failure: dict[str, str]) -> str:
    return f"{failure['Code']} {failure.get('Message', 'without further information')} (SendMessageBatch)"
