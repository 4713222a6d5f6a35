"""One step towards a stopped model, for the workflow and for the watchdog. Every step may be repeated."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import BotoCoreError, ClientError

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
        try:
            state = self._lease.renew(owner)
        except (ClientError, BotoCoreError) as error:
            return self._step_without_table(error, waited_seconds)
        # A model that cannot be described may run: it is stopped without being seen.
        description = self._model.describe_or_unknown()
        if not state.starts:
            logger.info("this system did not start the model; nothing to stop", status=description.status)
            # In a table that was just made, the tag may be all that is left of a start; the watchdog looks at it.
            if state.watched is not None:
                self._untag()
            return StopStep(description.status, settled=True, wait_seconds=0)
        self._record_model_time(run_id, description)
        action = next_action(description, state, now=int(self._epoch()))
        logger.info("checked the model", status=description.status, action=action.value, waited_seconds=waited_seconds)
        # An attempt of a step that is still under way may have marked another start meanwhile.
        if action is Action.DONE and not self._states.record_stopped(owner, state).starts:
            self._untag()
            if run_id is not None:
                self._records.record_model_stopped(run_id)
            return StopStep(description.status, settled=True, wait_seconds=0)
        self._check_time(description, waited_seconds)
        if action is Action.STOP:
            self._stop(owner, run_id)
        return StopStep(description.status, settled=False, wait_seconds=POLL_SECONDS)

    def _step_without_table(self, error: Exception, waited_seconds: int) -> StopStep:
        """Stop the model if its tag says that it is ours; raise the table's error if it does not.

        The marks stay in the table. Once the table can be used again, the watchdog settles them.
        """
        if self._model.tagged_at() is None:
            raise error
        description = self._model.describe_or_unknown()
        logger.error(
            "the runs table cannot be used, and the model's tag says that this system started it: stopping the model",
            status=description.status,
            reason=str(error),
        )
        if description.is_stopped:
            return StopStep(description.status, settled=True, wait_seconds=0)
        self._check_time(description, waited_seconds)
        if description.phase is not Phase.STOPPING:
            self.ask()
        return StopStep(description.status, settled=False, wait_seconds=POLL_SECONDS)

    def _check_time(self, description: ModelDescription, waited_seconds: int) -> None:
        # A stopped model costs nothing, and the wait for what may still start it has its own end.
        if waited_seconds >= STOP_TIMEOUT_SECONDS and not description.is_stopped:
            raise ModelStopTimedOut(
                f"model {self._model.arn} is still {description.status} after {waited_seconds} s and may be costing "
                "money. Stop it by hand: aws rekognition stop-project-version --project-version-arn "
                f"{self._model.arn}. The watchdog keeps trying, once a minute."
            )

    def _untag(self) -> None:
        """Remove what only counts without the table. An error must not keep the lease from the next run."""
        try:
            self._model.untag()
        except (ClientError, BotoCoreError):
            logger.exception("could not remove the model's tag; the next run's end tries again")

    def _record_model_time(self, run_id: str | None, description: ModelDescription) -> None:
        """Record for the receipt what no earlier step of the run saw, or what it did not live to write."""
        if run_id is None:
            return
        if description.phase is Phase.RUNNING:
            self._records.record_model_running(run_id, inference_units=description.inference_units or 1, ours=True)
        elif description.phase is Phase.STOPPING:
            self._records.record_model_time_over(run_id)

    def _stop(self, owner: Owner, run_id: str | None) -> None:
        asked_at = int(self._epoch())
        if not self.ask():
            return
        if run_id is not None:
            self._records.record_model_stop_accepted(run_id)
        self._states.record_stop_accepted(owner, asked_at)

    def ask(self) -> bool:
        """Ask for the stop, whoever owns the lease; return whether Rekognition accepted it."""
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
        logger.info("stop accepted")
        return True


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
