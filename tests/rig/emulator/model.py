"""One Custom Labels model version: its states, its capacity and its meter.

No I/O and no locks: the caller serialises the calls. Time passes only through the clock, and a change
that is due is entered at the moment at which it was due, so the meter is exact however rarely anyone asks.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.rig.emulator.clock import Clock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.meter import Meter, RunMeter
from tests.rig.emulator.numbers import is_number

Json = Any

STARTABLE = frozenset({"TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED"})
"""The statuses from which AWS certainly starts a model. FAILED is not documented, so it is refused here:
code that counts on it should not pass its tests by luck."""

OCCUPIED = frozenset({"STARTING", "RUNNING", "STOPPING"})
"""The statuses that count against the quota of running models."""

BUSY = OCCUPIED | {"TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "DELETING"}
"""The statuses in which a start is refused because something else is under way."""

FEATURES = ("CUSTOM_LABELS", "CONTENT_MODERATION")
STOP_ERRORS = ("InvalidParameterException", "ResourceNotFoundException", "ResourceInUseException")
"""The errors that StopProjectVersion declares and that could mean "it does not run"."""

START_ENDS = ("RUNNING", "FAILED", "NEVER")
STOP_ENDS = ("STOPPED", "RUNNING", "NEVER")
STOPS_DURING_STARTING = ("refused", "accepted")

DELETED = "DELETED"
"""Ours, for a version that is not there any more: the API has no status for it."""

CAUSES = {
    ("STARTING", "RUNNING"): "start completed",
    ("STARTING", "FAILED"): "start failed",
    ("RUNNING", "FAILED"): "failed by itself",
    ("STOPPING", "STOPPED"): "stop completed",
    ("STOPPING", "RUNNING"): "stop fell back",
}
"""Why a model changes from the one status to the other by itself."""

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
    ``stop_during_starting``: not documented either. Refused means ResourceInUseException, the declared error
    that fits.

    What follows makes the model go wrong:
    ``start_ends``: what STARTING becomes after ``start_seconds``. ``stop_ends``: what STOPPING becomes after
    ``stop_seconds``; RUNNING is billed again from there. NEVER: it stays as it is.
    ``fails_after_seconds``: how long after it became RUNNING the model goes to FAILED; None: it does not.
    ``shown_status``: the Status in descriptions, whatever the real one is, also one that the API does not have;
    None: the real one. ``description_lag_seconds``: descriptions show what was true so long ago.
    ``feature``: what the project was made for. A CONTENT_MODERATION adapter is never started.
    """

    start_seconds: float = 600.0
    stop_seconds: float = 120.0
    images_per_second_per_unit: float = 5.0
    initial_status: str = "TRAINING_COMPLETED"
    stop_error_when_not_running: str = "InvalidParameterException"
    stop_during_starting: str = "refused"
    start_ends: str = "RUNNING"
    stop_ends: str = "STOPPED"
    fails_after_seconds: float | None = None
    shown_status: str | None = None
    description_lag_seconds: float = 0.0
    feature: str = "CUSTOM_LABELS"

    def __post_init__(self) -> None:
        """Refuse what would make no model (``ValueError``)."""
        for name in ("start_seconds", "stop_seconds", "description_lag_seconds", "fails_after_seconds"):
            value = getattr(self, name)
            if name == "fails_after_seconds" and value is None:
                continue
            if not is_number(value) or not value >= 0:
                raise ValueError(f"{name} must be a number of seconds, 0 or more")
        if not is_number(self.images_per_second_per_unit) or not self.images_per_second_per_unit > 0:
            raise ValueError("images_per_second_per_unit must be a number greater than 0")
        for name, choices in (
            ("stop_error_when_not_running", STOP_ERRORS),
            ("stop_during_starting", STOPS_DURING_STARTING),
            ("start_ends", START_ENDS),
            ("stop_ends", STOP_ENDS),
            ("feature", FEATURES),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}")
        # From JSON it may be anything.
        shown: object = self.shown_status
        if shown is not None and not (isinstance(shown, str) and shown):
            raise ValueError("shown_status must be a string that is not empty")


