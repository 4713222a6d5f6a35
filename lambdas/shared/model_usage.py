"""How long this system's model has run on each UTC day, for the daily cap.

One item per model and day in the runs table, to which each run adds its time once, when it is closed.
"""

from datetime import UTC, datetime, timedelta

from shared.items import Items, Update
from shared.timestamps import now

DAY_ITEM = "day#"
# Long enough to check a month's bill; the receipts stay.
KEPT_DAYS = 62


def split_by_utc_day(begin: datetime, end: datetime) -> dict[str, float]:
    """Return the seconds from `begin` to `end` by the days, as YYYY-MM-DD, on which they fell."""
    seconds: dict[str, float] = {}
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    while begin < end:
        midnight = (begin + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        until = min(end, midnight)
        seconds[day_of(begin)] = (until - begin).total_seconds()
        begin = until
    return seconds


def day_of(instant: datetime) -> str:
    """Return the UTC day of an instant, as YYYY-MM-DD."""
    return instant.astimezone(UTC).date().isoformat()


class DailyModelUsage:
    """The days of one model."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def used_seconds(self, day: str) -> float:
        """Return what the runs that ended have added to a day (a consistent read)."""
        return float(self._items.read(DAY_ITEM + day).get("model_seconds", 0))

    def additions(self, begin: datetime, end: datetime) -> list[Update]:
        """Return the writes that add a run's model time, to go into the transaction that closes the run."""
        delete_after = int((now() + timedelta(days=KEPT_DAYS)).timestamp())
        return [
            Update(
                DAY_ITEM + day,
                "ADD model_seconds :seconds SET delete_after = :delete_after",
                {"seconds": round(seconds, 3), "delete_after": delete_after},
            )
            for day, seconds in split_by_utc_day(begin, end).items()
        ]
