"""Timestamps as the receipts and the table hold them: RFC 3339, UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def format_rfc3339(instant: datetime) -> str:
    """Return `instant` as RFC 3339 in UTC with milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the instant that `format_rfc3339` wrote."""
    return datetime.fromisoformat(text)
