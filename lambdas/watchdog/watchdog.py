"""One check of what is running and who owns it, and the clean-up of what has no living owner.

Every step may be repeated, and none waits: the next tick, a minute later, continues where this one stopped.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import error_code
from shared.errors import LeaseLost, ModelStopTimedOut
from shared.failed_starts import FailedStartsStore
from shared.lease import Lease
from shared.model_state import CleanUp, ModelState, ModelStates
from shared.model_stop import POLL_SECONDS, STOP_TIMEOUT_SECONDS, ModelStop
from shared.outcome import Outcome
from shared.owner import RETIRED, Owner
from shared.project_version import Phase, ProjectVersion
from shared.receipts import Receipts
from shared.run_record import RunRecords
from shared.telemetry import MetricUnit, logger, metrics
from shared.timestamps import now
from shared.trigger import Trigger
from watchdog.executions import Executions
from watchdog.logic import Holder, holder_without_asking, why_dead

RUNS_AND_COSTS = frozenset({Phase.STARTING, Phase.RUNNING, Phase.UNKNOWN})

# A new role is not known everywhere at once, and Terraform's first call comes right after it.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
NEW_ROLE_SECONDS = 60

# Step Functions lists executions late. A start that was asked for more recently belongs to a run that may be missing.
LISTING_LAG_SECONDS = 180

# How often a retirement tries to take a lease that its owner renews or gives back just then.
TAKE_ATTEMPTS = 10

# A retirement gives up with a message when less than this is left before the function times out.
RETIRE_MARGIN_SECONDS = 60


@dataclass(frozen=True)
class ExecutionEnded:
    """An execution whose end Step Functions has just reported."""

    run_id: str
    status: str


@dataclass(frozen=True)
class Step:
    """What came of one step of a clean-up: `settled` is its end."""

    settled: bool
    model_status: str
    model_settled: bool


class Watchdog:
    """Watches one model, its trigger and its lease."""

    def __init__(
        self,
        *,
        lease: Lease,
        states: ModelStates,
        records: RunRecords,
        receipts: Receipts,
        failed_starts: FailedStartsStore,
        executions: Executions,
        model: ProjectVersion,
        model_stop: ModelStop,
        trigger: Trigger,
        max_run: timedelta,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._lease = lease
        self._states = states
        self._records = records
        self._receipts = receipts
        self._failed_starts = failed_starts
        self._executions = executions
        self._model = model
        self._model_stop = model_stop
        self._trigger = trigger
        self._max_run = max_run
        self._epoch = epoch

    def tick(self, invocation_id: str, ended: ExecutionEnded | None) -> dict[str, Any]:
        """Find out who owns what runs, and take the next step in cleaning up after an owner that is gone.

        If this fails, also over an item that another version wrote, stop what the model's tag says is ours and has no
        run, and raise the error.
        """
        try:
            return self._tick(invocation_id, ended)
        except Exception:
            try:
                self._stop_without_table()
            except (ClientError, BotoCoreError):
                logger.exception("could not find out whether the model runs without a run; the next tick tries again")
            raise

    def _stop_without_table(self) -> None:
        tagged_at = self._model.tagged_at()
        if tagged_at is None:
            return
        is_listed_by = tagged_at + timedelta(seconds=LISTING_LAG_SECONDS)
        # The run that started the model ends by itself within minutes: each of its steps needs the lease. Runs that
        # began later can only fail, however many a short schedule starts.
        if self._epoch() < is_listed_by.timestamp() or self._executions.any_running_since(is_listed_by):
            return
        description = self._model.describe_or_unknown()
        logger.error(
            "this check failed, probably because the runs table cannot be used. The model's tag says that this system "
            "started it, and no run is active: closing the trigger, and stopping the model if it runs",
            status=description.status,
        )
        runs_without_owner = description.phase in RUNS_AND_COSTS
        metrics.add_metric(name="ModelRunningWithoutRun", unit=MetricUnit.Count, value=int(runs_without_owner))
        try:
            is_closed = self._trigger.close_without_table()
        except (ClientError, BotoCoreError):
            logger.exception("could not close the trigger; the next tick tries again")
            is_closed = False
        if runs_without_owner:
            self._model_stop.ask()
        elif is_closed and description.is_stopped:
            # A model that someone else starts from now on is theirs, also for a table that is made anew.
            self._model.untag()

    def _tick(self, invocation_id: str, ended: ExecutionEnded | None) -> dict[str, Any]:
        state = self._watch()
        holder, clean_up = self._holder(state, ended)
        if holder in (Holder.LIVING_RUN, Holder.TERRAFORM):
            return _answer(holder, state, runs_without_owner=False)
        runs_without_owner = self._model.describe_or_unknown().phase in RUNS_AND_COSTS
        if holder is Holder.NOBODY and clean_up is None:
            clean_up = self._left_over(state)
        if clean_up is None:
            if runs_without_owner:
                logger.warning("the model runs without a run, and this system did not start it; leaving it running")
            return _answer(holder, state, runs_without_owner=runs_without_owner)
        me = Owner.watchdog(invocation_id)
        if not self._lease.take_over(me, state, clean_up):
            logger.info("lost the race for the lease; the next tick re-evaluates")
            return _answer(holder, state, runs_without_owner=False)
        logger.warning("cleaning up", after_run=clean_up.after_run, reason=clean_up.reason, since=clean_up.since)
        try:
            settled = self._clean_up(me, clean_up, state.receipts_owed)
        except LeaseLost:
            # The report of an execution's end and the schedule may come at the same time.
            logger.info("another watchdog invocation took the lease; leaving the clean-up to it")
            return _answer(holder, state, runs_without_owner=False)
        return _answer(holder, state, runs_without_owner=runs_without_owner, settled=settled)

    def _watch(self) -> ModelState:
        """Record that this model is watched, unless it is; return the state.

        A table that was deleted and made anew has forgotten who started the model. The model's tag has not.
        """
        state = self._states.read()
        if state.is_watched:
            return state
        tagged_at = self._model.tagged_at() if state.watched is None else None
        if tagged_at is None:
            self._states.record_watched()
            return state
        logger.warning("the runs table is new, and the model's tag says that this system started the model")
        self._states.record_watched_with_start(int(tagged_at.timestamp()))
        return self._states.read()

    def _clean_up(self, me: Owner, clean_up: CleanUp, owed: Sequence[str]) -> bool:
        # Each tick waits for nothing.
        step = self._step(me, clean_up, waited_seconds=0)
        waited = int(self._epoch()) - clean_up.since
        if not step.settled:
            self._report_if_late(step, clean_up, waited)
        elif self._write_receipts(me, step, clean_up, owed):
            self._lease.release(me)
        elif waited >= STOP_TIMEOUT_SECONDS:
            self._leave_receipts_to_the_next_run(me, clean_up, owed)
            self._lease.release(me)
        return step.settled

    def retire(self, *, seconds_left: Callable[[], float], pause: Callable[[float], None]) -> dict[str, Any]:
        """Stop everything for good, because Terraform removes or changes what it runs on, and wait for it.

        Runs that start meanwhile find the lease held and end. If this dies, a tick takes over once its lease has
        expired. Error: ModelStopTimedOut when there is no time left, which makes Terraform stop before it removes
        anything.
        """
        state, clean_up = self._take_for_terraform()
        try:
            if clean_up.after_run is not None:
                # Also one that an earlier retirement met and did not live to stop.
                self._executions.stop(clean_up.after_run, "Terraform removes or changes the pipeline of this run")
            self._settle(clean_up, state.receipts_owed, seconds_left, pause)
            self._lease.keep_retired()
        except Exception:
            # Terraform removes nothing now, and may never come back: the watchdog owns again what runs.
            try:
                self._lease.transfer(RETIRED, Owner.watchdog(str(RETIRED)))
            except (LeaseLost, ClientError, BotoCoreError):
                logger.exception("could not give the lease to the watchdog, which takes it when it has expired")
            raise
        return _reply(Holder.TERRAFORM, state.owner, settled=True)

    def _take_for_terraform(self) -> tuple[ModelState, CleanUp]:
        """Take the lease from whoever holds it, with what there is to clean up, in one write."""
        for _ in range(TAKE_ATTEMPTS):
            state = self._watch()
            reason = "Terraform removed or changed the pipeline while the run went on"
            new = CleanUp(state.run_id or state.left_by, "RunRetired", reason, int(self._epoch()))
            clean_up = state.clean_up or new
            if self._lease.take_over(RETIRED, state, clean_up):
                return state, clean_up
        raise LeaseLost("the lease changed hands again and again; run the same terraform command again")

    def _settle(
        self,
        clean_up: CleanUp,
        owed: Sequence[str],
        seconds_left: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        waited_seconds = 0
        while not (step := self._step(RETIRED, clean_up, waited_seconds)).settled:
            if seconds_left() < RETIRE_MARGIN_SECONDS:
                raise ModelStopTimedOut(
                    f"model {self._model.arn} is {step.model_status} and was not seen STOPPED in time, so nothing was "
                    "removed. The watchdog keeps trying to stop it (a model that is starting cannot be stopped before "
                    "it runs). Run the same terraform command again in ten minutes."
                )
            pause(POLL_SECONDS)
            waited_seconds += POLL_SECONDS
        if not self._write_receipts(RETIRED, step, clean_up, owed):
            self._leave_receipts_to_the_next_run(RETIRED, clean_up, owed)

    def resume(self, *, pause: Callable[[float], None]) -> dict[str, Any]:
        """Let runs in again, once Terraform has made what they run on."""
        deadline = self._epoch() + NEW_ROLE_SECONDS
        while True:
            try:
                if self._states.read().is_retiring:
                    # A retirement that died: the watchdog finishes what it began.
                    self._lease.transfer(RETIRED, Owner.watchdog(str(RETIRED)))
                else:
                    self._lease.release(RETIRED)
                    self._watch()
            except LeaseLost:
                # The SDK repeated a transfer whose answer was lost, or a tick was faster: the watchdog has it.
                return _reply(Holder.WATCHDOG, None, settled=True)
            except ClientError as error:
                if error_code(error) != "AccessDeniedException" or self._epoch() > deadline:
                    raise
                pause(POLL_SECONDS)
            else:
                return _reply(Holder.TERRAFORM, None, settled=True)

    def _holder(self, state: ModelState, ended: ExecutionEnded | None) -> tuple[Holder, CleanUp | None]:
        """Return who holds the lease, and what to clean up if that owner is gone."""
        instant = int(self._epoch())
        holder = holder_without_asking(state, instant)
        if holder is not None or state.owner is None:
            return holder or Holder.NOBODY, state.clean_up
        run_id = state.owner.id
        # The report is newer than what DescribeExecution may say.
        status = ended.status if ended and ended.run_id == run_id else self._executions.status(run_id)
        started_at = self._records.read(run_id).started_at
        overdue = 0 if started_at is None else int((now() - started_at - self._max_run).total_seconds())
        cause = why_dead(state, status, seconds_overdue=overdue, now=instant)
        if cause is None:
            return Holder.LIVING_RUN, None
        return Holder.DEAD_RUN, CleanUp(run_id, cause.code, cause.reason, instant)

    def _left_over(self, state: ModelState) -> CleanUp | None:
        """Return what is left over although nobody holds the lease."""
        instant = int(self._epoch())
        if state.started_by is not None:
            reason = "the run ended without seeing its model stopped"
            return CleanUp(state.left_by, "ModelLeftRunning", reason, instant)
        if self._trigger.is_open():
            return CleanUp(None, "TriggerLeftOpen", "no run is active, and the trigger is open", instant)
        return None

    def _step(self, owner: Owner, clean_up: CleanUp, waited_seconds: int) -> Step:
        # Neither may keep the other from being tried.
        trigger_closed = self._close_trigger(owner)
        stop = self._model_stop.step(owner, clean_up.after_run, waited_seconds)
        return Step(stop.settled and trigger_closed, stop.status, stop.settled)

    def _close_trigger(self, owner: Owner) -> bool:
        try:
            return self._trigger.step(owner, enable=False)
        except (ClientError, BotoCoreError):
            logger.exception("could not close the trigger; the next step tries again")
            return False

    def _report_if_late(self, step: Step, clean_up: CleanUp, waited: int) -> None:
        if waited < STOP_TIMEOUT_SECONDS or step.model_settled:
            return
        logger.error(
            "the model is not STOPPED and may be costing money; stop it by hand: "
            f"aws rekognition stop-project-version --project-version-arn {self._model.arn}",
            status=step.model_status,
            waited_seconds=waited,
        )
        self._write_receipt(step, clean_up, Outcome.STOP_NOT_CONFIRMED)
        metrics.add_metric(name="ModelStopNotConfirmed", unit=MetricUnit.Count, value=1)

    def _write_receipts(self, owner: Owner, step: Step, clean_up: CleanUp, owed: Sequence[str]) -> bool:
        """Write the receipts of the dead run and of those that an earlier owner owed; return whether all are there."""
        if not self._write_receipt(step, clean_up, Outcome.ABORTED):
            return False
        for run_id in owed:
            reason = f"the lease of run {run_id} expired without renewal"
            if not self._write_receipt(step, CleanUp(run_id, "RunSilent", reason, clean_up.since), Outcome.ABORTED):
                return False
        if owed:
            self._states.record_receipts_owed(owner, [])
        return True

    def _leave_receipts_to_the_next_run(self, owner: Owner, clean_up: CleanUp, owed: Sequence[str]) -> None:
        # A receipt that cannot be written must not keep runs, or Terraform, out forever.
        self._states.record_receipts_owed(owner, [*owed, *([clean_up.after_run] if clean_up.after_run else [])])

    def _write_receipt(self, step: Step, clean_up: CleanUp, outcome: Outcome) -> bool:
        """Write the receipt that the dead run could not write; return whether there is nothing left to write."""
        if clean_up.after_run is None:
            return True
        message = f"{clean_up.reason}; the watchdog took over, and the model is {step.model_status}"
        try:
            record = self._records.read(clean_up.after_run)
            self._failed_starts.learn(clean_up.after_run, record, outcome, clean_up.code)
            self._receipts.write_for_dead_run(clean_up.after_run, outcome, {"code": clean_up.code, "message": message})
        except (ClientError, BotoCoreError):
            logger.exception("could not write the receipt of a dead run", after_run=clean_up.after_run)
            return False
        return True


def _answer(
    holder: Holder, state: ModelState, *, runs_without_owner: bool, settled: bool | None = None
) -> dict[str, Any]:
    metrics.add_metric(name="ModelRunningWithoutRun", unit=MetricUnit.Count, value=int(runs_without_owner))
    return _reply(holder, state.owner, settled=settled)


def _reply(holder: Holder, owner: Owner | None, *, settled: bool | None) -> dict[str, Any]:
    return {"holder": holder.value, "owner": None if owner is None else str(owner), "settled": settled}
