"""The lease on a model: one run at a time switches it (I4), and nobody forgets who started it (I3).

One item per model in the runs table:

    held_by           the run that holds the lease; absent when it is free
    held_until        epoch seconds; from then on another run may take the lease over
    model_started_by  the run that started the model; written before the start is asked for and removed when the
                      model is seen stopped, so that it outlives a run that died in between
    images_waiting    true while images are known to wait, so that no later run has to look into the queue again

DynamoDB's conditional writes are the mutex, with the expiry in the condition: ListExecutions is eventually
consistent, and TTL deletes days late.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.errors import LeaseLost

LEASE_ITEM = "lease"


@dataclass(frozen=True)
class Held:
    """What the lease item says."""

    held_by: str | None
    held_until: int
    model_started_by: str | None
    images_waiting: bool


@dataclass(frozen=True)
class Acquisition:
    """What came of asking for the lease."""

    acquired: bool
    # The run that holds it, when it was not acquired; the dead run it was taken from, when it was taken over.
    other_run: str | None
    # A run, perhaps this one on a second attempt, that started the model and has not seen it stopped.
    model_started_by: str | None


class Lease:
    """The lease on one model, for `seconds` from each renewal."""

    def __init__(
        self,
        dynamodb: Any,  # noqa: ANN401
        table_name: str,
        model_arn: str,
        seconds: int,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._target = _target(table_name, model_arn)
        self._model_arn = model_arn
        self._seconds = seconds
        self._epoch = epoch

    def acquire(self, run_id: str) -> Acquisition:
        """Take the lease if it is free, expired, or held by this same run (a repeated attempt)."""
        now = int(self._epoch())
        try:
            answer = self._dynamodb.update_item(
                **self._target,
                UpdateExpression="SET held_by = :me, held_until = :until",
                ConditionExpression="attribute_not_exists(held_by) OR held_by = :me OR held_until < :now",
                ExpressionAttributeValues={
                    ":me": {"S": run_id},
                    ":until": {"N": str(now + self._seconds)},
                    ":now": {"N": str(now)},
                },
                ReturnValues="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            holder = _read(self._dynamodb, self._target).held_by
            return Acquisition(acquired=False, other_run=holder, model_started_by=None)
        old = _parse(answer.get("Attributes", {}))
        taken_from = old.held_by if old.held_by != run_id else None
        return Acquisition(acquired=True, other_run=taken_from, model_started_by=old.model_started_by)

    def renew(self, run_id: str) -> Held:
        """Extend the lease of a living run; LeaseLost when another run took it."""
        return self._update_held(
            run_id, "SET held_until = :until", {":until": {"N": str(int(self._epoch()) + self._seconds)}}
        )

    def note_model_started(self, run_id: str) -> None:
        """Write down that the model is ours to stop. Call it before the start is asked for."""
        self._update_held(run_id, "SET model_started_by = :me", {})

    def note_model_stopped(self, run_id: str) -> None:
        """Write down that the model needs no stop from us (any more)."""
        self._update_held(run_id, "REMOVE model_started_by", {})

    def note_images_waiting(self, run_id: str, *, waiting: bool) -> None:
        """Write down whether images are known to wait in the queue."""
        self._update_held(run_id, "SET images_waiting = :waiting", {":waiting": {"BOOL": waiting}})

    def release(self, run_id: str) -> None:
        """Give the lease back; does nothing when this run does not hold it."""
        try:
            self._update_held(run_id, "REMOVE held_by, held_until", {})
        except LeaseLost:
            return

    def _update_held(self, run_id: str, expression: str, values: dict[str, Any]) -> Held:
        try:
            answer = self._dynamodb.update_item(
                **self._target,
                UpdateExpression=expression,
                ConditionExpression="held_by = :me",
                ExpressionAttributeValues={":me": {"S": run_id}, **values},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            raise LeaseLost(
                f"run {run_id} no longer holds the lease on {self._model_arn}: another run took it over or it was "
                "released. The model and the trigger are left to whoever holds it now."
            ) from error
        return _parse(answer["Attributes"])


def current(dynamodb: Any, table_name: str, model_arn: str) -> Held:  # noqa: ANN401
    """Return what the lease on a model says now, for those who only want to know whose it is."""
    return _read(dynamodb, _target(table_name, model_arn))


def _target(table_name: str, model_arn: str) -> dict[str, Any]:
    return {"TableName": table_name, "Key": {"model": {"S": model_arn}, "item": {"S": LEASE_ITEM}}}


def _read(dynamodb: Any, target: dict[str, Any]) -> Held:  # noqa: ANN401
    return _parse(dynamodb.get_item(**target, ConsistentRead=True).get("Item", {}))


def _parse(item: dict[str, Any]) -> Held:
    return Held(
        held_by=item.get("held_by", {}).get("S"),
        held_until=int(item.get("held_until", {}).get("N", "0")),
        model_started_by=item.get("model_started_by", {}).get("S"),
        images_waiting=item.get("images_waiting", {}).get("BOOL", False),
    )
