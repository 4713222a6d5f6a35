"""The input of a reconcile, and the instant before which an upload can be an orphan: an image without a message.

An image leaves the source bucket when it is finished. So an image in the bucket either waits, with a message in the
image queue or in the dead-letter queue, or it is an orphan. A run counts the image queue empty when nothing is in
flight and the trigger is disabled: no image has a message there at that time. It also counts as empty when the listing
proves that no image waits. An image from before that time which is still in the bucket is an orphan, unless it is in
the dead-letter queue.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from reconcile.errors import InputInvalid
from shared.timestamps import format_rfc3339

# S3's events "typically" arrive in seconds, and SQS's counts lag by a minute. An hour is longer than both, and only
# delays orphans, which wait anyway. https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
MARGIN = timedelta(minutes=60)
MAX_MARGIN_MINUTES = 14 * 24 * 60
MAX_PREFIX_BYTES = 1024


class When(Enum):
    """The instants that have a name."""

    QUEUE_EMPTY = "when the queue was last counted empty"
    NOW = "now"


@dataclass(frozen=True)
class Request:
    """The execution's input. `margin` is subtracted from now, and from the time when the queue was last empty."""

    prefix: str = ""
    uploaded_before: When | datetime = When.QUEUE_EMPTY
    margin: timedelta = MARGIN
    dry_run: bool = False


@dataclass(frozen=True)
class LastQueueing:
    """When a reconcile last queued images, and which one it was."""

    reconcile_id: str
    at: datetime


@dataclass(frozen=True)
class Cutoff:
    """Uploads before `instant` can be orphans. None: none can, and `note` says why."""

    instant: datetime | None
    note: str | None = None


def parse_request(document: Any) -> Request:  # noqa: ANN401 - whatever somebody started the execution with
    """Return the execution's input. Error: InputInvalid, with a sentence that says what is allowed."""
    if not isinstance(document, dict):
        raise InputInvalid(f"the input must be a JSON object, such as {{}}, not {document!r}")
    unknown = sorted(document.keys() - {"prefix", "uploaded_before", "margin_minutes", "dry_run"})
    if unknown:
        raise InputInvalid(
            f"the input may have prefix, uploaded_before, margin_minutes and dry_run, not {', '.join(unknown)}"
        )
    return Request(
        prefix=_prefix(document.get("prefix", "")),
        uploaded_before=_uploaded_before(document.get("uploaded_before")),
        margin=_margin(document.get("margin_minutes", MARGIN // timedelta(minutes=1))),
        dry_run=_dry_run(document.get("dry_run", False)),
    )


def within(request: Request, source_prefix: str) -> Request:
    """Return the request, limited to source_prefix. Error: InputInvalid."""
    if not request.prefix:
        return replace(request, prefix=source_prefix)
    if not request.prefix.startswith(source_prefix):
        raise InputInvalid(f"prefix must start with source_prefix ({source_prefix}), not {request.prefix!r}")
    return request


def cutoff(request: Request, queue_empty_at: int | None, last: LastQueueing | None, now: datetime) -> Cutoff:
    """Decide which uploads can be orphans.

    `queue_empty_at` is in epoch seconds. `last` says when an earlier reconcile queued images: until a run counts the
    queue empty after that, those images may still wait, and would be queued twice.
    """
    latest = (now - request.margin).replace(microsecond=0)
    if request.uploaded_before is When.NOW:
        return Cutoff(latest)
    if isinstance(request.uploaded_before, datetime):
        return Cutoff(min(request.uploaded_before.replace(microsecond=0), latest))
    if queue_empty_at is None:
        return Cutoff(None, "no run has counted the queue empty yet, so every image may still have a message")
    instant = datetime.fromtimestamp(queue_empty_at, UTC) - request.margin
    if last is not None and instant <= last.at:
        minutes = request.margin // timedelta(minutes=1)
        return Cutoff(
            None,
            f"reconcile {last.reconcile_id} queued images at {format_rfc3339(last.at)}, and no run has counted the "
            f"queue empty more than {minutes} minutes later: the images may still wait",
        )
    return Cutoff(instant)


def _prefix(value: object) -> str:
    if not isinstance(value, str):
        raise InputInvalid(f'prefix must be a string, such as "2019/", or "" for the whole bucket, not {value!r}')
    if value.startswith("s3://"):
        raise InputInvalid(f"prefix must be a prefix of keys in the source bucket, without s3://, not {value!r}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError as error:
        # Half of a surrogate pair: JSON can encode it, and a shell makes it of bytes that are not UTF-8.
        raise InputInvalid(f"prefix must be valid UTF-8, as keys are, not {value!r}") from error
    if length > MAX_PREFIX_BYTES:
        raise InputInvalid(f"prefix must have at most {MAX_PREFIX_BYTES} bytes, as keys do")
    return value


def _uploaded_before(value: object) -> When | datetime:
    if value is None:
        return When.QUEUE_EMPTY
    if value == When.NOW.value:
        return When.NOW
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InputInvalid(
            'uploaded_before must be null, "now", or a time with its zone, such as "2025-01-31T00:00:00Z", '
            f"not {value!r}"
        )
    return instant


def _margin(value: object) -> timedelta:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_MARGIN_MINUTES:
        raise InputInvalid(f"margin_minutes must be a whole number from 0 to {MAX_MARGIN_MINUTES}, not {value!r}")
    return timedelta(minutes=value)


def _dry_run(value: object) -> bool:
    if not isinstance(value, bool):
        raise InputInvalid(f"dry_run must be true or false, not {value!r}")
    return value
