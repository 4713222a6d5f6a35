"""The records of reconciles in the runs table, beside those of the runs of the same model:

    reconcile                   when images were last queued, and by which reconcile
    reconcile#<id>              one reconcile: what it was asked, and its counters, to which each batch adds
    reconcile#<id>#examples     the first orphans that it found, and the first images that it was refused

All but the first are deleted after some time; the report in the final bucket stays.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from reconcile.listing import Counts, Refused
from reconcile.request import Queueing
from shared.clients import error_code
from shared.run_record import KEPT_DAYS
from shared.timestamps import format_rfc3339, now, parse_rfc3339

MARK_ITEM = "reconcile"
EXAMPLES_AT_MOST = 10

# Batches that end together meet at the one item, and DynamoDB cancels all but one of the transactions.
COUNT_ATTEMPTS = 10
LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Record:
    """What is known of a reconcile. All but the counts is None when its input was refused."""

    started_at: datetime | None = None
    prefix: str | None = None
    uploaded_before: datetime | None = None
    dry_run: bool | None = None
    note: str | None = None
    counts: Counts = field(default_factory=Counts)


class Records:
    """The records of the reconciles for one model."""

    def __init__(
        self,
        dynamodb: Any,  # noqa: ANN401
        table_name: str,
        model_arn: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._model_arn = model_arn
        self._pause = pause

    def open(
        self, run_id: str, *, prefix: str, uploaded_before: datetime | None, dry_run: bool, note: str | None
    ) -> None:
        """Write down what the reconcile is about. A repeated attempt keeps the first instant."""
        values: dict[str, Any] = {
            ":now": {"S": format_rfc3339(now())},
            ":delete_after": _delete_after(),
            ":prefix": {"S": prefix},
            ":uploaded_before": _text_or_null(format_rfc3339(uploaded_before) if uploaded_before else None),
            ":dry_run": {"BOOL": dry_run},
            ":note": _text_or_null(note),
        }
        self._update(
            _item(run_id),
            "SET started_at = if_not_exists(started_at, :now), delete_after = :delete_after, key_prefix = :prefix, "
            "uploaded_before = :uploaded_before, dry_run = :dry_run, note = :note",
            values,
        )

    def set_counts(self, run_id: str, counts: Counts) -> None:
        """Write down what a look at the first page was enough to count."""
        names = asdict(counts)
        self._update(
            _item(run_id),
            "SET " + ", ".join(f"{name} = :{name}" for name in names),
            {f":{name}": {"N": str(count)} for name, count in names.items()},
        )

    def add_batch(self, run_id: str, token: str, counts: Counts) -> None:
        """Add a batch to the counters, once in ten minutes however often it is repeated under the same `token`.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        names = asdict(counts)
        update = {
            "TableName": self._table_name,
            "Key": self._key(_item(run_id)),
            "UpdateExpression": "ADD " + ", ".join(f"{name} :{name}" for name in names),
            "ExpressionAttributeValues": {f":{name}": {"N": str(count)} for name, count in names.items()},
        }
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            try:
                self._dynamodb.transact_write_items(ClientRequestToken=token, TransactItems=[{"Update": update}])
            except ClientError as error:
                if error_code(error) == "IdempotentParameterMismatchException":
                    # The same batch was counted before, and has found a little less this time.
                    return
                if not _is_conflict(error) or attempt == COUNT_ATTEMPTS:
                    raise
                self._pause(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 - to part those that met
            else:
                return

    def add_examples(self, run_id: str, name: str, examples: Sequence[str | Refused]) -> bool:
        """Add to the `examples` or the `refused` unless there are enough; return whether there was room."""
        try:
            self._update(
                f"{_item(run_id)}#examples",
                f"SET {name} = list_append(if_not_exists({name}, :none), :new), delete_after = :delete_after",
                {
                    ":none": {"L": []},
                    ":new": {"L": [_stored(example) for example in examples[:EXAMPLES_AT_MOST]]},
                    ":delete_after": _delete_after(),
                    ":enough": {"N": str(EXAMPLES_AT_MOST)},
                },
                f"attribute_not_exists({name}) OR size({name}) < :enough",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def read(self, run_id: str) -> Record:
        """Return what is known of a reconcile; an empty record when there is none."""
        item = self._read(_item(run_id))
        started_at, uploaded_before = item.get("started_at", {}).get("S"), item.get("uploaded_before", {}).get("S")
        return Record(
            started_at=parse_rfc3339(started_at) if started_at else None,
            prefix=item.get("key_prefix", {}).get("S"),
            uploaded_before=parse_rfc3339(uploaded_before) if uploaded_before else None,
            dry_run=item.get("dry_run", {}).get("BOOL"),
            note=item.get("note", {}).get("S"),
            counts=Counts(*(int(item.get(count.name, {}).get("N", "0")) for count in fields(Counts))),
        )

    def examples(self, run_id: str) -> tuple[list[str], list[Refused]]:
        """Return the first orphans and the first refused; a batch that was repeated may have told of some twice."""
        item = self._read(f"{_item(run_id)}#examples")
        orphans = dict.fromkeys(key["S"] for key in item.get("examples", {}).get("L", []))
        told = [Refused(one["M"]["key"]["S"], one["M"]["reason"]["S"]) for one in item.get("refused", {}).get("L", [])]
        refused = {one.key: one for one in told}
        return list(orphans)[:EXAMPLES_AT_MOST], list(refused.values())[:EXAMPLES_AT_MOST]

    def note_queueing(self, run_id: str) -> None:
        """Write down that images are being queued now."""
        self._update(
            MARK_ITEM,
            "SET queued_by = :me, queued_at = :now",
            {":me": {"S": run_id}, ":now": {"S": format_rfc3339(now())}},
        )

    def last_queueing(self) -> Queueing | None:
        """Return when images were last queued; None when they never were."""
        item = self._read(MARK_ITEM)
        return Queueing(item["queued_by"]["S"], parse_rfc3339(item["queued_at"]["S"])) if item else None

    def _key(self, item: str) -> dict[str, Any]:
        return {"model": {"S": self._model_arn}, "item": {"S": item}}

    def _read(self, item: str) -> dict[str, Any]:
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=self._key(item), ConsistentRead=True)
        return answer.get("Item", {})

    def _update(self, item: str, expression: str, values: dict[str, Any], condition: str | None = None) -> None:
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key=self._key(item),
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **({"ConditionExpression": condition} if condition else {}),
        )


def _item(run_id: str) -> str:
    return f"{MARK_ITEM}#{run_id}"


def _stored(example: str | Refused) -> dict[str, Any]:
    if isinstance(example, Refused):
        return {"M": {"key": {"S": example.key}, "reason": {"S": example.reason}}}
    return {"S": example}


def _delete_after() -> dict[str, str]:
    return {"N": str(int((now() + timedelta(days=KEPT_DAYS)).timestamp()))}


def _text_or_null(text: str | None) -> dict[str, Any]:
    return {"NULL": True} if text is None else {"S": text}


def _is_conflict(error: ClientError) -> bool:
    reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
    return error_code(error) == "TransactionCanceledException" and "TransactionConflict" in reasons
