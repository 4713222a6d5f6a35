"""One step towards a stopped model, for the workflow and for the watchdog. Every step may be repeated."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelStopTimedOut
from shared.lease import Lease
from shared.model_state import ModelState, ModelStates
from shared.owner import Owner
from shared.project_version import ModelDescription, Phase, ProjectVersion
from shared.run_record import RunRecords
from shared.telemetry import logger

POLL_SECONDS = 15
STOP_TIMEOUT_SECONDS = 30 * 60

# Descriptions are eventually consistent: for a while after an accepted start the model may still be described as
# stopped. AWS gives no number. Normal ends do not wait for this: see next_action.
DESCRIPTION_LAG_SECONDS = 100

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

    def __init__(
        self,
        model: ProjectVersion,
        lease: Lease,
        states: ModelStates,
        records: RunRecords,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._model = model
        self._lease = lease
        self._states = states
        self._records = records
        self._epoch = epoch

    def step(self, owner: Owner, run_id: str | None, waited_seconds: int) -> StopStep:
        """Describe the model, stop it if it runs, and say whether that is settled.

        `run_id` is the run whose record gets the model time, None for nobody's. `waited_seconds` is the wait for this
        stop so far. Errors: LeaseLost, ModelStopTimedOut.
        """
        state = self._lease.renew(owner)
        # A model that cannot be described may run: it is stopped without being seen.
        description = self._model.describe_or_unknown()
        if not state.starts:
            logger.info("this system did not start the model; nothing to stop", status=description.status)
            return StopStep(description.status, settled=True, wait_seconds=0)
        self._record_model_time(run_id, description)
        action = next_action(description, state, now=int(self._epoch()))
        logger.info("checked the model", status=description.status, action=action.value, waited_seconds=waited_seconds)
        # An attempt of a step that is still under way may have marked another start meanwhile.
        if action is Action.DONE and not self._states.record_stopped(owner, state).starts:
            if run_id is not None:
                self._records.record_model_stopped(run_id)
            return StopStep(description.status, settled=True, wait_seconds=0)
        # A stopped model costs nothing, and the wait for what may still start it has its own end.
        if waited_seconds >= STOP_TIMEOUT_SECONDS and not description.is_stopped:
            raise ModelStopTimedOut(
                f"model {self._model.arn} is still {description.status} after {waited_seconds} s and may be costing "
                "money. Stop it by hand: aws rekognition stop-project-version --project-version-arn "
                f"{self._model.arn}. The watchdog keeps trying, once a minute."
            )
        if action is Action.STOP:
            self._stop(owner, run_id)
        return StopStep(description.status, settled=False, wait_seconds=POLL_SECONDS)

    def _record_model_time(self, run_id: str | None, description: ModelDescription) -> None:
        """Record for the receipt what no earlier step of the run saw, or what it did not live to write."""
        if run_id is None:
            return
        if description.phase is Phase.RUNNING:
            self._records.record_model_running(run_id, inference_units=description.inference_units or 1, ours=True)
        elif description.phase is Phase.STOPPING:
            self._records.record_model_stop_accepted(run_id)

    def _stop(self, owner: Owner, run_id: str | None) -> None:
        asked_at = int(self._epoch())
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
            return
        if run_id is not None:
            self._records.record_model_stop_accepted(run_id)
        self._states.record_stop_accepted(owner, asked_at)
        logger.info("stop accepted")


def next_action(description: ModelDescription, state: ModelState, *, now: int) -> Action:
    """Return the next step. Only a model that nothing of ours can start any more is DONE.

    What stands still for good once every start that we asked for is over and a later stop was accepted. Without such a
    stop the description has to be newer than those starts.
    """
    if description.is_stopped:
        is_stop_later = state.stop_accepted_at is not None and state.stop_accepted_at > state.may_start_until
        is_description_later = now > state.may_start_until + DESCRIPTION_LAG_SECONDS
        return Action.DONE if is_stop_later or is_description_later else Action.WAIT
    # Stopped too: a model that starts, which is waited for if Rekognition rejects the stop, and one whose status we do
    # not know, because it may cost money.
    return Action.WAIT if description.phase is Phase.STOPPING else Action.STOP
