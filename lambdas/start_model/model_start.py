"""One step towards a running model. Every step may be repeated."""

from dataclasses import dataclass
from typing import Any, Self

from botocore.exceptions import ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelNotStartable, ModelQuotaReached, ModelStartFailed, ModelStartRefused, ModelStartTimedOut
from shared.lease import Lease
from shared.pace import pace_of
from shared.project_version import ProjectVersion, Sighting
from shared.run_record import RunRecords
from shared.telemetry import logger
from shared.throughput import ThroughputBook
from start_model.logic import (
    QUOTA_POLL_SECONDS,
    QUOTA_TIMEOUT_SECONDS,
    START_TIMEOUT_SECONDS,
    Action,
    next_action,
    poll_seconds,
)
from start_model.sizing import Limits, Sizing, size

# The account's running models, or the model's inference units: others may give some back.
QUOTA = "LimitExceededException"

# Refusals that the same call would meet again at once, and what a person can do about each.
REFUSALS = {
    "AccessDeniedException": "the function's role may not start this model; check the role and the project's policy.",
    "ResourceNotFoundException": "the model does not exist; check project_arn and project_version_arn.",
    "InvalidParameterException": "Rekognition takes these parameters for no start; check the inference units.",
    # In no list of the API, and what it answers to parameters that are not of the right form.
    "ValidationException": "Rekognition takes these parameters for no start; check the ARNs and the inference units.",
}


@dataclass(frozen=True)
class Units:
    """What a run may rent; `scales`: Rekognition may scale up to the most by itself while the model runs."""

    limits: Limits
    scales: bool


@dataclass(frozen=True)
class Begun:
    """How far the start of a run has come: what the workflow carries from one step to the next."""

    # What was waited so far, and how much of it for the quota.
    waited_seconds: int = 0
    quota_seconds: int = 0
    accepted: bool = False

    @classmethod
    def from_workflow(cls, event: dict[str, Any]) -> Self:
        """Return what the workflow carried; the names are those of the answer."""
        return cls(int(event["waited_seconds"]), int(event["quota_seconds"]), bool(event["start_accepted"]))

    @property
    def starting_seconds(self) -> int:
        """What was waited for the model itself."""
        return self.waited_seconds - self.quota_seconds