@dataclass
class Run:
    """One life of the model: from a start, or a stop that fell back to RUNNING, to the next status that is at rest.

    Moments are virtual seconds; None: not yet, or never. ``ended_at`` is when it ended in whatever way,
    ``first_detection_at`` when the first image was admitted, ``last_detection_at`` when the latest admitted
    image was answered; a throttled call is neither.
    """

    units: int
    started_at: float | None = None
    running_at: float | None = None
    stop_accepted_at: float | None = None
    stopped_at: float | None = None
    ended_at: float | None = None
    first_detection_at: float | None = None
    last_detection_at: float | None = None
    images: int = 0

    def starting_seconds(self, now: float) -> float:
        """Virtual seconds from the start to RUNNING, or to what came instead."""
        return _seconds(self.started_at, self.running_at, self.stop_accepted_at, self.ended_at, now)

    def running_seconds(self, now: float) -> float:
        """Virtual seconds that are billed."""
        return _seconds(self.running_at, self.stop_accepted_at, self.ended_at, now)

    def stopping_seconds(self, now: float) -> float:
        """Virtual seconds from the accepted stop to its end."""
        return _seconds(self.stop_accepted_at, self.ended_at, now)

    def meter(self, now: float) -> RunMeter:
        """This run as JSON, with how long it ran until ``now`` (virtual seconds)."""
        return {
            "units": self.units,
            "started_at": self.started_at,
            "running_at": self.running_at,
            "stop_accepted_at": self.stop_accepted_at,
            "stopped_at": self.stopped_at,
            "ended_at": self.ended_at,
            "running_seconds": self.running_seconds(now),
            "first_detection_at": self.first_detection_at,
            "last_detection_at": self.last_detection_at,
            "images": self.images,
        }


def _seconds(begin: float | None, *ends: float | None) -> float:
    """The time from ``begin`` to the first of the ``ends`` that there is."""
    return 0.0 if begin is None else next(end for end in ends if end is not None) - begin


@dataclass(frozen=True)
class Units:
    """Inference units that a model was started with; ``most`` None: it does not scale."""

    fewest: int
    most: int | None = None


@dataclass(frozen=True)
class Change:
    """A status that the model entered at a moment (virtual seconds), and its units from then on, None at rest."""

    at: float
    status: str
    cause: str
    units: Units | None


