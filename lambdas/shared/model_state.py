"""The state of a model: who started it, how its start and stop go, and what is known of its queue (I3, I4).

One item per model in the runs table. Each attribute has one writer, who owns the lease, and the owner is in the
condition of every write, with two exceptions. The end of a start is written by the token of the call. `watched` is
written by the watchdog, which only must not come after a retirement.

    lease_owner, lease_expires_at   the lease (lease.py); absent when it is free
    receipts_owed                   lease.py: the dead runs from which the lease was taken, until they have a receipt
    model_starts                    start_model: a StartMark for each call that asked for a start, by the call's token.
                                    The model is ours to stop while there is one, also when its run has died
    request_rate                    start_model: how fast the run's batches may call the model
    stop_accepted_at                ModelStop, for the workflow and the watchdog: epoch seconds just before the last
                                    call for a stop that Rekognition accepted
    images_waiting                  check_queue: images are known to wait, so no later run has to peek into the queue
    queue_empty_at                  check_queue: epoch seconds at which the queue was last counted empty, with the
                                    trigger closed, or the listing of the bucket proved that no image waits
    watched                         watchdog: it watches this model, rather than another one; false after a retirement,
                                    and absent in a table that was just made
    clean_up                        watchdog: what it cleans up after, and why
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from shared.errors import LeaseLost
from shared.items import ConditionFailed, Items, Update
from shared.owner import RETIRED, Owner, OwnerKind
from shared.request_rate import RequestRate

STATE_ITEM = "lease"

# In place of the run, in the mark of a start that the model's tag tells of and the table does not.
UNKNOWN_RUN = "unknown"

# A start may be asked for this long after its mark: start_model lives for 30 s, and its last call ends with it. The
# rest is for a request on its way and for the difference of two clocks.
STILL_ACTING_SECONDS = 40


@dataclass(frozen=True)
class CleanUp:
    """What the watchdog has to finish. `after_run` is None when no run is known to have died."""

    after_run: str | None
    # The error of the dead run's receipt.
    code: str
    reason: str
    # Epoch seconds.
    since: int


@dataclass(frozen=True)
class StartMark:
    """One call that asks for the model's start. Its mark is written before the call, last of the table's writes.

    Only the call itself removes its mark early, when Rekognition has refused it for certain.
    """

    run_id: str
    # Epoch seconds.
    asked_at: int
    # When Rekognition answered the call; None: it may be made yet, or its answer was lost.
    ended_at: int | None = None
    accepted: bool = False

    @property
    def may_start_until(self) -> int:
        """Epoch seconds after which this call starts nothing any more."""
        return self.asked_at + STILL_ACTING_SECONDS if self.ended_at is None else self.ended_at


@dataclass(frozen=True)
class ModelState:
    """What the item says. None: it never happened."""

    owner: Owner | None = None
    lease_expires_at: int = 0
    receipts_owed: tuple[str, ...] = ()
    # By token.
    starts: Mapping[str, StartMark] = field(default_factory=dict)
    request_rate: RequestRate | None = None
    stop_accepted_at: int | None = None
    images_waiting: bool = False
    queue_empty_at: int | None = None
    watched: bool | None = None
    clean_up: CleanUp | None = None

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Self:
        """Return the state that an item holds; a free lease and no model of ours when it is empty."""
        return cls(
            owner=Owner.parse(item["lease_owner"]) if "lease_owner" in item else None,
            lease_expires_at=item.get("lease_expires_at", 0),
            receipts_owed=tuple(item.get("receipts_owed", ())),
            starts={token: StartMark(**mark) for token, mark in item.get("model_starts", {}).items()},
            request_rate=RequestRate(**item["request_rate"]) if "request_rate" in item else None,
            stop_accepted_at=item.get("stop_accepted_at"),
            images_waiting=item.get("images_waiting", False),
            queue_empty_at=item.get("queue_empty_at"),
            watched=item.get("watched"),
            clean_up=CleanUp(**item["clean_up"]) if "clean_up" in item else None,
        )

    @property
    def run_id(self) -> str | None:
        """The run that present work belongs to: the lease's owner, or the dead run that is being cleaned up after."""
        if self.owner is not None and self.owner.kind is not OwnerKind.RUN:
            return self.clean_up.after_run if self.clean_up else None
        return None if self.owner is None else self.owner.id

    @property
    def is_watched(self) -> bool:
        """Whether the watchdog watches this model."""
        return bool(self.watched)

    @property
    def is_retiring(self) -> bool:
        """Whether Terraform took the lease, and not all is at rest yet."""
        return self.owner is not None and self.owner.kind is OwnerKind.TERRAFORM and self.clean_up is not None

    @property
    def started_by(self) -> str | None:
        """The run that asked last for the model's start; None when the model is not ours to stop."""
        newest = max(self.starts.values(), key=lambda mark: mark.asked_at, default=None)
        return None if newest is None else newest.run_id

    @property
    def left_by(self) -> str | None:
        """The run to clean up after when nobody holds the lease; None when there is none, or none that is known."""
        return None if self.started_by == UNKNOWN_RUN else self.started_by

    @property
    def may_start_until(self) -> int:
        """Epoch seconds after which no call of ours starts the model any more."""
        return max((mark.may_start_until for mark in self.starts.values()), default=0)

    def start_accepted_for(self, run_id: str) -> bool:
        """Whether Rekognition accepted a start that this run asked for."""
        return any(mark.accepted and mark.run_id == run_id for mark in self.starts.values())


