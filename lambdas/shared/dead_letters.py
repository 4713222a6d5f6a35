"""The dead-letter queue: messages that nothing but a person can help, each with its reason as attributes.

SQS moves a message here by itself after too many receives, as it is. What is set aside here on purpose says why.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
"""

from typing import Any

from shared.clients import calling
from shared.readable import shortened

# A reason is a sentence, not a stack trace.
REASON_CHARACTERS_AT_MOST = 1000
# What both queues take. Attributes count towards it with their names and types.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES_AT_MOST = 256 * 1024


class DeadLetters:
    """The dead-letter queue of the image queue."""

    def __init__(self, sqs: Any, url: str) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url

    def set_aside(self, body: str, *, code: str, reason: str, run_id: str | None, lacks_copy: str = "") -> None:
        """Keep a message here with its reason. The caller then deletes it from the image queue: not before.

        A message that fills a queue's limit by itself is kept with as much of that as fits. `lacks_copy` is what the
        analysis knows of the image, for the message that `make redrive` brings back.
        """
        # SQS takes no control characters, and a key may hold some.
        readable = "".join(character if character.isprintable() else "?" for character in reason)
        message = shortened(readable, REASON_CHARACTERS_AT_MOST)
        texts = {"error_code": code, "error_message": message, "run_id": run_id, "lacks_copy": lacks_copy}
        room = MESSAGE_BYTES_AT_MOST - len(body.encode())
        attributes: dict[str, dict[str, str]] = {}
        for name, text in texts.items():
            taken = len(name) + len("String") + len((text or "").encode())
            if text and taken <= room:
                attributes[name] = {"DataType": "String", "StringValue": text}
                room -= taken
        with calling("SendMessage", self._url):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=attributes)
