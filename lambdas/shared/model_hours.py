"""How long this system's model has run on each day, for the cap on it. Days are UTC's.

One item per model and day in the runs table, to which each run adds its time once, when it is closed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.instants import now

DAY_ITEM = "day#"
# Long enough to look back at a month's bill; the receipts stay.
KEPT_DAYS = 62


def spread(begin: datetime, end: datetime) -> dict[str, float]:
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


class ModelHours:
    """The days of one model."""

    def __init__(self, dynamodb: Any, table_name: str, model_arn: str) -> None:  # noqa: ANN401
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._model_arn = model_arn

    def used_seconds(self, day: str) -> float:
        """Return what the runs that ended have added to a day (a consistent read)."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=self._key(day), ConsistentRead=True)
        return float(answer.get("Item", {}).get("model_seconds", {}).get("N", "0"))

    def additions(self, begin: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the writes that add a run's model time, to go into the transaction that closes the run."""
        delete_after = str(int((now() + timedelta(days=KEPT_DAYS)).timestamp()))
        return [
            {
                "Update": {
                    "TableName": self._table_name,
                    "Key": self._key(day),
                    "UpdateExpression": "ADD model_seconds :seconds SET delete_after = :delete_after",
                    "ExpressionAttributeValues": {
                        ":seconds": {"N": str(round(seconds, 3))},
                        ":delete_after": {"N": delete_after},
                    },
                }
            }
            for day, seconds in spread(begin, end).items()
        ]

    def _key(self, day: str) -> dict[str, Any]:
        return {"model": {"S": self._model_arn}, "item": {"S": DAY_ITEM + day}}
