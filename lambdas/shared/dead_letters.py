"""The dead-letter queue: messages that nothing but a person can help, each with its reason as attributes.

SQS moves a message here by itself after too many receives, as it is. What is set aside here on purpose says why.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
"""

from typing import Any

# Attributes count towards the size of a message; a reason is a sentence, not a stack trace.
REASON_CHARACTERS_AT_MOST = 1000


class DeadLetters:
    """The dead-letter queue of the image queue."""

    def __init__(self, sqs: Any, url: str) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url

    def set_aside(self, body: str, *, code: str, reason: str, run_id: str | None) -> None:
        """Keep a message here with its reason. The caller then deletes it from the image queue: not before."""
        # SQS takes no control characters, and a key may hold some.
        readable = "".join(character if character.isprintable() else "?" for character in reason)
        attributes = {"error_code": code, "error_message": readable[:REASON_CHARACTERS_AT_MOST], "run_id": run_id}
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )
