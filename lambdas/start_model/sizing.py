"""How many inference units to rent.

One unit for an hour costs as much as two units for half an hour. But each rented unit also waits for the first image
and for the end of the run, so the cheapest choice is the fewest units that finish in time. A further one has to save
more seconds than it wastes.
"""

import math
from dataclasses import dataclass

from shared.throughput import Throughput

# What each unit costs without labelling: from RUNNING to the first image, and from the last to the accepted stop.
UNIT_OVERHEAD_SECONDS = 15


@dataclass(frozen=True)
class Limits:
    """The least and the most units that a run may rent, and the minutes in which it should finish the backlog."""

    min_units: int
    max_units: int
    target_drain_minutes: float


@dataclass(frozen=True)
class Sizing:
    """The units to start with, and the reason, as a sentence for the receipt."""

    inference_units: int
    reason: str


def size(backlog: int, throughput: Throughput, limits: Limits) -> Sizing:
    """Return the fewest units within the limits that label `backlog` images in the target time.

    A unit that would spare less lateness than its own overhead is left out.
    """
    unit_seconds = backlog / throughput.images_per_second_per_unit
    target_seconds = limits.target_drain_minutes * 60
    needed = max(1, math.ceil(unit_seconds / (target_seconds + UNIT_OVERHEAD_SECONDS)))
    units = min(max(needed, limits.min_units), limits.max_units)
    minutes = unit_seconds / units / 60
    why = f"{backlog} images at {throughput} take {minutes:.1f} minutes with {units} inference units"
    if needed > limits.max_units:
        target = f"target_drain_minutes ({limits.target_drain_minutes:g})"
        return Sizing(units, f"{why}; that is longer than {target}, but max_inference_units allows no more units")
    if needed < limits.min_units:
        target = f"{limits.target_drain_minutes:g} minutes"
        return Sizing(units, f"{why}, which is min_inference_units; {needed} would finish within {target}")
    why = f"{why}, the fewest for target_drain_minutes ({limits.target_drain_minutes:g})"
    if unit_seconds > units * target_seconds:
        return Sizing(units, f"{why}: one more would cost {UNIT_OVERHEAD_SECONDS} s and save fewer")
    return Sizing(units, why)
