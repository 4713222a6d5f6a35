"""One step towards a stopped model, for the workflow and for the watchdog. Every step may be repeated."""

from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelStopTimedOut
from shared.lease import Lease
from shared.model_state import ModelStates, StopProgress
from shared.owner import Owner
from shared.project_version import ModelDescription, Phase, ProjectVersion
from shared.run_record import RunRecords
from shared.telemetry import logger

POLL_SECONDS = 15
STOP_TIMEOUT_SECONDS = 30 * 60

# Descriptions are eventually consistent: right after an accepted start the model may still be described as stopped.
# Unless Rekognition accepted a stop of ours, the model has to be described as stopped twice, a poll apart.
STOPPED_OBSERVATIONS_NEEDED = 2

# The model cannot be stopped in its present state: it is starting, or its state has just changed.
NOT_NOW = frozenset({"ResourceInUseException", "ResourceNotFoundException", "InvalidParameterException"})


class Action(Enum):
    """The next step towards STOPPED."""

    DONE = "done"
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True)
class StopStep:
    """What came of a step. `settled`: the model is stopped, or not ours to stop."""

    status: str
    settled: bool
    wait_seconds: int


class ModelStop:
    """Brings one model to STOPPED on behalf of the lease's owner, if this system started it."""

    def __init__(self, model: ProjectVersion, lease: Lease, states: ModelStates, records: RunRecords) -> None:
        self._model = model
        self._lease = lease
        self._states = states
        self._records = records

    def step(self, owner: Owner, run_id: str | None, waited_seconds: int) -> StopStep:
        """Describe the model, stop it if it runs, and say whether that is settled.

        `run_id` is the run whose record gets the model time, None for nobody's. `waited_seconds` is the wait for this
        stop so far; together with the owner it tells a new step from a repeated one. Errors: LeaseLost,
        ModelStopTimedOut.
        """
        state = self._lease.renew(owner)
        # A model that cannot be described may run: it is stopped without being seen.
        description = self._model.describe_or_unknown()
        if state.started_by is None:
            logger.info("this system did not start the model; nothing to stop", status=description.status)
            return StopStep(description.status, settled=True, wait_seconds=0)
        self._record_model_time(run_id, description)
        progress = state.stop_progress.observe(stopped=description.is_stopped, step=f"{owner} at {waited_seconds} s")
        action = next_action(description, progress)
        logger.info("checked the model", status=description.status, action=action.value, waited_seconds=waited_seconds)
        if action is Action.DONE:
            self._states.record_nothing_to_stop(owner)
            if run_id is not None:
                self._records.record_model_stopped(run_id)
            return StopStep(description.status, settled=True, wait_seconds=0)
        if waited_seconds >= STOP_TIMEOUT_SECONDS:
            raise ModelStopTimedOut(
                f"model {self._model.arn} is still {description.status} after {waited_seconds} s and may be costing "
                "money. Stop it by hand: aws rekognition stop-project-version --project-version-arn "
                f"{self._model.arn}. The watchdog keeps trying, once a minute."
            )
        if action is Action.STOP and self._stop(run_id):
            progress = StopProgress(accepted=True)
        if progress != state.stop_progress:
            self._states.record_stop_progress(owner, progress)
        return StopStep(description.status, settled=False, wait_seconds=POLL_SECONDS)

    def _record_model_time(self, run_id: str | None, description: ModelDescription) -> None:
        """Record for the receipt what no earlier step of the run saw, or what it did not live to write."""
        if run_id is None:
            return
        if description.phase is Phase.RUNNING:
            self._records.record_model_running(run_id, inference_units=description.inference_units or 1, ours=True)
        elif description.phase is Phase.STOPPING:
            self._records.record_model_stop_accepted(run_id)

    def _stop(self, run_id: str | None) -> bool:
        try:
            self._model.stop()
        except ClientError as error:
            if error_code(error) not in NOT_NOW:
                raise
            logger.warning(
                "Rekognition cannot stop the model in its present state; trying again at the next step",
                code=error_code(error),
                reason=error_message(error),
            )
            return False
        if run_id is not None:
            self._records.record_model_stop_accepted(run_id)
        logger.info("stop accepted")
        return True


def next_action(description: ModelDescription, progress: StopProgress) -> Action:
    """Return the next step; `progress` includes this description."""
    if description.is_stopped:
        seen = progress.accepted or progress.stopped_observations >= STOPPED_OBSERVATIONS_NEEDED
        return Action.DONE if seen else Action.WAIT
    # Stopped too: a model that starts, which is waited for if Rekognition rejects the stop, and one whose status we do
    # not know, because it may cost money.
    return Action.WAIT if description.phase is Phase.STOPPING else Action.STOP
