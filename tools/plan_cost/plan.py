"""The rows of a plan: what each of the settings costs, and how long images wait with it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tools.plan_cost import simulation
from tools.plan_cost.arrivals import Arrivals
from tools.plan_cost.durations import HOUR
from tools.plan_cost.model import Model
from tools.plan_cost.settings import Settings
from tools.plan_cost.simulation import History

# A rate(…) schedule counts from when it was created, so nobody knows at which instants it looks. Images that always
# come just after a look wait longest: the first look just misses the first image, and then the looks are moved.
MISSED_SECONDS = 5.0
PHASES = (0, 1 / 2, 1 / 4, 3 / 4)
# So many runs have seen enough.
RUNS_ENOUGH = 1000


@dataclass(frozen=True)
class Outcome:
    """What came of one row. Money, hours and runs are for one period; waits are seconds from the upload to the label.

    The worst wait is that of the worst phase of the schedule, all else the mean. Infinite: some images are never
    labelled, because they come faster than these settings allow.
    """

    usd: float
    usd_per_1000: float
    median_seconds: float
    p95_seconds: float
    worst_seconds: float
    model_hours: float
    runs: float
    # The most that a run rented.
    units: int


@dataclass(frozen=True)
class Row:
    """Settings with their outcome."""

    settings: Settings
    outcome: Outcome

    def keeps(self, within_seconds: float, model: Model) -> bool:
        """Whether every image is labelled within so long, and not only by luck: a gate may use its whole wait."""
        gate = self.settings.gate
        latest_start = 0.0 if gate.min_backlog == 1 else gate.max_wait_seconds + model.start_seconds
        return max(self.outcome.worst_seconds, latest_start) <= within_seconds


@dataclass(frozen=True)
class Comparison:
    """Another way to do it."""

    name: str
    outcome: Outcome


def rows(every: Iterable[Settings], arrivals: Arrivals, model: Model, unit_hour_usd: float) -> list[Row]:
    """Simulate all settings, in their order; those that cannot differ only once."""
    every = list(every)
    found: dict[Settings, Outcome] = {}
    # From the most units down: where no run needed the most, fewer that are enough give the same.
    for settings in sorted(every, key=lambda settings: -settings.limits.max_units):
        like = next((other for other in found if _is_same(settings, other, found[other])), None)
        found[settings] = found[like] if like else outcome_of(settings, arrivals, model, unit_hour_usd)
    return [Row(settings, found[settings]) for settings in every]


def _is_same(settings: Settings, other: Settings, outcome: Outcome) -> bool:
    return (
        (settings.schedule_seconds, settings.gate, settings.cap_hours, settings.limits.min_units)
        == (other.schedule_seconds, other.gate, other.cap_hours, other.limits.min_units)
        and settings.limits.target_drain_minutes == other.limits.target_drain_minutes
        and outcome.units <= settings.limits.max_units
        and outcome.units < other.limits.max_units
    )


def distinct(all_rows: list[Row]) -> list[Row]:
    """Return the rows without those whose further units no run ever rented."""
    kept: dict[tuple[object, ...], Row] = {}
    for row in sorted(all_rows, key=lambda row: row.settings.limits.max_units):
        limits = row.settings.limits
        kept.setdefault((row.settings.schedule_seconds, row.settings.gate, limits.min_units, row.outcome), row)
    shown = set(map(id, kept.values()))
    return [row for row in all_rows if id(row) in shown]


def outcome_of(settings: Settings, arrivals: Arrivals, model: Model, unit_hour_usd: float) -> Outcome:
    """Simulate one row in several phases of its schedule."""
    instants = arrivals.instants
    histories = _in_phases(
        lambda first_look: simulation.simulate(instants, settings, model, first_look),
        float(instants[0]) - MISSED_SECONDS,
        settings.schedule_seconds,
    )
    return _outcome(histories, arrivals, unit_hour_usd)


def comparisons(arrivals: Arrivals, model: Model, unit_hour_usd: float) -> list[Comparison]:
    """Return what others do: a model that is always on, and AWS's sample, with the fewest units that are enough."""
    instants, busy = arrivals.instants, len(arrivals.instants) / arrivals.seconds
    units = max(1, math.ceil(busy / model.images_per_second_per_unit))
    on = simulation.always_on(instants, units, model, arrivals.seconds)
    held = _in_phases(
        lambda first_look: simulation.fixed_hold(instants, units, model, every=HOUR, hold=HOUR, first_look=first_look),
        float(instants[0]) - MISSED_SECONDS,
        HOUR,
    )
    named = f"{units} unit{'' if units == 1 else 's'}"
    return [
        Comparison(f"always on, {named}", _outcome([on], arrivals, unit_hour_usd)),
        Comparison(f"AWS's sample, {named}", _outcome(held, arrivals, unit_hour_usd)),
    ]


def least_usd(arrivals: Arrivals, model: Model, unit_hour_usd: float) -> float:
    """Return what the labelling itself costs in a period, which no settings can save."""
    unit_seconds = len(arrivals.instants) / arrivals.periods / model.images_per_second_per_unit
    return unit_seconds / HOUR * unit_hour_usd


def _in_phases(live: Callable[[float], History], first_look: float, every: float) -> list[History]:
    histories: list[History] = []
    for phase in PHASES:
        histories.append(live(first_look - every * phase))
        if sum(len(history.runs) for history in histories) >= RUNS_ENOUGH:
            break
    return histories


def _outcome(histories: list[History], arrivals: Arrivals, unit_hour_usd: float) -> Outcome:
    waits = np.concatenate([history.labelled_at - arrivals.instants for history in histories])
    median, p95 = np.percentile(waits, (50, 95), method="higher")
    runs = [run for history in histories for run in history.runs]
    periods = arrivals.periods * len(histories)
    usd = sum(run.unit_seconds for run in runs) / HOUR * unit_hour_usd
    return Outcome(
        usd=usd / periods,
        usd_per_1000=usd / len(waits) * 1000,
        median_seconds=float(median),
        p95_seconds=float(p95),
        worst_seconds=float(waits.max()),
        model_hours=sum(run.running_seconds for run in runs) / HOUR / periods,
        runs=len(runs) / periods,
        units=max((run.units for run in runs), default=0),
    )


def frontier(all_rows: list[Row]) -> list[Row]:
    """Return the rows for which none is both cheaper and quicker, by their worst wait, the cheapest first."""
    best: list[Row] = []
    for row in sorted(all_rows, key=lambda row: (row.outcome.usd, row.outcome.worst_seconds)):
        if not best or row.outcome.worst_seconds < best[-1].outcome.worst_seconds:
            best.append(row)
    return best


def recommended(all_rows: list[Row], within_seconds: float, model: Model) -> tuple[Row, bool]:
    """Return the cheapest row that keeps the promise, and True; or the one that comes closest, and False."""
    keeping = [row for row in all_rows if row.keeps(within_seconds, model)]
    if keeping:
        return min(keeping, key=lambda row: (row.outcome.usd, row.outcome.worst_seconds)), True
    return min(all_rows, key=lambda row: (row.outcome.worst_seconds, row.outcome.usd)), False
