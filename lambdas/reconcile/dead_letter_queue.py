"""The dead-letter queue, read from end to end without taking anything out of it.

Each message is received, and made visible again when all were seen. It counts as one receive more, which nothing in a
dead-letter queue goes by.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from typing import Any

from reconcile.errors import DeadLetterQueueBusy, TooManyDeadLetters
from reconcile.listing import ImageId
from reconcile.message import images_in
from shared.telemetry import logger

# What can be read within the function's timeout with a wide margin: about a thousand calls of some 20 ms.
READ_AT_MOST = 10_000
MESSAGES_PER_CALL = 10
# A long poll asks all of SQS's servers, so that an empty answer means an empty queue.
WAIT_SECONDS = 2
# Longer than the function may run, or it would meet its own messages again; should it die, they are back after this.
HIDDEN_SECONDS = 150


class DeadLetterQueue:
    """The dead-letter queue of the image queue."""

    def __init__(self, sqs: Any, url: str, source_bucket: str) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url
        self._source_bucket = source_bucket

    def images(self) -> frozenset[ImageId]:
        """Return the images that messages here are about, all of them or none.

        Errors: TooManyDeadLetters; DeadLetterQueueBusy when somebody else holds messages, or when the counts and what
        was read do not agree, which they do a minute later.
        """
        visible, in_flight = self._count()
        if visible + in_flight > READ_AT_MOST:
            raise _too_many(visible + in_flight)
        if in_flight:
            raise DeadLetterQueueBusy(
                f"{in_flight} messages of the dead-letter queue are in somebody else's hands: another reconcile, or a "
                "person who looks at them in the console"
            )
        handles: dict[str, str] = {}
        images: set[ImageId] = set()
        try:
            while messages := self._receive():
                for message in messages:
                    handles[message["MessageId"]] = message["ReceiptHandle"]
                    images.update(images_in(message["Body"], self._source_bucket))
                if len(handles) > READ_AT_MOST:
                    raise _too_many(len(handles))
        finally:
            self._put_back(list(handles.values()))
        if len(handles) < visible:
            raise DeadLetterQueueBusy(f"read {len(handles)} of the {visible} messages counted in the dead-letter queue")
        return frozenset(images)

    def _count(self) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return int(counts[names[0]]), int(counts[names[1]])

    def _receive(self) -> list[dict[str, Any]]:
        return self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=MESSAGES_PER_CALL,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
        ).get("Messages", [])

    def _put_back(self, handles: list[str]) -> None:
        for first in range(0, len(handles), MESSAGES_PER_CALL):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(handles[first : first + MESSAGES_PER_CALL])
            ]
            answer = self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            if answer.get("Failed"):
                logger.warning("some dead letters come back later", failed=answer["Failed"], seconds=HIDDEN_SECONDS)


def _too_many(count: int) -> TooManyDeadLetters:
    return TooManyDeadLetters(
        f"the dead-letter queue holds {count} messages, and a reconcile reads {READ_AT_MOST} at the most. Nothing was "
        "queued. Find out what failed, bring them back with `make redrive`, and reconcile again."
    )
