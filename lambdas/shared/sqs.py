"""What the image queue and the dead-letter queue share: their counts, and how many messages one call takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGES_PER_CALL = 10
# In the order of Backlog's fields.
COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class Backlog:
    """SQS's approximate counts of one queue."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """Messages in the queue, in whatever state."""
        return self.visible + self.in_flight + self.delayed


def count_messages(sqs: SQSClient, url: str) -> Backlog:
    """Return the approximate counts of a queue; SQS answers them as strings."""
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=COUNTS)["Attributes"]
    return Backlog(*(int(counts[name]) for name in COUNTS))
