"""The lease on a model: whoever owns it, and nobody else, switches the model and its trigger (I4).

DynamoDB's conditional writes are the mutex, with the expiry in the condition: ListExecutions is eventually
consistent, and TTL deletes days late.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from shared.errors import LeaseLost
from shared.items import ConditionFailed, Items, Update
from shared.model_state import STATE_ITEM, CleanUp, ModelState, write_as_owner
from shared.owner import RETIRED, Owner

# Longer than Terraform takes to remove the schedule, so that no run starts the model in between.
RETIRED_SECONDS = 3600


@dataclass(frozen=True)
class Acquisition:
    """What came of asking for the lease."""

    acquired: bool
    # Not acquired: who holds it. Taken over: the dead run, or None for a free lease.
    other_run: str | None
    # A run, perhaps this one on a second attempt, that started the model and has not seen it stopped.
    model_started_by: str | None


class Lease:
    """The lease on one model, for `seconds` from each renewal."""

    def __init__(self, items: Items, seconds: int, epoch: Callable[[], float] = time.time) -> None:
        self._items = items
        self._seconds = seconds
        self._epoch = epoch

    def acquire(self, owner: Owner) -> Acquisition:
        """Take the lease if it is free, expired, or already held by this same run (a repeated attempt)."""
        now = int(self._epoch())
        update = Update(
            STATE_ITEM,
            "SET lease_owner = :me, lease_expires_at = :until REMOVE clean_up, stop_progress",
            {"me": str(owner), "until": now + self._seconds, "now": now},
            condition="attribute_not_exists(lease_owner) OR lease_owner = :me OR lease_expires_at < :now",
        )
        try:
            before = ModelState.parse(self._items.update(update, returning="ALL_OLD"))
        except ConditionFailed:
            holder = ModelState.parse(self._items.read(STATE_ITEM)).owner
            return Acquisition(acquired=False, other_run=str(holder) if holder else None, model_started_by=None)
        taken_from = str(before.owner) if before.owner not in (None, owner) else None
        if before.clean_up is not None:
            # The watchdog died during a clean-up: the dead run is the one that it cleaned up after.
            taken_from = before.clean_up.after_run
        return Acquisition(acquired=True, other_run=taken_from, model_started_by=before.started_by)

    def take_over(self, owner: Owner, seen: ModelState, clean_up: CleanUp) -> bool:
        """Take the lease from the dead owner that was `seen`, or a free one; False when it has changed hands.

        The stop's progress goes on only if the clean-up that was `seen` does.
        """
        values: dict[str, Any] = {
            "me": str(owner),
            "until": int(self._epoch()) + self._seconds,
            "clean_up": asdict(clean_up),
        }
        if seen.owner is None:
            condition = "attribute_not_exists(lease_owner)"
        else:
            # The expiry too, because an owner that was taken for dead may have renewed the lease just now.
            condition = "lease_owner = :seen AND lease_expires_at = :seen_until"
            values |= {"seen": str(seen.owner), "seen_until": seen.lease_expires_at}
        expression = "SET lease_owner = :me, lease_expires_at = :until, clean_up = :clean_up"
        if clean_up != seen.clean_up:
            expression += " REMOVE stop_progress"
        try:
            self._items.update(Update(STATE_ITEM, expression, values, condition))
        except ConditionFailed:
            return False
        return True

    def retire(self) -> ModelState:
        """Take the lease from whoever holds it, for as long as Terraform takes; return the state before.

        Later renewals shorten it to an ordinary lease, so that a retirement that dies does not last.
        """
        update = Update(
            STATE_ITEM,
            "SET lease_owner = :me, lease_expires_at = :until REMOVE stop_progress",
            {"me": str(RETIRED), "until": int(self._epoch()) + RETIRED_SECONDS},
        )
        return ModelState.parse(self._items.update(update, returning="ALL_OLD"))

    def transfer(self, owner: Owner, new_owner: Owner) -> None:
        """Give the lease, with an unfinished clean-up, from one owner to another. Error: LeaseLost."""
        values = {"new": str(new_owner), "until": int(self._epoch()) + self._seconds}
        write_as_owner(self._items, owner, "SET lease_owner = :new, lease_expires_at = :until", values)

    def renew(self, owner: Owner, *, extra_seconds: int = 0) -> ModelState:
        """Extend the lease, by `extra_seconds` more for a wait that follows; return the state. Error: LeaseLost."""
        until = int(self._epoch()) + extra_seconds + self._seconds
        return write_as_owner(self._items, owner, "SET lease_expires_at = :until", {"until": until})

    def release(self, owner: Owner) -> None:
        """Give the lease back, with nothing left to clean up; does nothing when this owner does not hold it."""
        try:
            write_as_owner(self._items, owner, "REMOVE lease_owner, lease_expires_at, clean_up", {})
        except LeaseLost:
            return
