"""The record of a run while it goes on: when its model ran, and how many images are done.

One item per run in the runs table. Several functions add to it, each its own attributes, so every write is an
update and may be repeated. The receipt is made of it when the run ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.instants import from_text, now, to_text

# The table keeps a run's record this long; the receipt in the final bucket stays.
KEPT_DAYS = 90


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run. Instants are None until they have happened."""

    started_at: datetime | None = None
    model_running_at: datetime | None = None
    model_stop_accepted_at: datetime | None = None
    inference_units: int | None = None
    model_is_ours: bool = False
    finished_at: datetime | None = None
    processed: int = 0
    failed: int = 0
    nothing_left: int = 0
    set_aside: int = 0
    refused: int = 0
    refusal: str | None = None

    @property
    def images_done(self) -> int:
        """Images that left the queue, one way or the other, those with nothing left to do for them too."""
        return self.processed + self.failed + self.nothing_left + self.set_aside


@dataclass(frozen=True)
class BatchCounts:
    """What became of the messages of one batch.

    `set_aside` went to the dead-letter queue with their reason; `refused` went back because nothing at all can be
    labelled now, and `refusal` says why (the last reason, when there are several).
    """

    processed: int = 0
    failed: int = 0
    nothing_left: int = 0
    set_aside: int = 0
    refused: int = 0
    refusal: str | None = None


class RunRecords:
    """The records of the runs of one model."""

    def __init__(self, dynamodb: Any, table_name: str, model_arn: str) -> None:  # noqa: ANN401
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._model_arn = model_arn

    def open(self, run_id: str) -> None:
        """Write down that the run began. A repeated attempt keeps the first instant."""
        instant = now()
        self._update(
            run_id,
            "SET started_at = if_not_exists(started_at, :now), delete_after = :delete_after",
            {
                ":now": {"S": to_text(instant)},
                ":delete_after": {"N": str(int((instant + timedelta(days=KEPT_DAYS)).timestamp()))},
            },
        )

    def note_model_running(self, run_id: str, *, inference_units: int, ours: bool) -> None:
        """Write down the first time this run saw the model RUNNING, which is when its model time begins.

        `ours` tells a model that this system started from one that someone else runs and pays for.
        """
        self._update(
            run_id,
            "SET model_running_at = if_not_exists(model_running_at, :now), inference_units = :units, "
            "model_is_ours = :ours",
            {
                ":now": {"S": to_text(now())},
                ":units": {"N": str(inference_units)},
                ":ours": {"BOOL": ours},
            },
        )

    def note_model_stop_accepted(self, run_id: str) -> None:
        """Write down when Rekognition accepted the stop, which is when the run's model time ends."""
        self._update(
            run_id,
            "SET model_stop_accepted_at = if_not_exists(model_stop_accepted_at, :now)",
            {":now": {"S": to_text(now())}},
        )

    def add_batch(self, run_id: str, counts: BatchCounts) -> None:
        """Add a batch to the run's counters, once however often the SDK has to repeat the call.

        A transaction, for its client request token (which boto3 makes) lets DynamoDB know a repetition.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
        """
        added = {
            "images_processed": counts.processed,
            "images_failed": counts.failed,
            "images_nothing_left": counts.nothing_left,
            "images_set_aside": counts.set_aside,
            "messages_refused": counts.refused,
        }
        expression = "ADD " + ", ".join(f"{name} :{name}" for name in added)
        values: dict[str, Any] = {f":{name}": {"N": str(count)} for name, count in added.items()}
        if counts.refusal is not None:
            expression += " SET refusal = :refusal"
            values[":refusal"] = {"S": counts.refusal}
        update = {
            "TableName": self._table_name,
            "Key": self._key(run_id),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
        }
        self._dynamodb.transact_write_items(TransactItems=[{"Update": update}])

    def close(self, run_id: str, outcome: str) -> None:
        """Write down how the run ended."""
        self._update(
            run_id,
            "SET outcome = :outcome, finished_at = :now",
            {":outcome": {"S": outcome}, ":now": {"S": to_text(now())}},
        )

    def read(self, run_id: str) -> RunRecord:
        """Return what is known of the run (a consistent read); an empty record when there is none."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=self._key(run_id), ConsistentRead=True)
        item = answer.get("Item", {})
        return RunRecord(
            started_at=_instant(item, "started_at"),
            model_running_at=_instant(item, "model_running_at"),
            model_stop_accepted_at=_instant(item, "model_stop_accepted_at"),
            inference_units=int(item["inference_units"]["N"]) if "inference_units" in item else None,
            model_is_ours=item.get("model_is_ours", {}).get("BOOL", False),
            finished_at=_instant(item, "finished_at"),
            processed=int(item.get("images_processed", {}).get("N", "0")),
            failed=int(item.get("images_failed", {}).get("N", "0")),
            nothing_left=int(item.get("images_nothing_left", {}).get("N", "0")),
            set_aside=int(item.get("images_set_aside", {}).get("N", "0")),
            refused=int(item.get("messages_refused", {}).get("N", "0")),
            refusal=item.get("refusal", {}).get("S"),
        )

    def _key(self, run_id: str) -> dict[str, Any]:
        return {"model": {"S": self._model_arn}, "item": {"S": f"run#{run_id}"}}

    def _update(self, run_id: str, expression: str, values: dict[str, Any]) -> None:
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key=self._key(run_id),
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
        )


def _instant(item: dict[str, Any], name: str) -> datetime | None:
    return from_text(item[name]["S"]) if name in item else None
