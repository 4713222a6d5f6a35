"""The image queue: its counts, and a look at what its messages are."""

from dataclasses import dataclass
from typing import Any

from check_queue.logic import Backlog
from shared.dead_letters import DeadLetters
from shared.s3_events import NotAnS3EventError, Source, uploaded_objects

# Above this many messages some are images: S3 sends one test event each time the notification is configured.
PEEKED_AT_MOST = 10
# Long enough to look at ten messages, short enough that a crash here hides them for no longer than the model starts.
PEEK_VISIBILITY_SECONDS = 30
PEEK_WAIT_SECONDS = 2


@dataclass(frozen=True)
class Peek:
    """What a look into a short queue found."""

    images: int
    test_events: int
    unexpected: int


class ImageQueue:
    """The SQS queue that S3 notifies."""

    def __init__(self, sqs: Any, url: str, dead_letters: DeadLetters, source: Source) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url
        self._dead_letters = dead_letters
        self._source = source

    def count(self) -> Backlog:
        """Return the approximate counts; SQS answers them as strings."""
        names = {
            "visible": "ApproximateNumberOfMessages",
            "in_flight": "ApproximateNumberOfMessagesNotVisible",
            "delayed": "ApproximateNumberOfMessagesDelayed",
        }
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(names.values()))[
            "Attributes"
        ]
        return Backlog(**{field: int(attributes[name]) for field, name in names.items()})

    def peek(self, run_id: str) -> Peek:
        """Look at a short queue's messages: acknowledge S3's test events, dead-letter unexpected ones, put images back.

        A receive may return fewer messages than there are, so it is repeated until an image is found, nothing comes,
        or a queue as short as was counted must be through. A look counts as a receive, which the queue's
        maxReceiveCount allows for once.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        """
        kinds = {"images": 0, "test_events": 0, "unexpected": 0}
        to_put_back: list[str] = []
        for _ in range(PEEKED_AT_MOST):
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=PEEKED_AT_MOST,
                VisibilityTimeout=PEEK_VISIBILITY_SECONDS,
                WaitTimeSeconds=PEEK_WAIT_SECONDS,
            ).get("Messages", [])
            if not messages:
                break
            for message in messages:
                body = message["Body"]
                kind, reason = kind_of(body, self._source)
                kinds[kind] += 1
                if kind == "images":
                    to_put_back.append(message["ReceiptHandle"])
                    continue
                if reason is not None:
                    self._dead_letters.set_aside(body, code="UnexpectedMessage", reason=reason, run_id=run_id)
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            if kinds["images"]:
                break
        for handle in to_put_back:
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
        return Peek(**kinds)


def kind_of(body: str, source: Source) -> tuple[str, str | None]:
    """Return what a message is, `images`, `test_events` or `unexpected`, and the reason for the last."""
    try:
        objects = uploaded_objects(body, source)
    except NotAnS3EventError as error:
        return "unexpected", str(error)
    return "images" if objects else "test_events", None
