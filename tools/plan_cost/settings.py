"""The settings to compare, as the module takes them: parsed, checked by the module's rules, and its input lines."""

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from check_queue.start_gate import Gate
from start_model.sizing import Limits
from tools.plan_cost import durations
from tools.plan_cost.durations import DAY, HOUR, MINUTE
from tools.plan_cost.errors import InputError
from tools.plan_cost.model import Model

DEFAULT_SCHEDULES = "15m, 1h, 4h, 12h, 1d"
DEFAULT_UNITS = "1, 1-2, 1-5"
DEFAULT_GATES = "off, 500/4h, 2000/12h"
DEFAULT_DRAIN_MINUTES = 60.0

# The bounds of terraform/variables.tf.
MOST_UNITS = 100
MOST_BATCH = 100_000
LONGEST_WAIT_MINUTES = 7 * 24 * 60
ALARM_HOURS, MOST_ALARM_HOURS = 24, 312
RATE_UNITS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
# In a promise: the trigger's opening and the labelling.
REST_SECONDS = 15 * MINUTE
OFF = Gate(min_backlog=1, max_wait_seconds=240 * MINUTE)


@dataclass(frozen=True)
class Settings:
    """One row of the plan."""

    schedule_seconds: float
    limits: Limits
    # Without its schedule, which `gate_on_schedule` adds.
    gate: Gate
    cap_hours: float | None = None

    @property
    def schedule(self) -> str:
        """The schedule_expression."""
        return rate_expression(self.schedule_seconds)

    @property
    def units(self) -> str:
        """The units as the input UNITS names them."""
        limits = self.limits
        return (
            f"{limits.min_units}" if limits.min_units == limits.max_units else f"{limits.min_units}-{limits.max_units}"
        )

    @property
    def gate_text(self) -> str:
        """The gate as the input GATES names it."""
        if self.gate.min_backlog == 1:
            return "off"
        return f"{self.gate.min_backlog}/{durations.short(self.gate.max_wait_seconds)}"

    @property
    def gate_on_schedule(self) -> Gate:
        """The gate as the function is told of it."""
        return Gate(self.gate.min_backlog, self.gate.max_wait_seconds, self.schedule_seconds)

    @property
    def is_taken(self) -> bool:
        """Whether the module takes the gate with this schedule: an image must be able to wait for company."""
        least = 2 * self.schedule_seconds + 2 * MINUTE
        return self.gate.min_backlog == 1 or self.gate.max_wait_seconds >= least

    def inputs(self) -> dict[str, str]:
        """Return the module's inputs as Terraform takes them."""
        wait_minutes = self.gate.max_wait_seconds / MINUTE
        lines = {
            "schedule_expression": f'"{self.schedule}"',
            "min_inference_units": f"{self.limits.min_units}",
            "max_inference_units": f"{self.limits.max_units}",
            "target_drain_minutes": f"{self.limits.target_drain_minutes:g}",
            "min_backlog": f"{self.gate.min_backlog}",
            "max_wait_minutes": f"{wait_minutes:g}",
        }
        if self.cap_hours is not None:
            lines["max_model_hours_per_day"] = f"{self.cap_hours:g}"
        if self.gate.min_backlog > 1 and wait_minutes >= ALARM_HOURS * 60:
            # The module wants the alarm to come after the longest wait.
            lines["image_age_alarm_hours"] = f"{math.floor(wait_minutes / 60) + 6}"
        return lines


def rate_expression(seconds: float) -> str:
    """Return the schedule_expression that looks every so many seconds, which are whole minutes."""
    for unit in ("day", "hour", "minute"):
        count, rest = divmod(seconds, RATE_UNITS[unit])
        if not rest:
            return f"rate({count:g} {unit}{'' if count == 1 else 's'})"
    raise ValueError(f"{seconds} s are no whole minutes")


def read_schedules(text: str) -> list[float]:
    """Return the seconds between two looks, of rate(…) expressions or durations. Error: InputError."""
    if re.search(r"\b(cron|at)\s*\(", text):
        raise InputError(
            f"SCHEDULES={text}: cron(…) and at(…) are not simulated; write rate(…), such as rate(1 hour), or 1h"
        )
    return [_schedule(item, text) for item in _items(text, "SCHEDULES")]


