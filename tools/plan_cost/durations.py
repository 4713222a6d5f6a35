"""Durations as people write and read them."""

import math
import re

from tools.plan_cost.errors import InputError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MINUTE, HOUR, DAY = 60, 3600, 86400


def read(text: str, name: str) -> float:
    """Return the seconds of a duration such as `90m` or `4 hours`; `name` is the input that it came from.

    Error: InputError.
    """
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|m|h|d|min|minutes?|hours?|days?)\s*", text)
    if found is None or float(found[1]) == 0:
        raise InputError(f"{name}={text}: write a duration with its unit, such as 90m, 4h or 1d")
    return float(found[1]) * SECONDS[found[2][0]]


def show(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if math.isinf(seconds):
        return "never"
    if seconds < 10 * MINUTE:
        minutes, rest = divmod(round(seconds), MINUTE)
        return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
    minutes = round(seconds / MINUTE)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02}m" if hours else f"{minutes}m"
    return f"{hours // 24}d {hours % 24:02}h"


def short(seconds: float) -> str:
    """Return a duration of whole minutes as it is written in an input: in days, hours or minutes."""
    for unit in ("d", "h"):
        if seconds % SECONDS[unit] == 0 and seconds != DAY * (unit == "h"):
            return f"{seconds / SECONDS[unit]:g}{unit}"
    return f"{seconds / MINUTE:g}m"
