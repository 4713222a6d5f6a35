"""Virtual time: an hour of a model's life takes as long as the test can afford."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the emulator needs of a clock."""

    @property
    def time_scale(self) -> float:
        """Wall seconds per virtual second; 0 when wall time plays no part."""
        ...

    def now(self) -> float:
        """Virtual seconds since the emulator started."""
        ...


class VirtualClock:
    """A clock that runs with the wall clock, faster or slower.

    ``time_scale`` is wall seconds per virtual second: with 0.05 a model that takes 600 seconds to start
    is RUNNING after 30 seconds at the desk. It must be positive (``ValueError``).
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        if not time_scale > 0:
            raise ValueError(f"the time scale must be greater than 0, not {time_scale}")
        self.time_scale = time_scale
        # Monotonic, so that a clock set right in the middle of a test cannot bill a negative hour.
        self._started = time.monotonic()

    def now(self) -> float:
        """Virtual seconds since this clock was made."""
        return (time.monotonic() - self._started) / self.time_scale


class ManualClock:
    """A clock that moves only when it is told to: for unit tests and simulations."""

    time_scale = 0.0

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Virtual seconds: the sum of what ``advance`` was given."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` virtual seconds pass; ``ValueError`` when negative."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += seconds