@dataclass
class Model:
    """One model version. Errors are the ``ServiceError`` that AWS documents for the operation."""

    project_arn: str
    project_version_arn: str
    settings: ModelSettings
    clock: Clock
    created_at: datetime
    _runs: list[Run] = field(default_factory=list)
    _history: list[Change] = field(default_factory=list)
    _answers: dict[str, Counter[str]] = field(default_factory=dict)
    _starts: int = 0
    _stops: int = 0
    _tokens: float = 0.0
    _tokens_at: float = 0.0
    _configured_at: float = 0.0

    def __post_init__(self) -> None:
        """Enter the initial status as of now."""
        self._registered = self.settings
        self._enter(self.settings.initial_status, self.clock.now(), "initial", Units(1))

    @property
    def version_name(self) -> str:
        """The version's name, which is what DescribeProjectVersions filters by."""
        return self.project_version_arn.split("/")[3]

    @property
    def status(self) -> str:
        """The status now, after whatever has come due."""
        self._settle()
        return self._status

    def configure(self, **changes: Json) -> ModelSettings:
        """Replace some settings from now on; answers all of them.

        A change of status that is overdue by the new settings happens now, not in the past.
        ``ValueError`` for a value that makes no model, ``TypeError`` for a name that is no setting.
        """
        settings = replace(self.settings, **changes)
        if settings.initial_status != self.settings.initial_status:
            raise ValueError("initial_status is for registration only, it cannot change")
        self._configured_at = self._settle()
        self.settings = settings
        return settings

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
        if self.settings.feature != "CUSTOM_LABELS":
            raise ServiceError("InvalidParameterException", f"A model for {self.settings.feature} cannot be started.")
        self._starts += 1
        self._enter("STARTING", now, cause, Units(min_units, max_units))
        return self.status

    def stop(self, cause: str) -> str:
        """Begin to stop the model; answers the new status. It is billed until here.

        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_StopProjectVersion.html
        """
        now, status = self._settle(), self._status
        stoppable = {"RUNNING", "STARTING"} if self.settings.stop_during_starting == "accepted" else {"RUNNING"}
        if status in BUSY - stoppable:
            raise ServiceError("ResourceInUseException", f"The model is {status} and cannot be stopped.")
        if status not in stoppable:
            raise ServiceError(self.settings.stop_error_when_not_running, f"The model is {status}, it does not run.")
        self._stops += 1
        self._enter("STOPPING", now, cause)
        return self.status

    def fail(self, cause: str) -> str:
        """Let a RUNNING model go to FAILED; answers the new status. ResourceNotReadyException for any other."""
        now = self._settle()
        self._check_running()
        self._enter("FAILED", now, cause)
        return self._status

    def delete(self, cause: str) -> str:
        """Delete the version, whatever it does (AWS refuses while it runs); answers the new status."""
        self._enter(DELETED, self._settle(), cause)
        return self._status

    def reset(self, cause: str) -> str:
        """Put the model to rest now, also a deleted one, with the settings it began with; answers the new status."""
        now = self._settle()
        self.settings = self._registered
        if self._status != "STOPPED":
            self._enter("STOPPED", now, cause)
        return self._status

    def admit(self) -> Run:
        """Let one image in, or refuse it; answers the run that pays for it.

        ResourceNotReadyException unless RUNNING, ProvisionedThroughputExceededException above the
        capacity: a token bucket of the rented images per second that holds one second's worth.
        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html
        """
        now = self._settle()
        self._check_running()
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

    def describe(self) -> dict[str, Any] | None:
        """The model as a ProjectVersionDescription; None when it is deleted."""
        moment = self._settle() - self.settings.description_lag_seconds
        seen = next((change for change in reversed(self._history) if change.at <= moment), self._history[0])
        if seen.status == DELETED:
            return None
        description: dict[str, Any] = {
            "ProjectVersionArn": self.project_version_arn,
            "CreationTimestamp": self.created_at,
            "Status": seen.status,
            "StatusMessage": status_message(seen.status),
            "Feature": self.settings.feature,
        }
        if seen.units is not None:
            description["MinInferenceUnits"] = seen.units.fewest
            if seen.units.most is not None:
                description["MaxInferenceUnits"] = seen.units.most
        return description

    def meter(self) -> Meter:
        """What an invoice and a test want to know, as JSON; all moments and spans in virtual seconds.

        Running counts from RUNNING until the stop was accepted, or until whatever else ended it; starting and
        stopping are kept apart, because AWS does not say whether it bills them.
        """
        now, status = self._settle(), self._status
        running = [run.running_seconds(now) for run in self._runs]
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
            "starting_seconds": sum(run.starting_seconds(now) for run in self._runs),
            "stopping_seconds": sum(run.stopping_seconds(now) for run in self._runs),
            "images": sum(run.images for run in self._runs),
            "first_detection_at": min(firsts, default=None),
            "last_detection_at": max(lasts, default=None),
            "answers": {operation: dict(outcomes) for operation, outcomes in self._answers.items()},
            "runs": [run.meter(now) for run in self._runs],
            "history": [{"at": change.at, "status": change.status, "cause": change.cause} for change in self._history],
        }

    @property
    def _status(self) -> str:
        return self._history[-1].status

    def _check_running(self) -> None:
        if self._status != "RUNNING":
            raise ServiceError("ResourceNotReadyException", f"The model is {self._status}, not RUNNING.")

    def _settle(self) -> float:
        """Enter the changes that have come due, each as of when it was due.

        Answers the moment up to which the model is settled, so that a caller uses one moment for all.
        """
        now = self.clock.now()
        while (due := self._next_change()) is not None and due[0] <= now:
            at, status = due
            self._enter(status, at, CAUSES[self._status, status])
        return now

    def _next_change(self) -> tuple[float, str] | None:
        """When the model changes next by itself, and to what; None: not unless it is told to."""
        settings, status = self.settings, self._status
        after: float | None
        if status == "STARTING":
            after, end = settings.start_seconds, settings.start_ends
        elif status == "STOPPING":
            after, end = settings.stop_seconds, settings.stop_ends
        elif status == "RUNNING":
            after, end = settings.fails_after_seconds, "FAILED"
        else:
            return None
        if after is None or end == "NEVER":
            return None
        return max(self._history[-1].at + after, self._configured_at), end

    def _enter(self, status: str, at: float, cause: str, units: Units | None = None) -> None:
        """Change the status, and with it the run, its bill and its capacity; without ``units`` they stay the same."""
        if status not in OCCUPIED:
            units = None
        elif units is None:
            units = self._history[-1].units
        self._history.append(Change(at, status, cause, units))
        run = self._runs[-1] if self._runs and self._runs[-1].ended_at is None else None
        if run is not None and (units is None or (status == "RUNNING" and run.stop_accepted_at is not None)):
            run.ended_at = at
            run.stopped_at = at if status == "STOPPED" else None
            run = None
        if units is None:
            return
        if run is None:
            run = Run(units.fewest)
            self._runs.append(run)
        if status == "STARTING":
            run.started_at = at
        elif status == "RUNNING":
            run.running_at = at
            self._tokens = _burst(self.settings.images_per_second_per_unit * run.units)
            self._tokens_at = at
        else:
            run.stop_accepted_at = at


def status_message(status: str) -> str:
    """The StatusMessage that goes with a status."""
    return STATUS_MESSAGES.get(status, status.replace("_", " ").capitalize())


def _burst(rate: float) -> float:
    """How many images the bucket holds: one second's worth, and one image at the least."""
    return max(1.0, rate)
