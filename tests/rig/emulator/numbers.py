"""What counts as a number in a setting: Python takes True for 1, and a setting must not."""

from __future__ import annotations

import math


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number, whole or not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> bool:
    """Whether ``value`` is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
