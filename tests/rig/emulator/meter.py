"""What the emulator's meter tells of a model, as JSON, in virtual seconds. None: not yet, or never."""

from __future__ import annotations

from typing import TypedDict


class RunMeter(TypedDict):
    """One life of the model; see Run in model.py."""

    units: int
    started_at: float | None
    running_at: float | None
    stop_accepted_at: float | None
    stopped_at: float | None
    ended_at: float | None
    running_seconds: float
    first_detection_at: float | None
    last_detection_at: float | None
    images: int


class StatusChange(TypedDict):
    """A status that the model entered, and why."""

    at: float
    status: str
    cause: str


class Meter(TypedDict):
    """What an invoice and a test want to know of a model."""

    status: str
    project_arn: str
    units: int | None
    starts: int
    stops: int
    running_seconds: float
    running_unit_seconds: float
    starting_seconds: float
    stopping_seconds: float
    images: int
    first_detection_at: float | None
    last_detection_at: float | None
    # How often each operation had each outcome.
    answers: dict[str, dict[str, int]]
    runs: list[RunMeter]
    history: list[StatusChange]
