"""How a message comes back: as a copy that SQS holds back for a while, with what the image has been through.

A message that is reported as failed stays hidden for its whole visibility timeout and is one receive nearer to the
dead-letter queue. So a message that has to come back is sent again, and only then the original reported as done, which
makes Lambda delete it. A crash in between leaves both: the second finds the work of the first. What SQS counts as
receives are then only the deaths of the function, and nothing else makes SQS itself move a message to the dead-letter
queue.
"""

import hashlib
import random
import re
from dataclasses import dataclass, replace
from typing import Any, Self

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.clients import calling

SHORTEST_DELAY_SECONDS = 5
LONGEST_DELAY_SECONDS = 60
# Longer each time, so that an image that always errors is through its four attempts in little more than a minute.
SUSPECT_DELAYS_SECONDS = (5, 15, 45, 60)

_NUMBER = re.compile("[0-9]{1,15}")


@dataclass(frozen=True)
class History:
    """What a message has been through, as its attributes tell."""

    # How often it was put off through no fault of its own.
    deferrals: int = 0
    # How often it failed in a way that may be the image's own fault, and how often that counts against the image.
    attempts: int = 0
    held_against: int = 0
    # When S3 sent the first message, in epoch seconds; None when that cannot be read.
    first_sent_at: int | None = None
    # How often SQS delivered this copy, which is more than once only after a death of the function.
    receives: int = 1
    # Whether an earlier attempt may have claimed a name.
    redelivered: bool = False
    # Of which upload an earlier attempt claimed a name without copying the image there: `mark_of` it; empty: of none.
    lacks_copy: str = ""

    @classmethod
    def of(cls, record: SQSRecord) -> Self:
        """Read a message's history. What cannot be read counts as not there: anyone may have sent the message."""
        ours = record.raw_event.get("messageAttributes") or {}
        of_sqs = record.raw_event.get("attributes") or {}
        receives = _number(of_sqs.get("ApproximateReceiveCount")) or 1
        sent_at_milliseconds = _number(of_sqs.get("SentTimestamp"))
        return cls(
            deferrals=_count(ours, "deferrals"),
            attempts=_count(ours, "attempts"),
            held_against=_count(ours, "held_against"),
            first_sent_at=_count(ours, "first_sent_at") or (sent_at_milliseconds or 0) // 1000 or None,
            receives=receives,
            # S3's own messages have no attributes: what has some was sent again by us, or was a dead letter.
            redelivered=receives > 1 or bool(ours),
            # After a death of the function nobody knows how far it came.
            lacks_copy=_text(ours, "lacks_copy") if receives == 1 else "",
        )

    def waited_seconds(self, now: float) -> int | None:
        """Return how long the image has waited at the epoch second `now`; None when that is not known."""
        return None if self.first_sent_at is None else max(0, int(now) - self.first_sent_at)

    def put_off(self) -> Self:
        """Return the history with one deferral more."""
        return replace(self, deferrals=self.deferrals + 1)

    def tried(self, *, held_against: bool) -> Self:
        """Return the history with one failure more, and whether it counts against the image."""
        return replace(self, attempts=self.attempts + 1, held_against=self.held_against + held_against)

    def delay_after_deferral(self) -> int:
        """Return for how many seconds to hold the copy back: longer each time, and at random between half and whole."""
        # No further than the longest: the count may be anything.
        longest = min(LONGEST_DELAY_SECONDS, SHORTEST_DELAY_SECONDS * 2 ** min(self.deferrals, 8))
        return round(random.uniform(longest / 2, longest))  # noqa: S311 - spreads messages, hides nothing

    def delay_after_failure(self) -> int:
        """Return for how many seconds to hold the copy back after a failure that may be the image's own."""
        return SUSPECT_DELAYS_SECONDS[min(self.attempts, len(SUSPECT_DELAYS_SECONDS) - 1)]

    def attributes(self) -> dict[str, dict[str, str]]:
        """Return the history as message attributes."""
        numbers = {
            "deferrals": self.deferrals,
            "attempts": self.attempts,
            "held_against": self.held_against,
            "first_sent_at": self.first_sent_at,
        }
        attributes = {
            name: {"DataType": "Number", "StringValue": str(number)}
            for name, number in numbers.items()
            if number is not None
        }
        if self.lacks_copy:
            attributes["lacks_copy"] = {"DataType": "String", "StringValue": self.lacks_copy}
        return attributes


def mark_of(upload: object) -> str:
    """Return what stands for an upload in an attribute, which cannot hold every character that a key can."""
    return hashlib.sha256(str(upload).encode()).hexdigest()[:32]


def _text(attributes: dict[str, Any], name: str) -> str:
    attribute = attributes.get(name)
    text = attribute.get("stringValue") if isinstance(attribute, dict) else None
    return text if isinstance(text, str) else ""


def _count(attributes: dict[str, Any], name: str) -> int:
    attribute = attributes.get(name)
    return _number(attribute.get("stringValue") if isinstance(attribute, dict) else None) or 0


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None


class ImageQueue:
    """The queue that the images wait in, to send messages to again."""

    def __init__(self, sqs: Any, url: str) -> None:  # noqa: ANN401
        self._sqs = sqs
        self._url = url

    def send_again(self, body: str, history: History, delay_seconds: int) -> None:
        """Send a copy of a message. The caller then reports the original as done: not before.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        with calling("SendMessage", self._url):
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_seconds, MessageAttributes=history.attributes()
            )