class ModelStates:
    """The state of one model, for the lease's owner to write and for anyone to read."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def read(self) -> ModelState:
        """Return the state now (a consistent read)."""
        return ModelState.parse(self._items.read(STATE_ITEM))

    def record_watched(self) -> None:
        """Record that the watchdog watches this model; not during and after a retirement, which ends that."""
        condition = "attribute_not_exists(lease_owner) OR lease_owner <> :retired"
        values = {"yes": True, "retired": str(RETIRED)}
        with suppress(ConditionFailed):
            self._items.update(Update(STATE_ITEM, "SET watched = :yes", values, condition))

    def record_watched_with_start(self, asked_at: int) -> None:
        """Record that the watchdog watches this model, and a start that a table before this one knew of.

        Does nothing in an item that ever said whether the model is watched. No run marks a start before that.
        """
        starts = {"from_tag": asdict(StartMark(UNKNOWN_RUN, asked_at))}
        expression = "SET watched = :yes, model_starts = :starts"
        with suppress(ConditionFailed):
            self._items.update(
                Update(STATE_ITEM, expression, {"yes": True, "starts": starts}, "attribute_not_exists(watched)")
            )

    def record_start_asked(self, owner: Owner, token: str, mark: StartMark) -> None:
        """Mark the model as ours to stop, for one call. Only the model's tag comes between this write and the call."""
        write_as_owner(self._items, owner, f"SET model_starts.{token} = :mark", {"mark": asdict(mark)})

    def record_start_ended(self, token: str, mark: StartMark) -> None:
        """Record the end of a call that started the model or may have, whoever owns the lease by now."""
        self._items.update(Update(STATE_ITEM, f"SET model_starts.{token} = :mark", {"mark": asdict(mark)}))

    def record_start_refused(self, token: str) -> None:
        """Remove the mark of a call that certainly started nothing. Other marks stay."""
        self._items.update(Update(STATE_ITEM, f"REMOVE model_starts.{token}", {}))

    def record_request_rate(self, owner: Owner, rate: RequestRate) -> None:
        """Record how fast the batches may call the model. Call it before the trigger is opened."""
        write_as_owner(self._items, owner, "SET request_rate = :rate", {"rate": asdict(rate)})

    def record_stop_accepted(self, owner: Owner, at: int) -> None:
        """Record that Rekognition accepted a stop; `at` is in epoch seconds, before the call."""
        write_as_owner(self._items, owner, "SET stop_accepted_at = :at", {"at": at})

    def record_stopped(self, owner: Owner, seen: ModelState) -> ModelState:
        """Remove the marks that were `seen`: none of them starts the model any more. Return the state after it."""
        gone = ["stop_accepted_at", *(f"model_starts.{token}" for token in seen.starts)]
        return write_as_owner(self._items, owner, f"REMOVE {', '.join(gone)}", {})

    def record_receipts_owed(self, owner: Owner, run_ids: Sequence[str]) -> None:
        """Record which dead runs still need a receipt."""
        write_as_owner(self._items, owner, "SET receipts_owed = :owed", {"owed": list(run_ids)})

    def record_images_waiting(self, owner: Owner, *, waiting: bool) -> None:
        """Record whether images are known to wait in the queue."""
        write_as_owner(self._items, owner, "SET images_waiting = :waiting", {"waiting": waiting})

    def record_queue_empty(self, owner: Owner, at: int) -> None:
        """Record that the queue was counted empty, or that nothing waits by the listing; `at` is in epoch seconds."""
        values = {"waiting": False, "at": at}
        write_as_owner(self._items, owner, "SET images_waiting = :waiting, queue_empty_at = :at", values)


def write_as_owner(items: Items, owner: Owner, expression: str, values: Mapping[str, Any]) -> ModelState:
    """Write if `owner`, as `:me`, still holds the lease; return the state after it. Error: LeaseLost."""
    update = Update(STATE_ITEM, expression, {"me": str(owner), **values}, condition="lease_owner = :me")
    try:
        return ModelState.parse(items.update(update, returning="ALL_NEW"))
    except ConditionFailed as error:
        raise LeaseLost(
            f"{owner} no longer holds the lease on {items.model_arn}: it was taken over or released. The model and the "
            "trigger are left to the lease's owner."
        ) from error