def _schedule(item: str, text: str) -> float:
    found = re.fullmatch(r"rate\(\s*([0-9]{1,9}) (minute|hour|day)s?\s*\)", item)
    seconds = int(found[1]) * RATE_UNITS[found[2]] if found else durations.read(item, "SCHEDULES")
    if seconds < MINUTE or seconds % MINUTE:
        raise InputError(f"SCHEDULES={text}: {item} is not a whole number of minutes, 1 or more, as rate(…) wants it")
    return float(seconds)


def read_units(text: str, target_drain_minutes: float) -> list[Limits]:
    """Return the units of a list such as `1, 2-5`. Error: InputError."""
    limits = []
    for item in _items(text, "UNITS"):
        found = re.fullmatch(r"([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?", item)
        fewest, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= fewest <= most <= MOST_UNITS:
            raise InputError(
                f"UNITS={text}: {item!r} is not a number of inference units such as 2, or a range such as 1-5, "
                f"from 1 to {MOST_UNITS}"
            )
        limits.append(Limits(fewest, most, target_drain_minutes))
    return limits


def read_gates(text: str) -> list[Gate]:
    """Return the gates of a list such as `off, 500/4h`: images worth a start at once, and the longest wait of fewer.

    Error: InputError.
    """
    return [_gate(item, text) for item in _items(text, "GATES")]


def _gate(item: str, text: str) -> Gate:
    if item == "off":
        return OFF
    found = re.fullmatch(r"([0-9]{1,9})\s*/\s*(\S.*)", item)
    if found is None or not 2 <= int(found[1]) <= MOST_BATCH:
        raise InputError(
            f"GATES={text}: {item!r} is neither off nor min_backlog/max_wait such as 500/4h, from 2 to {MOST_BATCH} "
            "images"
        )
    seconds = durations.read(found[2], "GATES")
    if not MINUTE <= seconds <= LONGEST_WAIT_MINUTES * MINUTE:
        raise InputError(f"GATES={text}: {item} waits for less than a minute or more than 7 days")
    return Gate(int(found[1]), seconds)


def _items(text: str, name: str) -> list[str]:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InputError(f"{name}: is empty; write a list with commas, or leave it out for the default")
    return list(dict.fromkeys(items))


def suited_to(within_seconds: float, model: Model) -> tuple[list[float], list[Gate]]:
    """Return schedules and gates beside the default ones that make use of a promise."""
    # What is left of it for waiting, when the start and some time for all the rest are taken off.
    spare = within_seconds - model.start_seconds - REST_SECONDS
    shares = [_rounded(share * spare) for share in (1 / 2, 3 / 4, 1)]
    schedules = [share for share in shares if 5 * MINUTE <= share <= 7 * DAY]
    # The alarm for an image that waits too long goes off after a day.
    waits = [min(share, ALARM_HOURS * HOUR - 5 * MINUTE) for share in shares if share >= 30 * MINUTE]
    # More would not be done in that time.
    batch = min(MOST_BATCH, max(2, round(REST_SECONDS * model.images_per_second(1))))
    return schedules, [Gate(batch, wait) for wait in dict.fromkeys(waits)]


def _rounded(seconds: float) -> float:
    step = HOUR if seconds >= 6 * HOUR else 15 * MINUTE if seconds >= HOUR else 5 * MINUTE
    return float(seconds // step * step)


def combined(
    schedules: Iterable[float], limits: Iterable[Limits], gates: Iterable[Gate], cap_hours: float | None
) -> tuple[list[Settings], list[Settings]]:
    """Return every combination that the module takes, and those that it refuses for their gate."""
    product = itertools.product(sorted(set(schedules)), dict.fromkeys(gates), dict.fromkeys(limits))
    every = [Settings(schedule, units, gate, cap_hours) for schedule, gate, units in product]
    return [row for row in every if row.is_taken], [row for row in every if not row.is_taken]
