"""What an image message has been through, as its message attributes tell: the one place that reads and writes them.

S3 sends its messages without attributes. So any attribute means that an earlier attempt may have claimed a name in the
final bucket, and whoever sends a message again (the analysis, the reconcile, `clb redrive`) has to set one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

_NUMBER = re.compile("[0-9]{1,15}")


def message_attributes(**values: int | str | None) -> dict[str, MessageAttributeValueTypeDef]:
    """Return values as the attributes of an SQS message; None and an empty text are left out."""
    return {
        name: {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
        for name, value in values.items()
        if value is not None and value != ""
    }


# Of a message that the reconcile sends for an image without one.
REQUEUED = message_attributes(requeued=1)


def redriven_attributes(uncopied: str) -> dict[str, MessageAttributeValueTypeDef]:
    """Return the attributes of a message that leaves the dead-letter queue: its failures are forgotten."""
    return message_attributes(redriven=1, uncopied=uncopied)


@dataclass(frozen=True)
class RetryState:
    """What one image message has been through. Of several records in a message, the state is that of the first."""

    # How often it was sent again for a reason that was not the image's, and since when, in epoch seconds.
    deferrals: int = 0
    deferred_since: int | None = None
    # How often it failed for a reason that may be the image's, and how many of these failures count against the image.
    attempts: int = 0
    counted_failures: int = 0
    # When S3 sent the first message, in epoch seconds; None when that cannot be read.
    first_sent_at: int | None = None
    # How often SQS delivered this message. What raises it is listed in terraform/modules/intake/main.tf.
    receives: int = 1
    # Whether an earlier attempt may have claimed a name.
    redelivered: bool = False
    # `mark_of` the upload for which an earlier attempt claimed a name without copying the image; empty: none.
    uncopied: str = ""

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Self:
        """Read the state of a message as Lambda delivers it. What cannot be read is ignored: anyone may have sent it.

        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
        """
        ours = message.get("messageAttributes") or {}
        of_sqs = message.get("attributes") or {}
        receives = _number(of_sqs.get("ApproximateReceiveCount")) or 1
        sent_at_milliseconds = _number(of_sqs.get("SentTimestamp")) or 0
        return cls(
            deferrals=_count(ours, "deferrals"),
            deferred_since=_count(ours, "deferred_since") or None,
            attempts=_count(ours, "attempts"),
            counted_failures=_count(ours, "counted_failures"),
            first_sent_at=_count(ours, "first_sent_at") or sent_at_milliseconds // 1000 or None,
            receives=receives,
            redelivered=receives > 1 or bool(ours),
            # Nobody knows whether an earlier receive was a look, or an attempt that copied the image and died. A wrong
            # mark would delete the result of an image that somebody has fetched since.
            uncopied=_text(ours, "uncopied") or "" if receives == 1 else "",
        )

    def attributes(self) -> dict[str, MessageAttributeValueTypeDef]:
        """Return the state as message attributes."""
        return message_attributes(
            deferrals=self.deferrals,
            deferred_since=self.deferred_since,
            attempts=self.attempts,
            counted_failures=self.counted_failures,
            first_sent_at=self.first_sent_at,
            uncopied=self.uncopied,
        )

    def waited_seconds(self, now: float) -> int | None:
        """Return how long the image has waited at the epoch second `now`; None when that is not known."""
        return None if self.first_sent_at is None else max(0, int(now) - self.first_sent_at)

    def deferred(self, now: float) -> Self:
        """Return the state after one more deferral, at the epoch second `now`."""
        since = int(now) if self.deferred_since is None else self.deferred_since
        return replace(self, deferrals=self.deferrals + 1, deferred_since=since)

    def deferred_seconds(self, now: float) -> int:
        """Return for how long the image has been deferred at the epoch second `now`."""
        return 0 if self.deferred_since is None else max(0, int(now) - self.deferred_since)

    def of_next_record(self) -> Self:
        """Return the state of a message whose first record is done: the next one has been through nothing yet."""
        return replace(self, deferrals=0, deferred_since=None, attempts=0, counted_failures=0, uncopied="")

    def failed_once(self, *, counted: bool) -> Self:
        """Return the state after one more failure. `counted`: it counts against the image."""
        return replace(self, attempts=self.attempts + 1, counted_failures=self.counted_failures + counted)


def mark_of(upload: object) -> str:
    """Return a text that stands for an upload in an attribute, which cannot hold every character of a key."""
    return hashlib.sha256(str(upload).encode()).hexdigest()[:32]


def _text(attributes: Mapping[str, Any], name: str) -> str | None:
    attribute = attributes.get(name)
    text = attribute.get("stringValue") if isinstance(attribute, dict) else None
    return text if isinstance(text, str) else None


def _count(attributes: Mapping[str, Any], name: str) -> int:
    return _number(_text(attributes, name)) or 0


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None
