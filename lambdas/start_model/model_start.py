"""One step towards a running model. Every step may be repeated."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelNotStartable, ModelStartFailed, ModelStartRefused, ModelStartTimedOut
from shared.lease import Lease
from shared.project_version import ProjectVersion, Sighting
from shared.run_record import RunRecords
from shared.telemetry import logger
from start_model.logic import POLL_SECONDS, START_TIMEOUT_SECONDS, Action, next_action

# Refusals that the same call would meet again at once, and what a person can do about each.
REFUSALS = {
    "LimitExceededException": (
        "the account's limit of running models, or of inference units for this model, is reached. The images stay in "
        "the queue and the next scheduled run tries again; stop another model or ask AWS for a higher quota."
    ),
    "AccessDeniedException": "the function's role may not start this model; check the role and the project's policy.",
    "ResourceNotFoundException": "the model does not exist; check project_arn and project_version_arn.",
    "InvalidParameterException": "Rekognition takes these parameters for no start; check the inference units.",
}


@dataclass(frozen=True)
class Units:
    """Inference units to start with, and the most that Rekognition may scale up to by itself, None for no scaling."""

    fewest: int
    most: int | None


class ModelStart:
    """Brings one model to RUNNING on behalf of one run."""

    def __init__(self, model: ProjectVersion, lease: Lease, records: RunRecords, units: Units) -> None:
        self._model = model
        self._lease = lease
        self._records = records
        self._units = units

    def step(self, run_id: str, *, waited_seconds: int, start_accepted: bool) -> dict[str, Any]:
        """Look at the model, start it if it can be started, and say whether it is RUNNING.

        `waited_seconds` is what the workflow has waited for this start so far. Errors: LeaseLost,
        ModelNotStartable, ModelStartRefused, ModelStartFailed, ModelStartTimedOut.
        """
        ours = self._lease.renew(run_id).model_started_by is not None
        sighting = self._model.look()
        action = next_action(sighting, start_accepted=start_accepted)
        logger.info("looked at the model", status=sighting.status, action=action.value, waited_seconds=waited_seconds)
        if action is Action.USE:
            units = sighting.inference_units or self._units.fewest
            self._records.note_model_running(run_id, inference_units=units, ours=ours)
            if not ours:
                logger.warning("the model was started by someone else: it is used, and left running afterwards")
            return self._answer(sighting, ready=True, start_accepted=start_accepted, ours=ours)
        if action is Action.GIVE_UP:
            raise ModelNotStartable(
                f"model {self._model.arn} has status {sighting.status} ({sighting.message or 'no message'}), from "
                "which it cannot be started. The images stay in the queue."
            )
        if action is Action.REPORT_FAILURE:
            raise ModelStartFailed(
                f"model {self._model.arn} went to FAILED while it started: {sighting.message or 'no message'}"
            )
        if waited_seconds >= START_TIMEOUT_SECONDS:
            raise ModelStartTimedOut(
                f"model {self._model.arn} is {sighting.status} after {waited_seconds} s and not RUNNING. It is "
                "stopped if this system started it; the images stay in the queue for the next run."
            )
        if action is Action.START:
            start_accepted = self._start(run_id, ours=ours) or start_accepted
            ours = ours or start_accepted
        return self._answer(sighting, ready=False, start_accepted=start_accepted, ours=ours)

    def _start(self, run_id: str, *, ours: bool) -> bool:
        """Return whether the start was accepted; False when the model's status changed under our hands."""
        # Written first: if this function dies after the call, whoever comes next knows that the model is ours to stop.
        self._lease.note_model_started(run_id)
        try:
            self._model.start(self._units.fewest, self._units.most)
        except ClientError as error:
            code = error_code(error)
            if code not in REFUSALS and code != "ResourceInUseException":
                # A throttle or a server error: the call may have been carried out, so the note stays.
                raise
            if not ours:
                self._lease.note_model_stopped(run_id)
            if code in REFUSALS:
                raise ModelStartRefused(
                    f"Rekognition refused to start {self._model.arn} with {self._units.fewest} inference units "
                    f"({code}: {error_message(error)}): {REFUSALS[code]}"
                ) from error
            logger.info("the model is being started or stopped already; waiting", code=code)
            return False
        logger.info("start accepted", inference_units=self._units.fewest, autoscaling_up_to=self._units.most)
        return True

    def _answer(self, sighting: Sighting, *, ready: bool, start_accepted: bool, ours: bool) -> dict[str, Any]:
        return {
            "status": sighting.status,
            "ready": ready,
            "start_accepted": start_accepted,
            "started_by_us": ours,
            "wait_seconds": 0 if ready else POLL_SECONDS,
        }
