"""Who holds the lease, and whether that owner lives."""

from dataclasses import dataclass
from enum import Enum

from shared.model_state import ModelState
from shared.owner import OwnerKind
from watchdog.executions import RUNNING, UNKNOWN

# What a run may take beyond its limit: the start of the model, its stop, and the last batches.
OVERDUE_SECONDS = 2 * 3600


class Holder(Enum):
    """Who holds the lease."""

    NOBODY = "nobody"
    LIVING_RUN = "a living run"
    DEAD_RUN = "a dead run"
    WATCHDOG = "the watchdog"
    TERRAFORM = "terraform"


@dataclass(frozen=True)
class CauseOfDeath:
    """Why a run counts as dead: the error of its receipt."""

    code: str
    reason: str


def holder_without_asking(state: ModelState, now: int) -> Holder | None:
    """Return who holds the lease; None when it is a run, whose execution has to be described."""
    if state.owner is None:
        return Holder.NOBODY
    match state.owner.kind:
        case OwnerKind.WATCHDOG:
            return Holder.WATCHDOG
        case OwnerKind.TERRAFORM:
            return Holder.TERRAFORM if state.lease_expires_at >= now else Holder.NOBODY
        case _:
            return None


def why_dead(state: ModelState, status: str, *, seconds_overdue: int, now: int) -> CauseOfDeath | None:
    """Return why the run that holds the lease counts as dead; None if it lives."""
    if status not in (RUNNING, UNKNOWN):
        code = f"Execution{status.title().replace('_', '')}"
        return CauseOfDeath(code, f"the execution ended as {status} before its last steps")
    if state.lease_expires_at < now:
        seconds = now - state.lease_expires_at
        return CauseOfDeath("RunSilent", f"the run's lease expired {seconds} s ago without renewal")
    if seconds_overdue > OVERDUE_SECONDS:
        return CauseOfDeath("RunOverdue", f"the run has lasted {seconds_overdue} s longer than max_run_minutes")
    return None
