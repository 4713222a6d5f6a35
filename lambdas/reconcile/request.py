"""What a reconcile is asked to do, and up to which instant an image counts as lost.

An image leaves the source bucket when it is done. So what is in there either waits, with a message in the image queue
or in the dead-letter queue, or nobody will ever come for it. The last time that a run counted the image queue empty,
with nothing in flight and the trigger closed, no image had a message there: what was uploaded before that, and is
still in the bucket, has none now unless it is in the dead-letter queue.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from reconcile.errors import InputInvalid
from shared.timestamps import format_rfc3339

# S3's events "typically" arrive in seconds and SQS's counts lag by a minute; an hour is beyond both, and only delays
# what was lost anyway. https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
MARGIN = timedelta(minutes=60)
MARGIN_MINUTES_AT_MOST = 14 * 24 * 60
PREFIX_BYTES_AT_MOST = 1024


class When(Enum):
    """The instants that have a name."""

    QUEUE_EMPTY = "when the queue was last seen empty"
    NOW = "now"


@dataclass(frozen=True)
class Request:
    """The execution's input. `margin` is taken off the present, and off the instant when the queue was empty."""

    prefix: str = ""
    uploaded_before: When | datetime = When.QUEUE_EMPTY
    margin: timedelta = MARGIN
    dry_run: bool = False


@dataclass(frozen=True)
class Queueing:
    """When a reconcile last queued images, and which one it was."""

    run_id: str
    at: datetime


@dataclass(frozen=True)
class Cutoff:
    """Uploads before `instant` count as lost; with None nothing does, and `note` says why."""

    instant: datetime | None
    note: str | None = None


def parse(document: Any) -> Request:  # noqa: ANN401 - whatever somebody started the execution with
    """Return the execution's input. Error: InputInvalid, with a sentence that says what is allowed."""
    if not isinstance(document, dict):
        raise InputInvalid(f"the input must be a JSON object, such as {{}}, not {document!r}")
    unknown = sorted(document.keys() - {"prefix", "uploaded_before", "margin_minutes", "dry_run"})
    if unknown:
        raise InputInvalid(
            f"the input knows prefix, uploaded_before, margin_minutes and dry_run, not {', '.join(unknown)}"
        )
    return Request(
        prefix=_prefix(document.get("prefix", "")),
        uploaded_before=_uploaded_before(document.get("uploaded_before")),
        margin=_margin(document.get("margin_minutes", MARGIN // timedelta(minutes=1))),
        dry_run=_dry_run(document.get("dry_run", False)),
    )


def within(request: Request, source_prefix: str) -> Request:
    """Return the request for nothing but this system's part of the bucket. Error: InputInvalid."""
    if not request.prefix:
        return replace(request, prefix=source_prefix)
    if not request.prefix.startswith(source_prefix):
        raise InputInvalid(
            f"prefix must begin with {source_prefix}, for no other images of this bucket are this system's, "
            f"not {request.prefix!r}"
        )
    return request


def cutoff(request: Request, queue_empty_at: int | None, queued: Queueing | None, now: datetime) -> Cutoff:
    """Decide which uploads count as lost.

    `queue_empty_at` is the lease's, in epoch seconds. `queued` is what an earlier reconcile queued: until the queue
    was seen empty after that, these images wait, and would only be queued a second time.
    """
    latest = (now - request.margin).replace(microsecond=0)
    if request.uploaded_before is When.NOW:
        return Cutoff(latest)
    if isinstance(request.uploaded_before, datetime):
        return Cutoff(min(request.uploaded_before.replace(microsecond=0), latest))
    if queue_empty_at is None:
        return Cutoff(None, "no run has counted the queue empty yet, so every image may have a message")
    instant = datetime.fromtimestamp(queue_empty_at, UTC) - request.margin
    if queued is not None and instant <= queued.at:
        minutes = request.margin // timedelta(minutes=1)
        return Cutoff(
            None,
            f"reconcile {queued.run_id} queued images until {format_rfc3339(queued.at)}, and no run has counted the "
            f"queue empty since, with {minutes} minutes left for late events and counts: they may still wait",
        )
    return Cutoff(instant)


def _prefix(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise InputInvalid(f'prefix must be a text, such as "2019/" or "" for the whole bucket, not {value!r}')
    if value.startswith("s3://"):
        raise InputInvalid(f"prefix must be the beginning of keys in the source bucket, without s3://, not {value!r}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError as error:
        # Half of a surrogate pair: JSON can spell it, and a shell makes it of bytes that are no UTF-8.
        raise InputInvalid(f"prefix must be valid UTF-8, as keys are, not {value!r}") from error
    if length > PREFIX_BYTES_AT_MOST:
        raise InputInvalid(f"prefix must have {PREFIX_BYTES_AT_MOST} bytes or fewer, as keys do")
    return value


def _uploaded_before(value: Any) -> When | datetime:  # noqa: ANN401
    if value is None:
        return When.QUEUE_EMPTY
    if value == When.NOW.value:
        return When.NOW
    try:
        instant = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InputInvalid(
            'uploaded_before must be null, "now", or an instant with its time zone such as "2025-01-31T00:00:00Z", '
            f"not {value!r}"
        )
    return instant


def _margin(value: Any) -> timedelta:  # noqa: ANN401
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MARGIN_MINUTES_AT_MOST:
        raise InputInvalid(f"margin_minutes must be a whole number from 0 to {MARGIN_MINUTES_AT_MOST}, not {value!r}")
    return timedelta(minutes=value)


def _dry_run(value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise InputInvalid(f"dry_run must be true or false, not {value!r}")
    return value
