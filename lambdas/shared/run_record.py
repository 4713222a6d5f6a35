"""The record of a run while it goes on: when its model ran, and how many images are done.

One item per run in the runs table. Several functions add to it, each its own attributes, so every write is an
update and may be repeated. The receipt is made of it when the run ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.instants import from_text, now, to_text
from shared.model_hours import ModelHours

# The table keeps a run's record this long; the receipt in the final bucket stays.
KEPT_DAYS = 90


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run. Instants are None until they have happened."""

    started_at: datetime | None = None
    start_asked_at: datetime | None = None
    model_running_at: datetime | None = None
    first_detection_at: datetime | None = None
    last_detection_at: datetime | None = None
    model_stop_accepted_at: datetime | None = None
    model_stopped_at: datetime | None = None
    # The messages that the model was started for, and why with so many units.
    backlog: int | None = None
    sizing_reason: str | None = None
    inference_units: int | None = None
    # Whether the units are known to stay as they are while the model runs; with autoscaling nobody says how many run.
    units_are_fixed: bool = False
    model_is_ours: bool = False
    finished_at: datetime | None = None
    # Why the run did no more than it did.
    reason: str | None = None
    processed: int = 0
    failed: int = 0
    nothing_left: int = 0
    set_aside: int = 0
    refused: int = 0
    refusal: str | None = None
    throttled: int = 0

    @property
    def images_done(self) -> int:
        """Images that left the queue, one way or the other, those with nothing left to do for them too."""
        return self.processed + self.failed + self.nothing_left + self.set_aside


@dataclass(frozen=True)
class BatchCounts:
    """What became of the messages of one batch.

    `set_aside` went to the dead-letter queue with their reason; `refused` went back because nothing at all can be
    labelled now, and `refusal` says why (the last reason, when there are several). `throttled` counts the calls that
    Rekognition refused for coming too fast.
    """

    processed: int = 0
    failed: int = 0
    nothing_left: int = 0
    set_aside: int = 0
    refused: int = 0
    refusal: str | None = None
    throttled: int = 0
    # When the model was first asked, and when it last answered.
    first_detection_at: datetime | None = None
    last_detection_at: datetime | None = None


