"""How far the active run is: its phase, the images left, the money so far, and the time left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import project_version
from shared.clients import client
from shared.run_record import RunRecord, RunRecords
from shared.sqs import count_messages
from shared.timestamps import now as now_utc
from tools.deployment import Deployment
from tools.desk.leases import items_of

# The phases of a run. A program may rely on the values.
COUNTING, STARTING, LABELLING, DRAINING, STOPPING, CLOSING, ENDED = (
    "counting the queue",
    "starting the model",
    "labelling",
    "waiting for the last images",
    "stopping the model",
    "writing the receipt",
    "ended",
)

# AWS publishes none of these: the planner's, which docs/cost.md measures.
START_SECONDS, STOP_SECONDS, IMAGES_PER_SECOND_AND_UNIT = 600.0, 120.0, 3.0
# From the last image until the stop is asked for. The bucket's listing proves within seconds that no image waits; where
# it proves nothing, SQS's counts take a minute more.
DRAIN_SECONDS = 5.0
# A rate is measured once so many images took so many seconds.
MEASURED_IMAGES, MEASURED_SECONDS = 10, 5.0


@dataclass(frozen=True)
class Progress:
    """One look at a run. `left` are messages of the queue; `usd` is None for a model that someone else pays."""

    run_id: str
    phase: str
    model: str
    done: int
    failed: int
    left: int
    units: int | None
    running_seconds: float
    usd: float | None
    seconds_left: int | None

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to see."""
        return self.phase == ENDED


def look(deployment: Deployment, run_id: str) -> Progress:
    """Return how far a run is. Errors: botocore's."""
    record = RunRecords(items_of(deployment)).read(run_id)
    model = (
        project_version.connect(deployment.project_arn, deployment.project_version_arn, deployment.name)
        .describe()
        .status
    )
    left = count_messages(client("sqs"), deployment.queue_url).total
    return progress(run_id, record, model, left, deployment.unit_hour_usd, now_utc())


def progress(run_id: str, record: RunRecord, model: str, left: int, unit_hour_usd: float, now: datetime) -> Progress:
    """Return how far a run is, from what is known of it at `now`."""
    phase = _phase(record, left)
    units = record.inference_units
    running = _running_seconds(record, now)
    is_ours = record.model_is_ours or record.model_running_at is None
    return Progress(
        run_id=run_id,
        phase=phase,
        model=model,
        done=record.processed + record.failed,
        failed=record.failed,
        left=left,
        units=units,
        running_seconds=round(running, 1),
        usd=round(running / 3600 * (units or 1) * unit_hour_usd, 4) if is_ours else None,
        seconds_left=_seconds_left(phase, record, left, now),
    )


def _phase(record: RunRecord, left: int) -> str:
    if record.outcome is not None:
        return ENDED
    if record.model_stopped_at is not None:
        return CLOSING
    if record.model_stop_accepted_at is not None:
        return STOPPING
    if record.model_running_at is not None:
        return LABELLING if left else DRAINING
    return STARTING if record.start_asked_at is not None else COUNTING


def _running_seconds(record: RunRecord, now: datetime) -> float:
    if record.model_running_at is None:
        return 0.0
    end = record.model_stop_accepted_at or record.finished_at or now
    return max(0.0, (end - record.model_running_at).total_seconds())


def _seconds_left(phase: str, record: RunRecord, left: int, now: datetime) -> int | None:
    """Return the seconds to the receipt, as far as anybody can tell; None while nothing is known."""
    labelling = left / _rate(record)
    if phase == STARTING and record.start_asked_at is not None:
        starting = max(0.0, START_SECONDS - (now - record.start_asked_at).total_seconds())
        return round(starting + labelling + DRAIN_SECONDS + STOP_SECONDS)
    if phase == LABELLING:
        return round(labelling + DRAIN_SECONDS + STOP_SECONDS)
    if phase == DRAINING:
        since = (now - (record.last_detection_at or now)).total_seconds()
        return round(max(0.0, DRAIN_SECONDS - since) + STOP_SECONDS)
    if phase == STOPPING and record.model_stop_accepted_at is not None:
        return round(max(0.0, STOP_SECONDS - (now - record.model_stop_accepted_at).total_seconds()))
    return None if phase == COUNTING else 0


def _rate(record: RunRecord) -> float:
    done = record.processed + record.failed
    if record.first_detection_at and record.last_detection_at:
        seconds = (record.last_detection_at - record.first_detection_at).total_seconds()
        if done >= MEASURED_IMAGES and seconds >= MEASURED_SECONDS:
            return done / seconds
    return IMAGES_PER_SECOND_AND_UNIT * (record.inference_units or 1)


def as_json(seen: Progress) -> dict[str, Any]:
    """Return a look for programs."""
    return {
        "run_id": seen.run_id,
        "phase": seen.phase,
        "model": {"status": seen.model, "inference_units": seen.units, "running_seconds": seen.running_seconds},
        "images": {"done": seen.done, "failed": seen.failed, "left": seen.left},
        "cost_usd": seen.usd,
        "seconds_left": seen.seconds_left,
    }
