"""The state of a model: who started it, how its start and stop go, and what is known of its queue (I3, I4).

One item per model in the runs table. Each attribute has one writer, who owns the lease, and the owner is in the
condition of every write:

    lease_owner, lease_expires_at   the lease (lease.py); absent when it is free
    model_started_by                start_model: the run that started the model. Written before the start is asked for,
                                    removed when the model is seen stopped: it outlives a run that died in between
    start_accepted_by               start_model: the run whose start Rekognition accepted
    request_rate                    start_model: how fast the run's batches may call the model
    stop_progress                   ModelStop, for the workflow and the watchdog: see StopProgress
    images_waiting                  check_queue: images are known to wait, so no later run has to peek into the queue
    queue_empty_at                  check_queue: epoch seconds at which the queue was last counted empty, trigger closed
    last_check_at                   check_queue: epoch seconds of the last check before a start
    previous_interval_seconds       check_queue: seconds between that check and the one before
    clean_up                        watchdog: what it cleans up after, and why
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from shared.errors import LeaseLost
from shared.items import ConditionFailed, Items, Update
from shared.owner import Owner, OwnerKind
from shared.request_rate import RequestRate

STATE_ITEM = "lease"


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
class StopProgress:
    """How far a stop has come. It is void once a start is asked for, and once the lease has a new owner.

    Every write that asks for a start removes it, so an old `accepted` cannot make a new model look stopped. Two
    observations have to be a poll apart. A step that is repeated because its answer was lost counts once, therefore,
    and a new owner counts from zero.
    """

    accepted: bool = False
    stopped_observations: int = 0
    # The step that made the last observation.
    observed_by: str | None = None

    def observe(self, *, stopped: bool, step: str) -> Self:
        """Return the progress after one more description of the model."""
        if not stopped:
            return replace(self, stopped_observations=0, observed_by=None)
        if self.observed_by == step:
            return self
        return replace(self, stopped_observations=self.stopped_observations + 1, observed_by=step)


@dataclass(frozen=True)
class ModelState:
    """What the item says. None: it never happened."""

    owner: Owner | None = None
    lease_expires_at: int = 0
    started_by: str | None = None
    start_accepted_by: str | None = None
    request_rate: RequestRate | None = None
    stop_progress: StopProgress = StopProgress()
    images_waiting: bool = False
    queue_empty_at: int | None = None
    last_check_at: int | None = None
    previous_interval_seconds: int | None = None
    clean_up: CleanUp | None = None

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Self:
        """Return the state that an item holds; a free lease and no model of ours when it is empty."""
        return cls(
            owner=Owner.parse(item["lease_owner"]) if "lease_owner" in item else None,
            lease_expires_at=item.get("lease_expires_at", 0),
            started_by=item.get("model_started_by"),
            start_accepted_by=item.get("start_accepted_by"),
            request_rate=RequestRate(**item["request_rate"]) if "request_rate" in item else None,
            stop_progress=StopProgress(**item.get("stop_progress", {})),
            images_waiting=item.get("images_waiting", False),
            queue_empty_at=item.get("queue_empty_at"),
            last_check_at=item.get("last_check_at"),
            previous_interval_seconds=item.get("previous_interval_seconds"),
            clean_up=CleanUp(**item["clean_up"]) if "clean_up" in item else None,
        )

    @property
    def run_id(self) -> str | None:
        """The run that present work belongs to: the lease's owner, or the dead run that is being cleaned up after."""
        if self.owner is not None and self.owner.kind is not OwnerKind.RUN:
            return self.clean_up.after_run if self.clean_up else None
        return None if self.owner is None else self.owner.id


class ModelStates:
    """The state of one model, for the lease's owner to write and for anyone to read."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def read(self) -> ModelState:
        """Return the state now (a consistent read)."""
        return ModelState.parse(self._items.read(STATE_ITEM))

    def record_start_asked(self, owner: Owner) -> None:
        """Mark the model as ours to stop. Call it before the start is asked for: it voids an earlier stop."""
        write_as_owner(self._items, owner, "SET model_started_by = :me REMOVE stop_progress", {})

    def record_start_accepted(self, owner: Owner) -> None:
        """Record that Rekognition accepted the start."""
        write_as_owner(self._items, owner, "SET start_accepted_by = :me", {})

    def record_request_rate(self, owner: Owner, rate: RequestRate) -> None:
        """Record how fast the batches may call the model. Call it before the trigger is opened."""
        write_as_owner(self._items, owner, "SET request_rate = :rate", {"rate": asdict(rate)})

    def record_stop_progress(self, owner: Owner, progress: StopProgress) -> None:
        """Record how far the stop has come."""
        write_as_owner(self._items, owner, "SET stop_progress = :progress", {"progress": asdict(progress)})

    def record_nothing_to_stop(self, owner: Owner) -> None:
        """Record that the model needs no stop from us: it is seen stopped, or its start was blocked."""
        write_as_owner(self._items, owner, "REMOVE model_started_by, start_accepted_by, stop_progress", {})

    def record_images_waiting(self, owner: Owner, *, waiting: bool) -> None:
        """Record whether images are known to wait in the queue."""
        write_as_owner(self._items, owner, "SET images_waiting = :waiting", {"waiting": waiting})

    def record_queue_empty(self, owner: Owner, at: int) -> None:
        """Record that the queue was counted empty while its trigger was closed; `at` is in epoch seconds."""
        values = {"waiting": False, "at": at}
        write_as_owner(self._items, owner, "SET images_waiting = :waiting, queue_empty_at = :at", values)

    def record_check(self, owner: Owner, at: int, previous_interval_seconds: int | None) -> None:
        """Record when a run checked whether enough images wait, and how long after the check before."""
        values: dict[str, Any] = {"at": at}
        expression = "SET last_check_at = :at"
        if previous_interval_seconds is not None:
            values["interval"] = previous_interval_seconds
            expression += ", previous_interval_seconds = :interval"
        write_as_owner(self._items, owner, expression, values)

    def record_clean_up(self, owner: Owner, clean_up: CleanUp) -> None:
        """Record what the owner cleans up after."""
        write_as_owner(self._items, owner, "SET clean_up = :clean_up", {"clean_up": asdict(clean_up)})


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