class RunRecords:
    """The records of the runs of one model."""

    def __init__(self, dynamodb: Any, table_name: str, model_arn: str) -> None:  # noqa: ANN401
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._model_arn = model_arn
        self._model_hours = ModelHours(dynamodb, table_name, model_arn)

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

    def note_start_asked(self, run_id: str, *, backlog: int, sizing_reason: str) -> None:
        """Write down when the start is asked for, the last time if it is refused, for how many messages, and why so."""
        self._update(
            run_id,
            "SET start_asked_at = :now, backlog = :backlog, sizing_reason = :reason",
            {":now": {"S": to_text(now())}, ":backlog": {"N": str(backlog)}, ":reason": {"S": sizing_reason}},
        )

    def note_reason(self, run_id: str, reason: str) -> None:
        """Write down why the run does no more than it does, as a sentence for its receipt."""
        self._update(run_id, "SET reason = :reason", {":reason": {"S": reason}})

    def note_model_running(self, run_id: str, *, inference_units: int, ours: bool, fixed: bool = False) -> None:
        """Write down the first time this run saw the model RUNNING, which is when its model time begins.

        `ours` tells a model that this system started from one that someone else runs and pays for; `fixed` says that
        Rekognition does not scale it.
        """
        self._update(
            run_id,
            "SET model_running_at = if_not_exists(model_running_at, :now), inference_units = :units, "
            "model_is_ours = :ours, units_are_fixed = if_not_exists(units_are_fixed, :fixed)",
            {
                ":now": {"S": to_text(now())},
                ":units": {"N": str(inference_units)},
                ":ours": {"BOOL": ours},
                ":fixed": {"BOOL": fixed},
            },
        )

    def note_model_stop_accepted(self, run_id: str) -> None:
        """Write down when Rekognition accepted the stop, which is when the run's model time ends."""
        self._update(
            run_id,
            "SET model_stop_accepted_at = if_not_exists(model_stop_accepted_at, :now)",
            {":now": {"S": to_text(now())}},
        )

    def note_model_stopped(self, run_id: str) -> None:
        """Write down when the model was first seen at rest again."""
        self._update(
            run_id,
            "SET model_stopped_at = if_not_exists(model_stopped_at, :now)",
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
            "calls_throttled": counts.throttled,
        }
        expression = "ADD " + ", ".join(f"{name} :{name}" for name in added)
        values: dict[str, Any] = {f":{name}": {"N": str(count)} for name, count in added.items()}
        sets = []
        if counts.refusal is not None:
            sets.append("refusal = :refusal")
            values[":refusal"] = {"S": counts.refusal}
        if counts.first_detection_at and counts.last_detection_at:
            # Batches end in about the order in which they began: the last that is written is the last within seconds.
            sets.append("first_detection_at = if_not_exists(first_detection_at, :first), last_detection_at = :last")
            values[":first"] = {"S": to_text(counts.first_detection_at)}
            values[":last"] = {"S": to_text(counts.last_detection_at)}
        if sets:
            expression += " SET " + ", ".join(sets)
        update = {
            "TableName": self._table_name,
            "Key": self._key(run_id),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
        }
        self._dynamodb.transact_write_items(TransactItems=[{"Update": update}])

    def close(self, run_id: str, outcome: str, record: RunRecord) -> None:
        """Write down how the run ended, and add its model time to the days on which it ran: once, if repeated.

        `record` is what was read of the run before. A run whose stop is not accepted yet counts until now.
        """
        instant = now()
        ending = {
            "TableName": self._table_name,
            "Key": self._key(run_id),
            "UpdateExpression": "SET outcome = :outcome, finished_at = :now",
            "ExpressionAttributeValues": {":outcome": {"S": outcome}, ":now": {"S": to_text(instant)}},
        }
        if record.finished_at is not None or record.model_running_at is None or not record.model_is_ours:
            self._dynamodb.update_item(**ending)
            return
        additions = self._model_hours.additions(record.model_running_at, record.model_stop_accepted_at or instant)
        first_time = {**ending, "ConditionExpression": "attribute_not_exists(finished_at)"}
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Update": first_time}, *additions])
        except ClientError as error:
            if not _was_closed_already(error):
                raise
            self._dynamodb.update_item(**ending)

    def add_late_model_time(self, run_id: str, record: RunRecord) -> None:
        """Add what a model ran on after its run was closed, because its stop came late: once, if repeated.

        `record` is what was read of the closed run.
        """
        if record.finished_at is None or record.model_stop_accepted_at is None or not record.model_is_ours:
            return
        additions = self._model_hours.additions(record.finished_at, record.model_stop_accepted_at)
        if not additions:
            return
        counted = {
            "TableName": self._table_name,
            "Key": self._key(run_id),
            "UpdateExpression": "SET late_time_counted = :yes",
            "ConditionExpression": "attribute_not_exists(late_time_counted)",
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Update": counted}, *additions])
        except ClientError as error:
            if not _was_closed_already(error):
                raise

    def read(self, run_id: str) -> RunRecord:
        """Return what is known of the run (a consistent read); an empty record when there is none."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=self._key(run_id), ConsistentRead=True)
        item = answer.get("Item", {})
        return RunRecord(
            started_at=_instant(item, "started_at"),
            start_asked_at=_instant(item, "start_asked_at"),
            model_running_at=_instant(item, "model_running_at"),
            first_detection_at=_instant(item, "first_detection_at"),
            last_detection_at=_instant(item, "last_detection_at"),
            model_stop_accepted_at=_instant(item, "model_stop_accepted_at"),
            model_stopped_at=_instant(item, "model_stopped_at"),
            backlog=int(item["backlog"]["N"]) if "backlog" in item else None,
            sizing_reason=item.get("sizing_reason", {}).get("S"),
            inference_units=int(item["inference_units"]["N"]) if "inference_units" in item else None,
            units_are_fixed=item.get("units_are_fixed", {}).get("BOOL", False),
            model_is_ours=item.get("model_is_ours", {}).get("BOOL", False),
            finished_at=_instant(item, "finished_at"),
            reason=item.get("reason", {}).get("S"),
            processed=int(item.get("images_processed", {}).get("N", "0")),
            failed=int(item.get("images_failed", {}).get("N", "0")),
            nothing_left=int(item.get("images_nothing_left", {}).get("N", "0")),
            set_aside=int(item.get("images_set_aside", {}).get("N", "0")),
            refused=int(item.get("messages_refused", {}).get("N", "0")),
            refusal=item.get("refusal", {}).get("S"),
            throttled=int(item.get("calls_throttled", {}).get("N", "0")),
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


def _was_closed_already(error: ClientError) -> bool:
    """Whether a transaction was cancelled by its first condition, and not for a conflict with another write."""
    reasons = error.response.get("CancellationReasons", [{}])
    return error_code(error) == "TransactionCanceledException" and reasons[0].get("Code") == "ConditionalCheckFailed"


def _instant(item: dict[str, Any], name: str) -> datetime | None:
    return from_text(item[name]["S"]) if name in item else None
