"""One look at what is running and whose it is; and the end of what has no living owner.

Every step may be repeated, and none waits: the next tick, a minute later, goes on where this one stopped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import error_code
from shared.errors import LeaseLost, ModelStopTimedOut
from shared.instants import now
from shared.lease import RETIRED, WATCHDOG, CleanUp, Held, Lease
from shared.model_stop import POLL_SECONDS, STOP_TIMEOUT_SECONDS, ModelStop
from shared.project_version import Phase, ProjectVersion
from shared.receipts import Outcome, Receipts
from shared.run_record import RunRecords
from shared.telemetry import MetricUnit, logger, metrics
from shared.trigger import Trigger
from watchdog.executions import Executions
from watchdog.logic import Owner, death, owner_without_asking

RUNS_AND_COSTS = frozenset({Phase.STARTING, Phase.RUNNING, Phase.UNKNOWN})

# A role that was made a moment ago is not known everywhere yet; Terraform's first call comes right after.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
NEW_ROLE_SECONDS = 60

# Less than this before the function is cut off, a retirement gives up with a message.
RETIRE_MARGIN_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """An execution whose end Step Functions has just reported."""

    run_id: str
    status: str


@dataclass(frozen=True)
class Step:
    """How far a clean-up has come: `settled` is the end of it."""

    clean_up: CleanUp
    settled: bool
    model_status: str
    model_settled: bool


class Watchdog:
    """Looks after one model, its trigger and its lease."""

    def __init__(
        self,
        *,
        look_at_lease: Callable[[], Held],
        lease: Lease,
        records: RunRecords,
        receipts: Receipts,
        executions: Executions,
        model: ProjectVersion,
        model_stop: ModelStop,
        trigger: Trigger,
        longest_run: timedelta,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._look_at_lease = look_at_lease
        self._lease = lease
        self._records = records
        self._receipts = receipts
        self._executions = executions
        self._model = model
        self._model_stop = model_stop
        self._trigger = trigger
        self._longest_run = longest_run
        self._epoch = epoch

    def tick(self, invocation_id: str, ended: Ended | None) -> dict[str, Any]:
        """Find out who owns what runs, and take the next step in cleaning up after an owner who is gone."""
        held = self._look_at_lease()
        owner, clean_up = self._owner(held, ended)
        if owner in (Owner.LIVING_RUN, Owner.TERRAFORM):
            return _answer(owner, held, runs_without_owner=False)
        runs_without_owner = self._model.see().phase in RUNS_AND_COSTS
        if owner is Owner.NOBODY and clean_up is None:
            clean_up = self._left_over(held)
        if clean_up is None:
            if runs_without_owner:
                logger.warning("the model runs, no run is going on, and this system did not start it: it is left alone")
            return _answer(owner, held, runs_without_owner=runs_without_owner)
        me = WATCHDOG + invocation_id
        if not self._lease.take_over(me, held, clean_up):
            logger.info("the lease changed hands just now; the next look will see whose it is")
            return _answer(owner, held, runs_without_owner=False)
        logger.warning("cleaning up", after_run=clean_up.after_run, reason=clean_up.reason, since=clean_up.since)
        try:
            settled = self._clean_up(me, clean_up)
        except LeaseLost:
            # The report of an end and the schedule come at any time, also at the same.
            logger.info("another look took the lease over meanwhile, and goes on from there")
            return _answer(owner, held, runs_without_owner=False)
        return _answer(owner, held, runs_without_owner=runs_without_owner, settled=settled)

    def _clean_up(self, me: str, clean_up: CleanUp) -> bool:
        step = self._step(me, clean_up)
        waited = int(self._epoch()) - clean_up.since
        if step.settled and (self._write_receipt(step, Outcome.ABORTED) or waited >= STOP_TIMEOUT_SECONDS):
            # A receipt that cannot be written must not keep other runs out for ever.
            self._lease.release(me)
        else:
            self._lease.note_clean_up(me, step.clean_up)
            self._report_if_late(step, waited)
        return step.settled

    def retire(self, *, seconds_left: Callable[[], float], pause: Callable[[float], None]) -> dict[str, Any]:
        """Bring everything to rest for good, because Terraform removes or changes what it runs on; wait for it.

        Runs that start meanwhile find the lease held and end. Error: ModelStopTimedOut when there is no time left,
        which makes Terraform stop before it removes anything.
        """
        held = self._lease.retire()
        reason = "RunRetired: Terraform removed or changed the pipeline while the run went on"
        clean_up = CleanUp(held.run_id or held.model_started_by, reason, int(self._epoch()))
        self._lease.note_clean_up(RETIRED, clean_up)
        try:
            if held.run_id is not None:
                self._executions.stop(held.run_id, "Terraform removes or changes the pipeline of this run")
            self._settle(clean_up, seconds_left, pause)
        except Exception:
            # Terraform removes nothing now, and may never come back: what runs is the watchdog's again.
            self._lease.hand_over(RETIRED, WATCHDOG + RETIRED)
            raise
        self._lease.retire()
        return {"owner": Owner.TERRAFORM.value, "held_by": held.held_by, "settled": True}

    def _settle(self, clean_up: CleanUp, seconds_left: Callable[[], float], pause: Callable[[float], None]) -> None:
        step = self._step(RETIRED, clean_up)
        while not step.settled:
            if seconds_left() < RETIRE_MARGIN_SECONDS:
                raise ModelStopTimedOut(
                    f"model {self._model.arn} is {step.model_status} and was not seen STOPPED in time, so nothing was "
                    "removed. The watchdog goes on to stop it (a model that is starting cannot be stopped before it "
                    "runs). Run the same terraform command again in ten minutes."
                )
            pause(POLL_SECONDS)
            step = self._step(RETIRED, step.clean_up)
        self._write_receipt(step, Outcome.ABORTED)

    def resume(self, *, pause: Callable[[float], None]) -> dict[str, Any]:
        """Let runs in again, once Terraform has made what they run on."""
        deadline = self._epoch() + NEW_ROLE_SECONDS
        while True:
            try:
                self._lease.release(RETIRED)
            except ClientError as error:
                if error_code(error) != "AccessDeniedException" or self._epoch() > deadline:
                    raise
                pause(POLL_SECONDS)
            else:
                return {"owner": Owner.TERRAFORM.value, "held_by": None, "settled": True}

    def _owner(self, held: Held, ended: Ended | None) -> tuple[Owner, CleanUp | None]:
        """Return who holds the lease, and what to clean up if that owner is gone."""
        instant = int(self._epoch())
        owner = owner_without_asking(held, instant)
        if owner is not None:
            return owner, held.clean_up
        run_id = str(held.held_by)
        # The report is newer than what DescribeExecution may say.
        status = ended.status if ended and ended.run_id == run_id else self._executions.status(run_id)
        started_at = self._records.read(run_id).started_at
        overdue = 0 if started_at is None else int((now() - started_at - self._longest_run).total_seconds())
        reason = death(held, status, seconds_overdue=overdue, now=instant)
        if reason is None:
            return Owner.LIVING_RUN, None
        return Owner.DEAD_RUN, CleanUp(run_id, reason, instant)

    def _left_over(self, held: Held) -> CleanUp | None:
        """Return what lies about although nobody holds the lease."""
        instant = int(self._epoch())
        if held.model_started_by is not None:
            reason = "ModelLeftRunning: the run ended without seeing its model stopped"
            return CleanUp(held.model_started_by, reason, instant)
        if not self._trigger.is_closed():
            return CleanUp(None, "TriggerLeftOpen: no run is going on, and the trigger is open", instant)
        return None

    def _step(self, owner: str, clean_up: CleanUp) -> Step:
        # Neither may keep the other from being tried.
        trigger_closed = self._close_trigger(owner)
        stop = self._model_stop.step(
            owner,
            run_id=clean_up.after_run,
            waited_seconds=0,
            stop_accepted=clean_up.stop_accepted,
            sightings_at_rest=clean_up.sightings_at_rest,
        )
        return Step(
            replace(clean_up, stop_accepted=stop["stop_accepted"], sightings_at_rest=stop["sightings_at_rest"]),
            settled=stop["settled"] and trigger_closed,
            model_status=stop["status"],
            model_settled=stop["settled"],
        )

    def _close_trigger(self, owner: str) -> bool:
        try:
            return bool(self._trigger.step(owner, enable=False, waited_seconds=0)["settled"])
        except (ClientError, BotoCoreError):
            logger.exception("could not close the trigger; the next look tries again")
            return False

    def _report_if_late(self, step: Step, waited: int) -> None:
        if waited < STOP_TIMEOUT_SECONDS or step.model_settled:
            return
        logger.error(
            "the model is not seen STOPPED and may be costing money; stop it by hand: "
            f"aws rekognition stop-project-version --project-version-arn {self._model.arn}",
            status=step.model_status,
            waited_seconds=waited,
        )
        self._write_receipt(step, Outcome.STOP_NOT_CONFIRMED)
        metrics.add_metric(name="ModelStopNotConfirmed", unit=MetricUnit.Count, value=1)

    def _write_receipt(self, step: Step, outcome: Outcome) -> bool:
        """Write what the run did not live to write, unless it did; return whether there is nothing left to write."""
        if step.clean_up.after_run is None:
            return True
        code, _, reason = step.clean_up.reason.partition(": ")
        message = f"{reason}; the watchdog took over, and the model is {step.model_status}"
        try:
            self._receipts.write_for_dead_run(step.clean_up.after_run, outcome, {"code": code, "message": message})
        except (ClientError, BotoCoreError):
            logger.exception("could not write the receipt of a dead run", after_run=step.clean_up.after_run)
            return False
        return True


def _answer(owner: Owner, held: Held, *, runs_without_owner: bool, settled: bool | None = None) -> dict[str, Any]:
    metrics.add_metric(name="ModelRunningWithoutRun", unit=MetricUnit.Count, value=int(runs_without_owner))
    return {"owner": owner.value, "held_by": held.held_by, "settled": settled}