class ModelStart:
    """Brings one model to RUNNING on behalf of one run."""

    def __init__(
        self, model: ProjectVersion, lease: Lease, records: RunRecords, throughput: ThroughputBook, units: Units
    ) -> None:
        self._model = model
        self._lease = lease
        self._records = records
        self._throughput = throughput
        self._units = units

    def step(self, run_id: str, *, backlog: int, begun: Begun) -> dict[str, Any]:
        """Look at the model, start it if it can be started, and say whether it is RUNNING.

        `backlog` is the number of messages for which it starts. Errors: LeaseLost, ModelNotStartable,
        ModelQuotaReached, ModelStartRefused, ModelStartFailed, ModelStartTimedOut.
        """
        ours = self._lease.renew(run_id).model_started_by is not None
        sighting = self._model.look()
        action = next_action(sighting, start_accepted=begun.accepted)
        logger.info(
            "looked at the model", status=sighting.status, action=action.value, waited_seconds=begun.waited_seconds
        )
        if action is Action.USE:
            return self._use(run_id, sighting, begun, ours=ours)
        if action is Action.GIVE_UP:
            raise ModelNotStartable(
                f"model {self._model.arn} has status {sighting.status} ({sighting.message or 'no message'}), from "
                "which it cannot be started. The images stay in the queue."
            )
        if action is Action.REPORT_FAILURE:
            raise ModelStartFailed(
                f"model {self._model.arn} went to FAILED while it started: {sighting.message or 'no message'}"
            )
        if begun.starting_seconds >= START_TIMEOUT_SECONDS:
            raise ModelStartTimedOut(
                f"model {self._model.arn} is {sighting.status} after {begun.starting_seconds} s and not RUNNING. It is "
                "stopped if this system started it; the images stay in the queue for the next run."
            )
        if action is Action.START:
            return self._start(run_id, sighting, backlog, begun, ours=ours)
        units = sighting.inference_units or self._units.limits.fewest
        return self._answer(sighting, begun, ours=ours, wait_seconds=poll_seconds(units))

    def _use(self, run_id: str, sighting: Sighting, begun: Begun, *, ours: bool) -> dict[str, Any]:
        limits = self._units.limits
        units = sighting.inference_units or limits.fewest
        self._records.note_model_running(run_id, inference_units=units, ours=ours, fixed=not self._units.scales)
        if not ours:
            logger.warning("the model was started by someone else: it is used, and left running afterwards")
        most_units = limits.most if self._units.scales else None
        pace = pace_of(units, self._throughput.read().images_per_second_per_unit, most_units=most_units)
        return self._answer(sighting, begun, ours=ours, wait_seconds=0) | {"ready": True, "pace": pace.to_workflow()}

    def _start(self, run_id: str, sighting: Sighting, backlog: int, begun: Begun, *, ours: bool) -> dict[str, Any]:
        limits = self._units.limits
        sizing = size(backlog, self._throughput.read(), limits)
        if begun.quota_seconds // QUOTA_POLL_SECONDS % 2:
            # Perhaps it is the units that are too many, and not the models.
            sizing = Sizing(limits.fewest, f"{sizing.reason}; but the account's quota refused that, so the fewest")
        # Written first: if this function dies after the call, whoever comes next knows that the model is ours to stop.
        self._lease.note_model_started(run_id)
        if not begun.accepted:
            self._records.note_start_asked(run_id, backlog=backlog, sizing_reason=sizing.reason)
        try:
            self._model.start(sizing.inference_units, limits.most if self._units.scales else None)
        except ClientError as error:
            code = error_code(error)
            if code not in REFUSALS and code not in (QUOTA, "ResourceInUseException"):
                # A throttle or a server error: the call may have been carried out, so the note stays.
                raise
            if not ours:
                self._lease.note_model_stopped(run_id)
            if code == QUOTA:
                return self._wait_for_quota(run_id, sighting, begun, error, ours=ours)
            if code in REFUSALS:
                raise ModelStartRefused(
                    f"Rekognition refused to start {self._model.arn} with {sizing.inference_units} inference units "
                    f"({code}: {error_message(error)}): {REFUSALS[code]}"
                ) from error
            # Its status changed under our hands.
            logger.info("the model is being started or stopped already; waiting", code=code)
            wait_seconds = poll_seconds(sizing.inference_units)
            return self._answer(sighting, begun, ours=ours, wait_seconds=wait_seconds)
        logger.info("start accepted", inference_units=sizing.inference_units, reason=sizing.reason)
        wait_seconds = poll_seconds(sizing.inference_units)
        return self._answer(sighting, begun, ours=True, wait_seconds=wait_seconds) | {"start_accepted": True}

    def _wait_for_quota(
        self, run_id: str, sighting: Sighting, begun: Begun, error: ClientError, *, ours: bool
    ) -> dict[str, Any]:
        reason = (
            f"Rekognition refused to start {self._model.arn} for {begun.quota_seconds // 60} minutes "
            f"({error_message(error)}): other models have the account's quota of running models, or "
            "max_inference_units is above the quota of units for a model"
        )
        if begun.quota_seconds >= QUOTA_TIMEOUT_SECONDS:
            self._records.note_reason(run_id, f"{reason}. The images wait for the next run.")
            raise ModelQuotaReached(f"{reason}. The images stay in the queue and the next run tries again.")
        self._lease.renew(run_id, quiet_seconds=QUOTA_POLL_SECONDS)
        logger.warning("no model may be started now; asking again in a minute", reason=reason)
        answer = self._answer(sighting, begun, ours=ours, wait_seconds=QUOTA_POLL_SECONDS)
        return answer | {"quota_seconds": begun.quota_seconds + QUOTA_POLL_SECONDS}

    def _answer(self, sighting: Sighting, begun: Begun, *, ours: bool, wait_seconds: int) -> dict[str, Any]:
        return {
            "status": sighting.status,
            "ready": False,
            "start_accepted": begun.accepted,
            "started_by_us": ours,
            "quota_seconds": begun.quota_seconds,
            "pace": None,
            "wait_seconds": wait_seconds,
        }
