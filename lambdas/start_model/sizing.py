"""How many inference units to rent.

One unit for an hour costs as much as two for half of it, but each that is rented waits for the first image and for the
end: so the fewest that are done in time are the cheapest.
"""

import math
from dataclasses import dataclass

from shared.throughput import Throughput


@dataclass(frozen=True)
class Limits:
    """The fewest and the most units that a run may rent, and the minutes in which it should be through the backlog."""

    fewest: int
    most: int
    target_drain_minutes: float


@dataclass(frozen=True)
class Sizing:
    """The units to start with, and why, as a sentence for the receipt."""

    inference_units: int
    reason: str


def size(backlog: int, throughput: Throughput, limits: Limits) -> Sizing:
    """Return the fewest units within the limits that label `backlog` images in the target time."""
    unit_seconds = backlog / throughput.images_per_second_per_unit
    needed = max(1, math.ceil(unit_seconds / (limits.target_drain_minutes * 60)))
    units = min(max(needed, limits.fewest), limits.most)
    minutes = unit_seconds / units / 60
    why = f"{backlog} images at {throughput} take {minutes:.1f} minutes with {units} inference units"
    if needed > limits.most:
        return Sizing(
            units, f"{why}: more than target_drain_minutes ({limits.target_drain_minutes:g}), but it is the most"
        )
    if needed < limits.fewest:
        return Sizing(units, f"{why}, which is the fewest; {needed} would do for {limits.target_drain_minutes:g}")
    return Sizing(units, f"{why}, the fewest for target_drain_minutes ({limits.target_drain_minutes:g})")
