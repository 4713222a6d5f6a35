"""The lease on a model: one run at a time switches it (I4), and nobody forgets who started it (I3).

One item per model in the runs table:

    held_by           the run that holds the lease, or one of those below; absent when it is free
    held_until        epoch seconds; from then on another run may take the lease over
    model_started_by  the run that started the model; written before the start is asked for and removed when the
                      model is seen stopped, so that it outlives a run that died in between
    images_waiting    true while images are known to wait, so that no later run has to look into the queue again
    queue_empty_at    epoch seconds; the last time that the queue was counted empty while its trigger was closed
    looked_at         epoch seconds; the last look of a run that decides whether enough images wait for a start
    looked_after      seconds; how long after the look before it that was
    pace              how fast the run's batches may ask the model; written before the trigger is opened
    clean_up          what the watchdog is at: whom it cleans up after, since when, and how far it has come

The watchdog holds it as `watchdog/<its invocation>` while it cleans up, and Terraform as `terraform/retired` from the
moment it starts to remove the model's pipeline. No execution's name can hold a slash.

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
from shared.pace import Pace

LEASE_ITEM = "lease"
WATCHDOG = "watchdog/"
RETIRED = "terraform/retired"
# Longer than Terraform takes to remove the schedule, so that no run starts the model in between.
RETIRED_SECONDS = 3600


@dataclass(frozen=True)
class CleanUp:
    """What the watchdog has to bring to an end. `after_run` is None when no run is known to have died."""

    after_run: str | None
    reason: str
    since: int
    stop_accepted: bool = False
    sightings_at_rest: int = 0


@dataclass(frozen=True)
class Held:
    """What the lease item says."""

    held_by: str | None
    held_until: int
    model_started_by: str | None
    images_waiting: bool
    queue_empty_at: int | None = None
    clean_up: CleanUp | None = None
    looked_at: int | None = None
    looked_after: int | None = None
    pace: Pace | None = None

    @property
    def run_id(self) -> str | None:
        """The run that what happens now belongs to: the holder, or the dead run that is cleaned up after."""
        if self.held_by is not None and "/" in self.held_by:
            return self.clean_up.after_run if self.clean_up else None
        return self.held_by


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
                UpdateExpression="SET held_by = :me, held_until = :until REMOVE clean_up",
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
        if old.clean_up is not None:
            # The watchdog fell silent in the middle of it: whom it cleaned up after is the dead run.
            taken_from = old.clean_up.after_run
        return Acquisition(acquired=True, other_run=taken_from, model_started_by=old.model_started_by)

    def take_over(self, owner: str, seen: Held, clean_up: CleanUp) -> bool:
        """Take the lease from the dead holder that was `seen`, or the free one; False when it has changed hands."""
        values: dict[str, Any] = {
            ":me": {"S": owner},
            ":until": {"N": str(int(self._epoch()) + self._seconds)},
            ":clean_up": _clean_up_to_item(clean_up),
        }
        if seen.held_by is None:
            condition = "attribute_not_exists(held_by)"
        else:
            # Also the instant, because one that was taken for dead may have given a sign of life just now.
            condition = "held_by = :seen AND held_until = :seen_until"
            values |= {":seen": {"S": seen.held_by}, ":seen_until": {"N": str(seen.held_until)}}
        try:
            self._dynamodb.update_item(
                **self._target,
                UpdateExpression="SET held_by = :me, held_until = :until, clean_up = :clean_up",
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def retire(self) -> Held:
        """Take the lease from whoever holds it, for as long as Terraform takes; return what it said before.

        Steps that renew it shorten it to a lease like any other, so that a retirement that dies does not last.
        """
        answer = self._dynamodb.update_item(
            **self._target,
            UpdateExpression="SET held_by = :me, held_until = :until",
            ExpressionAttributeValues={
                ":me": {"S": RETIRED},
                ":until": {"N": str(int(self._epoch()) + RETIRED_SECONDS)},
            },
            ReturnValues="ALL_OLD",
        )
        return _parse(answer.get("Attributes", {}))

    def hand_over(self, owner: str, new_owner: str) -> None:
        """Give the lease, and what there is to clean up, from one holder to another."""
        values = {":new": {"S": new_owner}, ":until": {"N": str(int(self._epoch()) + self._seconds)}}
        self._update_held(owner, "SET held_by = :new, held_until = :until", values)

    def renew(self, run_id: str, *, quiet_seconds: int = 0) -> Held:
        """Extend the lease of a living run that will be quiet for a while; LeaseLost when another took it."""
        until = int(self._epoch()) + quiet_seconds + self._seconds
        return self._update_held(run_id, "SET held_until = :until", {":until": {"N": str(until)}})

    def note_model_started(self, run_id: str) -> None:
        """Write down that the model is ours to stop. Call it before the start is asked for."""
        self._update_held(run_id, "SET model_started_by = :me", {})

    def note_model_stopped(self, run_id: str) -> None:
        """Write down that the model needs no stop from us (any more)."""
        self._update_held(run_id, "REMOVE model_started_by", {})

    def note_images_waiting(self, run_id: str, *, waiting: bool) -> None:
        """Write down whether images are known to wait in the queue."""
        self._update_held(run_id, "SET images_waiting = :waiting", {":waiting": {"BOOL": waiting}})

    def note_queue_empty(self, run_id: str) -> None:
        """Write down that the queue was counted empty while its trigger was closed."""
        values = {":waiting": {"BOOL": False}, ":now": {"N": str(int(self._epoch()))}}
        self._update_held(run_id, "SET images_waiting = :waiting, queue_empty_at = :now", values)

    def note_look(self, run_id: str, after_seconds: int | None) -> None:
        """Write down when a run looked whether enough images wait for a start, and how long after the look before."""
        values = {":now": {"N": str(int(self._epoch()))}}
        if after_seconds is None:
            self._update_held(run_id, "SET looked_at = :now", values)
            return
        values[":after"] = {"N": str(after_seconds)}
        self._update_held(run_id, "SET looked_at = :now, looked_after = :after", values)

    def note_pace(self, run_id: str, pace: Pace) -> None:
        """Write down how fast the batches of this run may ask the model."""
        self._update_held(run_id, "SET pace = :pace", {":pace": _pace_to_item(pace)})

    def note_clean_up(self, owner: str, clean_up: CleanUp) -> None:
        """Write down how far the watchdog has come."""
        self._update_held(owner, "SET clean_up = :clean_up", {":clean_up": _clean_up_to_item(clean_up)})

    def release(self, run_id: str) -> None:
        """Give the lease back, with nothing left to clean up; does nothing when this run does not hold it."""
        try:
            self._update_held(run_id, "REMOVE held_by, held_until, clean_up", {})
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
        queue_empty_at=int(item["queue_empty_at"]["N"]) if "queue_empty_at" in item else None,
        clean_up=_clean_up_from_item(item["clean_up"]["M"]) if "clean_up" in item else None,
        looked_at=int(item["looked_at"]["N"]) if "looked_at" in item else None,
        looked_after=int(item["looked_after"]["N"]) if "looked_after" in item else None,
        pace=_pace_from_item(item["pace"]["M"]) if "pace" in item else None,
    )


def _pace_to_item(pace: Pace) -> dict[str, Any]:
    return {
        "M": {
            "images_per_second": {"N": str(pace.images_per_second)},
            "batches_at_once": {"N": str(pace.batches_at_once)},
        }
    }


def _pace_from_item(item: dict[str, Any]) -> Pace:
    return Pace(float(item["images_per_second"]["N"]), int(item["batches_at_once"]["N"]))


def _clean_up_to_item(clean_up: CleanUp) -> dict[str, Any]:
    after = {"NULL": True} if clean_up.after_run is None else {"S": clean_up.after_run}
    return {
        "M": {
            "after_run": after,
            "reason": {"S": clean_up.reason},
            "since": {"N": str(clean_up.since)},
            "stop_accepted": {"BOOL": clean_up.stop_accepted},
            "sightings_at_rest": {"N": str(clean_up.sightings_at_rest)},
        }
    }


def _clean_up_from_item(item: dict[str, Any]) -> CleanUp:
    return CleanUp(
        after_run=item["after_run"].get("S"),
        reason=item["reason"]["S"],
        since=int(item["since"]["N"]),
        stop_accepted=item["stop_accepted"]["BOOL"],
        sightings_at_rest=int(item["sightings_at_rest"]["N"]),
    )
