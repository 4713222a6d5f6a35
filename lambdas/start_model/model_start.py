"""One step towards a running model. Every step may be repeated."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelNotStartable, ModelQuotaReached, ModelStartFailed, ModelStartRefused, ModelStartTimedOut
from shared.lease import Lease
from shared.model_state import ModelState, ModelStates, StartMark
from shared.owner import Owner
from shared.project_version import CUSTOM_LABELS, ModelDescription, ProjectVersion
from shared.request_rate import initial_rate
from shared.run_record import RunRecords
from shared.telemetry import logger
from shared.throughput import ThroughputStore
from shared.warm_up import is_due
from start_model.logic import (
    QUOTA_POLL_SECONDS,
    QUOTA_TIMEOUT_SECONDS,
    START_TIMEOUT_SECONDS,
    WATCHDOG_POLL_SECONDS,
    WATCHDOG_TIMEOUT_SECONDS,
    Action,
    next_action,
    poll_seconds,
)
from start_model.sizing import Limits, Sizing, size

# The account's running models, or the model's inference units: others may give some back.
QUOTA = "LimitExceededException"
# The model is starting, running or stopping.
IN_USE = "ResourceInUseException"

# Errors that the same call would meet again at once, and what a person can do about each.
REFUSALS = {
    "AccessDeniedException": "the function's role may not start this model; check the role and the project's policy.",
    "ResourceNotFoundException": "the model does not exist; check project_arn and project_version_arn.",
    "InvalidParameterException": "Rekognition rejected the parameters; check min/max_inference_units.",
    # In no list of the API; Rekognition answers it to parameters of the wrong form.
    "ValidationException": "Rekognition rejected the parameters; check the ARNs and min/max_inference_units.",
    "ServiceQuotaExceededException": "the model has as many tags as AWS allows; remove one that nobody needs.",
}

# The call was not carried out, whatever the status: AWS answers throttles with 400 or 500.
CERTAIN = frozenset({*REFUSALS, QUOTA, IN_USE, "ThrottlingException", "ProvisionedThroughputExceededException"})


@dataclass(frozen=True)
class Units:
    """What a run may rent; `scales`: Rekognition may scale up to the maximum by itself while the model runs."""

    limits: Limits
    scales: bool


@dataclass(frozen=True)
class StartProgress:
    """How long the workflow has waited for the model so far, and how much of that for the quota.

    The workflow sums up the waits that it was told, rather than the table holding the begin: a step whose answer was
    lost does not count twice, and a local stack may shorten the waits although it cannot speed up the clock.
    """

    waited_seconds: int = 0
    quota_seconds: int = 0

    @property
    def starting_seconds(self) -> int:
        """The wait for the model itself."""
        return self.waited_seconds - self.quota_seconds


@dataclass(frozen=True)
class StartStep:
    """What came of a step: the answer to the workflow."""

    status: str
    ready: bool
    quota_seconds: int
    wait_seconds: int


class ModelStart:
    """Brings one model to RUNNING on behalf of one run."""

    def __init__(
        self,
        model: ProjectVersion,
        lease: Lease,
        states: ModelStates,
        records: RunRecords,
        throughput: ThroughputStore,
        units: Units,
        warm_up: Callable[[], None],
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._model = model
        self._lease = lease
        self._states = states
        self._records = records
        self._throughput = throughput
        self._units = units
        self._warm_up = warm_up
        self._epoch = epoch

    def step(self, run_id: str, *, backlog: int, progress: StartProgress) -> StartStep:
        """Describe the model, start it if it can be started, and say whether it is RUNNING.

        `backlog` is the number of messages for which it starts. Errors: LeaseLost, ModelNotStartable,
        ModelQuotaReached, ModelStartRefused, ModelStartFailed, ModelStartTimedOut.
        """
        step = self._step(run_id, backlog, progress)
        if not step.ready and is_due(progress.waited_seconds, step.wait_seconds):
            # Nobody knows how long a start takes, so what comes after it is kept warm all the time.
            self._warm_up()
        return step

    def _step(self, run_id: str, backlog: int, progress: StartProgress) -> StartStep:
        state = self._lease.renew(Owner.run(run_id))
        description = self._model.describe()
        if description.feature != CUSTOM_LABELS:
            raise ModelNotStartable(
                f"{self._model.arn} is no Custom Labels model: Rekognition says that it is for {description.feature}. "
                "Give project_arn and project_version_arn of a Custom Labels model. The images stay in the queue."
            )
        action = next_action(description, start_accepted=state.start_accepted_for(run_id))
        logger.info(
            "checked the model",
            status=description.status,
            action=action.value,
            started_by=state.started_by,
            waited_seconds=progress.waited_seconds,
        )
        message = description.message or "no message"
        if action is Action.USE:
            return self._use(run_id, description, progress, state)
        if action is Action.GIVE_UP:
            raise ModelNotStartable(
                f"model {self._model.arn} has status {description.status} ({message}), from which it cannot be "
                "started. The images stay in the queue."
            )
        if action is Action.REPORT_FAILURE:
            raise ModelStartFailed(f"model {self._model.arn} went to FAILED while it started: {message}")
        if progress.starting_seconds >= START_TIMEOUT_SECONDS:
            raise ModelStartTimedOut(
                f"model {self._model.arn} is still {description.status} after {progress.starting_seconds} s. The run "
                "stops it if this system started it; the images stay in the queue for the next run."
            )
        if action is Action.START and not state.is_watched:
            return self._wait_for_watchdog(description, progress)
        if action is Action.START:
            return self._start(run_id, description, state, backlog, progress)
        units = description.inference_units or self._units.limits.min_units
        return _wait(description, progress, poll_seconds(units, progress.starting_seconds))

    def _wait_for_watchdog(self, description: ModelDescription, progress: StartProgress) -> StartStep:
        """Start nothing that nobody could stop: an apply that ended half-way leaves functions with different models."""
        if progress.waited_seconds >= WATCHDOG_TIMEOUT_SECONDS:
            raise ModelStartRefused(
                f"the watchdog does not watch {self._model.arn}, so this run does not start the model. Either an "
                "apply that changed the model ended half-way, or nothing calls the watchdog. Run terraform apply again "
                "and check the alarms. The images wait."
            )
        logger.warning("the watchdog has not looked at this model yet; the start waits for it")
        return _wait(description, progress, WATCHDOG_POLL_SECONDS)

    def _use(self, run_id: str, description: ModelDescription, progress: StartProgress, state: ModelState) -> StartStep:
        ours = bool(state.starts)
        limits = self._units.limits
        units = description.inference_units or limits.min_units
        self._records.record_model_running(run_id, inference_units=units, ours=ours, fixed=not self._units.scales)
        if ours and not state.start_accepted_for(run_id):
            # The watchdog goes by the tag where it cannot use the table: no run that began before it is gone.
            self._model.tag()
        if not ours:
            logger.warning("someone else started the model; this run uses it and leaves it running")
        max_units = limits.max_units if self._units.scales else None
        rate = initial_rate(units, self._throughput.read().images_per_second_per_unit, max_units=max_units)
        # Here, before the trigger is opened: the first batch reads it.
        self._states.record_request_rate(Owner.run(run_id), rate)
        return StartStep(description.status, True, progress.quota_seconds, wait_seconds=0)

    def _start(
        self, run_id: str, description: ModelDescription, state: ModelState, backlog: int, progress: StartProgress
    ) -> StartStep:
        limits = self._units.limits
        sizing = size(backlog, self._throughput.read(), limits)
        if progress.quota_seconds // QUOTA_POLL_SECONDS % 2:
            # Perhaps the quota is on the units, and not on the models.
            reason = f"{sizing.reason}; the account's quota blocked that, so this is min_inference_units"
            sizing = Sizing(limits.min_units, reason)
        if not state.start_accepted_for(run_id):
            self._records.record_start_asked(run_id, backlog=backlog, sizing_reason=sizing.reason)
        wait_seconds = poll_seconds(sizing.inference_units, progress.starting_seconds)
        refusal = self._ask(run_id, sizing.inference_units)
        if refusal is None:
            logger.info("start accepted", inference_units=sizing.inference_units, reason=sizing.reason)
            return _wait(description, progress, wait_seconds)
        code = error_code(refusal)
        if code == QUOTA:
            return self._wait_for_quota(run_id, description, progress, refusal)
        if code in REFUSALS:
            raise ModelStartRefused(
                f"Rekognition refused to start {self._model.arn} with {sizing.inference_units} inference units "
                f"({refusal.operation_name}, {code}: {error_message(refusal)}): {REFUSALS[code]}"
            ) from refusal
        if code != IN_USE:
            raise refusal
        # Its status changed after it was described, or another attempt of this step has just started it.
        logger.info("the model is already starting or stopping; waiting", code=code)
        return _wait(description, progress, wait_seconds)

    def _ask(self, run_id: str, units: int) -> ClientError | None:
        """Ask for the start; return the refusal, if it is certain that nothing was started.

        The mark is written first: if this function dies in between or after, whoever comes next knows that the model
        is ours to stop, and until when the call may come. Each call has its own token. Of two attempts at once, the
        refused one removes its own mark and leaves the other's. The model's tag says the same where the table cannot
        be used; the end of the run removes it.
        """
        token = f"t{uuid.uuid4().hex}"
        mark = StartMark(run_id, asked_at=int(self._epoch()))
        self._states.record_start_asked(Owner.run(run_id), token, mark)
        try:
            self._model.tag()
        except (ClientError, BotoCoreError) as error:
            # The model may have its tag, but nothing is started without the answer.
            self._states.record_start_refused(token)
            if isinstance(error, ClientError):
                return error
            raise
        try:
            self._model.start(units, self._units.limits.max_units if self._units.scales else None)
        except ClientError as error:
            if is_certain(error):
                self._states.record_start_refused(token)
                return error
            # It may have started the model, and is over. Unless that can be written, the mark only counts for longer.
            with suppress(ClientError, BotoCoreError):
                self._states.record_start_ended(token, replace(mark, ended_at=int(self._epoch())))
            raise
        self._states.record_start_ended(token, replace(mark, ended_at=int(self._epoch()), accepted=True))
        return None

    def _wait_for_quota(
        self, run_id: str, description: ModelDescription, progress: StartProgress, error: ClientError
    ) -> StartStep:
        reason = (
            f"Rekognition refused to start {self._model.arn} for {progress.quota_seconds // 60} minutes "
            f"({error_message(error)}): other models use up the account's quota of running models, or "
            "max_inference_units is above the quota of units for a model"
        )
        if progress.quota_seconds >= QUOTA_TIMEOUT_SECONDS:
            self._records.record_reason(run_id, f"{reason}. The images wait for the next run.")
            raise ModelQuotaReached(f"{reason}. The images stay in the queue and the next run tries again.")
        self._lease.renew(Owner.run(run_id), extra_seconds=QUOTA_POLL_SECONDS)
        logger.warning("the quota allows no start now; trying again in a minute", reason=reason)
        waited = StartProgress(progress.waited_seconds, progress.quota_seconds + QUOTA_POLL_SECONDS)
        return _wait(description, waited, QUOTA_POLL_SECONDS)


def is_certain(error: ClientError) -> bool:
    """Whether the error says that the call was not carried out. After a server's error it may have been."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_code(error) in CERTAIN or status // 100 == 4


def _wait(description: ModelDescription, progress: StartProgress, seconds: int) -> StartStep:
    return StartStep(description.status, False, progress.quota_seconds, wait_seconds=seconds)
