"""One Custom Labels model version: its states, its capacity and its meter.

No I/O and no locks: the caller serialises the calls. Time passes only through the clock, and a change
that is due is entered at the moment at which it was due, so the meter is exact however rarely anyone asks.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.emulator.clock import Clock
from tests.emulator.errors import ServiceError

STARTABLE = frozenset({"TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED"})
"""The statuses from which AWS certainly starts a model. FAILED is not documented, so it is refused here:
code that counts on it should not pass its tests by luck."""

OCCUPIED = frozenset({"STARTING", "RUNNING", "STOPPING"})
"""The statuses that count against the quota of running models."""

BUSY = OCCUPIED | {"TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "DELETING"}
"""The statuses in which a start is refused because something else is under way."""

STOP_ERRORS = ("InvalidParameterException", "ResourceNotFoundException", "ResourceInUseException")
"""The errors that StopProjectVersion declares and that could mean "it does not run"."""

STATUS_MESSAGES = {
    "TRAINING_COMPLETED": "The model is ready to run.",
    "STARTING": "The model is being deployed.",
    "RUNNING": "The model is running.",
    "STOPPING": "The model is being stopped.",
    "STOPPED": "The model is stopped.",
}


@dataclass(frozen=True)
class ModelSettings:
    """How one model behaves. All times are virtual seconds.

    ``stop_error_when_not_running``: what StopProjectVersion answers for a model that is neither RUNNING,
    STARTING nor STOPPING. AWS does not document it (API_StopProjectVersion lists ResourceInUse,
    ResourceNotFound and InvalidParameter without saying which is when). The default is
    InvalidParameterException, because the version does exist and nothing uses it; code that is right with
    any of the three can be shown to be.
    """

    start_seconds: float = 600.0
    stop_seconds: float = 120.0
    images_per_second_per_unit: float = 5.0
    initial_status: str = "TRAINING_COMPLETED"
    stop_error_when_not_running: str = "InvalidParameterException"
    # Faults (a start that ends FAILED, a stop that hangs) will be further settings here.

    def __post_init__(self) -> None:
        """Refuse what would make no model (``ValueError``)."""
        for name in ("start_seconds", "stop_seconds"):
            if not _is_number(getattr(self, name)) or not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be a number of seconds, 0 or more")
        if not _is_number(self.images_per_second_per_unit) or not self.images_per_second_per_unit > 0:
            raise ValueError("images_per_second_per_unit must be a number greater than 0")
        if self.stop_error_when_not_running not in STOP_ERRORS:
            raise ValueError(f"stop_error_when_not_running must be one of {', '.join(STOP_ERRORS)}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass
class Run:
    """One life of the model, from a start to STOPPED. Moments are virtual seconds; None: not yet.

    ``first_detection_at`` is when the first image was admitted, ``last_detection_at`` when the latest
    admitted image was answered; a throttled call is neither.
    """

    units: int
    started_at: float | None = None
    running_at: float | None = None
    stop_accepted_at: float | None = None
    stopped_at: float | None = None
    first_detection_at: float | None = None
    last_detection_at: float | None = None
    images: int = 0

    def seconds(self, begin: float | None, end: float | None, now: float) -> float:
        """Virtual seconds between two moments of this run; one that is not over lasts until ``now``."""
        return 0.0 if begin is None else (now if end is None else end) - begin

    def meter(self, now: float) -> dict[str, Any]:
        """This run as JSON, with how long it ran until ``now`` (virtual seconds)."""
        return {
            "units": self.units,
            "started_at": self.started_at,
            "running_at": self.running_at,
            "stop_accepted_at": self.stop_accepted_at,
            "stopped_at": self.stopped_at,
            "running_seconds": self.seconds(self.running_at, self.stop_accepted_at, now),
            "first_detection_at": self.first_detection_at,
            "last_detection_at": self.last_detection_at,
            "images": self.images,
        }


@dataclass
class Model:
    """One model version. Errors are the ``ServiceError`` that AWS documents for the operation."""

    project_arn: str
    project_version_arn: str
    settings: ModelSettings
    clock: Clock
    created_at: datetime
    _min_units: int | None = None
    _max_units: int | None = None
    _runs: list[Run] = field(default_factory=list)
    _history: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[str, Counter[str]] = field(default_factory=dict)
    _starts: int = 0
    _stops: int = 0
    _tokens: float = 0.0
    _tokens_at: float = 0.0

    def __post_init__(self) -> None:
        """Enter the initial status as of now."""
        now = self.clock.now()
        initial = self.settings.initial_status
        if initial in OCCUPIED:
            self._min_units = 1
            run = Run(units=1)
            self._runs.append(run)
            if initial == "STARTING":
                run.started_at = now
            elif initial == "RUNNING":
                self._enter_running(run, now)
            else:
                run.stop_accepted_at = now
        self._enter(initial, now, "initial")

    @property
    def version_name(self) -> str:
        """The version's name, which is what DescribeProjectVersions filters by."""
        return self.project_version_arn.split("/")[3]

    @property
    def status(self) -> str:
        """The status now, after whatever has come due."""
        self._settle()
        return self._status

    def start(self, min_units: int, max_units: int | None, cause: str) -> str:
        """Begin to start the model with ``min_units`` inference units; answers the new status.

        ``max_units`` is kept and reported, but the capacity stays that of ``min_units``: AWS publishes
        neither when nor how fast a model scales.
        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_StartProjectVersion.html
        """
        now, status = self._settle(), self._status
        if status in BUSY:
            raise ServiceError("ResourceInUseException", f"The model is {status} and cannot be started.")
        if status not in STARTABLE:
            raise ServiceError("InvalidParameterException", f"A model that is {status} cannot be started.")
        self._min_units, self._max_units = min_units, max_units
        self._runs.append(Run(units=min_units, started_at=now))
        self._starts += 1
        self._enter("STARTING", now, cause)
        return self.status

    def stop(self, cause: str) -> str:
        """Begin to stop the model; answers the new status. It is billed until here.

        A stop during STARTING is not documented; ResourceInUseException is the declared error that fits.
        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_StopProjectVersion.html
        """
        now, status = self._settle(), self._status
        if status in BUSY - {"RUNNING"}:
            raise ServiceError("ResourceInUseException", f"The model is {status} and cannot be stopped.")
        if status != "RUNNING":
            raise ServiceError(self.settings.stop_error_when_not_running, f"The model is {status}, it does not run.")
        self._runs[-1].stop_accepted_at = now
        self._stops += 1
        self._enter("STOPPING", now, cause)
        return self.status

    def admit(self) -> Run:
        """Let one image in, or refuse it; answers the run that pays for it.

        ResourceNotReadyException unless RUNNING, ProvisionedThroughputExceededException above the
        capacity: a token bucket of the rented images per second that holds one second's worth.
        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html
        """
        now, status = self._settle(), self._status
        if status != "RUNNING":
            raise ServiceError("ResourceNotReadyException", f"The model is {status}, not RUNNING.")
        run = self._runs[-1]
        rate = self.settings.images_per_second_per_unit * run.units
        self._tokens = min(_burst(rate), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        # A hair under one image is one image: the refill is a float, 5 times 0.2 seconds must be 1.
        if self._tokens < 1 - 1e-9:
            raise ServiceError("ProvisionedThroughputExceededException")
        self._tokens -= 1
        run.images += 1
        if run.first_detection_at is None:
            run.first_detection_at = now
        return run

    def answered(self, run: Run) -> None:
        """Note that an admitted image of ``run`` has its answer, whatever the answer is."""
        run.last_detection_at = self.clock.now()

    def count(self, operation: str, outcome: str) -> None:
        """Count one answer: ``outcome`` is ``OK`` or the error's code."""
        self._answers.setdefault(operation, Counter())[outcome] += 1

    def describe(self) -> dict[str, Any]:
        """The model as a ProjectVersionDescription."""
        status = self.status
        description: dict[str, Any] = {
            "ProjectVersionArn": self.project_version_arn,
            "CreationTimestamp": self.created_at,
            "Status": status,
            "StatusMessage": STATUS_MESSAGES.get(status, status.replace("_", " ").capitalize()),
        }
        if self._min_units is not None:
            description["MinInferenceUnits"] = self._min_units
        if self._max_units is not None:
            description["MaxInferenceUnits"] = self._max_units
        return description

    def meter(self) -> dict[str, Any]:
        """What an invoice and a test want to know, as JSON; all moments and spans in virtual seconds.

        Running counts from RUNNING until the stop was accepted; starting and stopping are kept apart,
        because AWS does not say whether it bills them.
        """
        now, status = self._settle(), self._status
        running = [run.seconds(run.running_at, run.stop_accepted_at, now) for run in self._runs]
        firsts = [run.first_detection_at for run in self._runs if run.first_detection_at is not None]
        lasts = [run.last_detection_at for run in self._runs if run.last_detection_at is not None]
        return {
            "status": status,
            "project_arn": self.project_arn,
            "units": self._runs[-1].units if self._runs else None,
            "starts": self._starts,
            "stops": self._stops,
            "running_seconds": sum(running),
            "running_unit_seconds": sum(s * run.units for s, run in zip(running, self._runs, strict=True)),
            "starting_seconds": sum(run.seconds(run.started_at, run.running_at, now) for run in self._runs),
            "stopping_seconds": sum(run.seconds(run.stop_accepted_at, run.stopped_at, now) for run in self._runs),
            "images": sum(run.images for run in self._runs),
            "first_detection_at": min(firsts, default=None),
            "last_detection_at": max(lasts, default=None),
            "answers": {operation: dict(outcomes) for operation, outcomes in self._answers.items()},
            "runs": [run.meter(now) for run in self._runs],
            "history": [dict(entry) for entry in self._history],
        }

    @property
    def _status(self) -> str:
        return self._history[-1]["status"]

    def _settle(self) -> float:
        """Enter the one change that may have come due: STARTING ends RUNNING, STOPPING ends STOPPED.

        Answers the moment up to which the model is settled, so that a caller uses one moment for all.
        """
        now = self.clock.now()
        status = self._status
        since = self._history[-1]["at"]
        if status == "STARTING" and now >= since + self.settings.start_seconds:
            self._enter_running(self._runs[-1], since + self.settings.start_seconds)
            self._enter("RUNNING", since + self.settings.start_seconds, "start completed")
        elif status == "STOPPING" and now >= since + self.settings.stop_seconds:
            self._runs[-1].stopped_at = since + self.settings.stop_seconds
            self._min_units = self._max_units = None
            self._enter("STOPPED", since + self.settings.stop_seconds, "stop completed")
        return now

    def _enter_running(self, run: Run, at: float) -> None:
        run.running_at = at
        self._tokens = _burst(self.settings.images_per_second_per_unit * run.units)
        self._tokens_at = at

    def _enter(self, status: str, at: float, cause: str) -> None:
        self._history.append({"at": at, "status": status, "cause": cause})


def _burst(rate: float) -> float:
    """How many images the bucket holds: one second's worth, and one image at the least."""
    return max(1.0, rate)
