"""Whose the lease is, and whether that owner lives."""

from enum import Enum

from shared.lease import RETIRED, WATCHDOG, Held
from watchdog.executions import RUNNING, UNKNOWN

# What a run may take beyond its limit: the start of the model, its stop, and the last batches.
OVERDUE_SECONDS = 2 * 3600


class Owner(Enum):
    """Who holds the lease."""

    NOBODY = "nobody"
    LIVING_RUN = "a living run"
    DEAD_RUN = "a dead run"
    WATCHDOG = "the watchdog"
    TERRAFORM = "terraform"


def owner_without_asking(held: Held, now: int) -> Owner | None:
    """Return who holds the lease; None when it is a run, whose execution has to be looked at."""
    if held.held_by is None:
        return Owner.NOBODY
    if held.held_by.startswith(WATCHDOG):
        return Owner.WATCHDOG
    if held.held_by == RETIRED:
        return Owner.TERRAFORM if held.held_until >= now else Owner.NOBODY
    return None


def death(held: Held, status: str, *, seconds_overdue: int, now: int) -> str | None:
    """Return why the run that holds the lease counts as dead, as "Code: sentence"; None if it lives."""
    if status not in (RUNNING, UNKNOWN):
        return f"Execution{status.title().replace('_', '')}: the execution ended as {status} before its last steps"
    if held.held_until < now:
        return f"RunSilent: the run gave no sign of life for {now - held.held_until} s longer than its lease"
    if seconds_overdue > OVERDUE_SECONDS:
        return f"RunOverdue: the run has lasted {seconds_overdue} s longer than max_run_minutes"
    return None
