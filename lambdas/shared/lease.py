"""The lease on a model: whoever owns it, and nobody else, switches the model and its trigger (I4).

DynamoDB's conditional writes are the mutex, with the expiry in the condition: ListExecutions is eventually
consistent, and TTL deletes days late.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.errors import LeaseLost
from shared.items import ConditionFailed, Items, Update
from shared.model_state import STATE_ITEM, CleanUp, ModelState, ModelStates, write_as_owner
from shared.owner import RETIRED, Owner, OwnerKind

# How long a retirement that dies keeps everybody out: no longer than its function lives.
RETIRING_SECONDS = 300
# Longer than Terraform takes to remove the schedule, so that no run starts the model in between.
RETIRED_SECONDS = 3600

# How often to look again when the lease changes hands between a look and the write that follows it.
ATTEMPTS = 3


@dataclass(frozen=True)
class Acquisition:
    """What came of asking for the lease."""

    acquired: bool
    # Not acquired: who holds it. Taken over: the dead run, or None for a free lease.
    other_run: str | None
    # A run, perhaps this one on a second attempt, that started the model and has not seen it stopped.
    model_started_by: str | None
    # Dead runs from which the lease was taken, also at an earlier attempt, and that have no receipt yet.
    receipts_owed: tuple[str, ...] = ()


class Lease:
    """The lease on one model, for `seconds` from each renewal."""

    def __init__(self, items: Items, seconds: int, epoch: Callable[[], float] = time.time) -> None:
        self._items = items
        self._states = ModelStates(items)
        self._seconds = seconds
        self._epoch = epoch

    def acquire(self, owner: Owner) -> Acquisition:
        """Take the lease if it is free, expired, or already held by this same run (a repeated attempt)."""
        for _ in range(ATTEMPTS):
            seen = self._states.read()
            if seen.owner == owner:
                try:
                    seen = self.renew(owner)
                except LeaseLost:
                    continue
                other_run = seen.receipts_owed[-1] if seen.receipts_owed else None
                return Acquisition(True, other_run, seen.started_by, seen.receipts_owed)
            if seen.owner is not None and seen.lease_expires_at >= int(self._epoch()):
                break
            # A watchdog or a retirement that died in a clean-up: the dead run is the one that it cleaned up after.
            dead_run = seen.run_id
            owed = tuple(run for run in (*seen.receipts_owed, dead_run) if run is not None and run != str(owner))
            expression = "receipts_owed = :owed, model_starts = if_not_exists(model_starts, :none) REMOVE clean_up"
            if self._take(owner, seen, expression, {"owed": list(owed), "none": {}}):
                return Acquisition(True, dead_run, seen.started_by, owed)
        return Acquisition(acquired=False, other_run=str(seen.owner or "nobody"), model_started_by=None)

    def take_over(self, owner: Owner, seen: ModelState, clean_up: CleanUp) -> bool:
        """Take the lease from the dead owner that was `seen`, or a free one; False when it has changed hands."""
        return self._take(owner, seen, "clean_up = :clean_up", {"clean_up": asdict(clean_up)})

    def _take(self, owner: Owner, seen: ModelState, expression: str, values: Mapping[str, Any]) -> bool:
        taken: dict[str, Any] = {"me": str(owner), "until": self._until(owner), **values}
        if seen.owner is None:
            condition = "attribute_not_exists(lease_owner)"
        else:
            # The expiry too, because an owner that was taken for dead may have renewed the lease just now.
            condition = "lease_owner = :seen AND lease_expires_at = :seen_until"
            taken |= {"seen": str(seen.owner), "seen_until": seen.lease_expires_at}
        expression = f"SET lease_owner = :me, lease_expires_at = :until, {expression}"
        try:
            self._items.update(Update(STATE_ITEM, expression, taken, condition))
        except ConditionFailed:
            return False
        return True

    def _until(self, owner: Owner) -> int:
        seconds = RETIRING_SECONDS if owner.kind is OwnerKind.TERRAFORM else self._seconds
        return int(self._epoch()) + seconds

    def keep_retired(self) -> None:
        """Keep everybody out for as long as Terraform takes, now that all is at rest. Error: LeaseLost."""
        values = {"until": int(self._epoch()) + RETIRED_SECONDS, "no": False}
        expression = "SET lease_expires_at = :until, watched = :no REMOVE clean_up"
        write_as_owner(self._items, RETIRED, expression, values)

    def transfer(self, owner: Owner, new_owner: Owner) -> None:
        """Give the lease, with an unfinished clean-up, from one owner to another. Error: LeaseLost."""
        values = {"new": str(new_owner), "until": self._until(new_owner)}
        write_as_owner(self._items, owner, "SET lease_owner = :new, lease_expires_at = :until", values)

    def renew(self, owner: Owner, *, extra_seconds: int = 0) -> ModelState:
        """Extend the lease, by `extra_seconds` more for a wait that follows; return the state. Error: LeaseLost."""
        until = self._until(owner) + extra_seconds
        return write_as_owner(self._items, owner, "SET lease_expires_at = :until", {"until": until})

    def release(self, owner: Owner) -> None:
        """Give the lease back, with nothing left to clean up; does nothing when this owner does not hold it."""
        try:
            write_as_owner(self._items, owner, "REMOVE lease_owner, lease_expires_at, clean_up", {})
        except LeaseLost:
            return
