"""The checks of the queue that a run makes, each of which also renews the run's lease."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from check_queue.daily_cap import DailyCap, leaves_time_for_a_run
from check_queue.logic import (
    Decision,
    DrainState,
    Progress,
    decide_closed,
    decide_draining,
    poll_closed,
    poll_draining,
)
from check_queue.source_images import SourceImages
from check_queue.start_gate import Gate, reason_to_defer_start
from check_queue.time_left import time_left
from check_queue.waiting_images import Waiting, WaitingImages
from shared.errors import AnalysisBlocked, NoProgress
from shared.failed_starts import FailedStartsStore
from shared.image_queue import LOOK_SECONDS, Look, PeekableQueue
from shared.lease import Lease
from shared.model_state import ModelState, ModelStates
from shared.outcome import Outcome
from shared.owner import Owner
from shared.run_record import RunRecord, RunRecords
from shared.sqs import Backlog
from shared.telemetry import MetricUnit, logger, metrics
from shared.timestamps import format_rfc3339, now

# The share of failed images among fewer than this says little.
MIN_IMAGES_FOR_SHARE = 50

# SQS's counts may lag by a minute, so an image may have been there when the queue was counted empty.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
COUNTS_LAG_SECONDS = 60
# How long the check before the start may last: the look into the queue, one call of the analysis at its end, and the
# listing. The lease must outlast it, however short `lease_seconds` is.
CHECK_SECONDS = LOOK_SECONDS + 180


class QueueChecks:
    """Checks the queue on behalf of one run."""

    def __init__(
        self,
        queue: PeekableQueue,
        images: SourceImages,
        waiting: WaitingImages,
        lease: Lease,
        states: ModelStates,
        records: RunRecords,
        failed_starts: FailedStartsStore,
        *,
        fingerprint: str,
        max_run: timedelta,
        gate: Gate,
        cap: DailyCap,
        pause: Callable[[float], None],
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._images = images
        self._waiting = waiting
        self._lease = lease
        self._states = states
        self._records = records
        self._failed_starts = failed_starts
        self._fingerprint = fingerprint
        self._max_run = max_run
        self._gate = gate
        self._cap = cap
        self._epoch = epoch
        self._pause = pause

    def before_start(self, run_id: str, *, scheduled: bool) -> dict[str, Any]:
        """Say whether there is an image to start the model for: `work`, or else the outcome of the run.

        That is `nothing_to_do`; `waiting_for_more_images` when too few wait and none of them for too long;
        `waiting_after_failures` when the schedule started the run and the last starts led to nothing; or
        `daily_cap_reached`. Only `work` costs money. Error: LeaseLost.
        """
        owner = Owner.run(run_id)
        state = self._lease.renew(owner, extra_seconds=CHECK_SECONDS)
        counted = self._queue.count()
        waiting = self._waiting.look_for(self._gate.min_backlog, counted.total)
        logger.info("looked for images", images=waiting.images, reason=waiting.reason)
        if waiting.nothing or (waiting.images is None and counted.total == 0):
            self._states.record_queue_empty(owner, int(self._epoch()))
            if counted.total:
                # What is in the queue is about no image that waits. What is over there goes, and the rest stays.
                self._look_into_queue(owner)
            return self._answer(Outcome.NOTHING_TO_DO, counted, None)
        # Messages that SQS does not count yet are seen as well.
        backlog = counted if counted.total else Backlog(waiting.images or 0, 0, 0)
        if self._defers_start(run_id, state, waiting, backlog):
            return self._answer(Outcome.WAITING_FOR_MORE_IMAGES, backlog, None)
        if self._waits_after_failures(run_id, backlog, scheduled=scheduled):
            return self._answer(Outcome.WAITING_AFTER_FAILURES, backlog, None)
        if not self._has_work(owner, state, counted):
            return self._answer(Outcome.NOTHING_TO_DO, counted, None)
        if not leaves_time_for_a_run(self._cap.seconds_left(RunRecord(), now())):
            self._report_cap(run_id, backlog)
            return self._answer(Outcome.DAILY_CAP_REACHED, backlog, None)
        return self._answer(Decision.WORK, backlog, None)

    def _defers_start(self, run_id: str, state: ModelState, waiting: Waiting, backlog: Backlog) -> bool:
        if state.started_by:
            # A model that a dead run left running costs money anyway.
            return False
        images, oldest_at = waiting.images, waiting.oldest_at
        if images is None:
            # What is in the queue now came after the queue was empty.
            images = backlog.total
            oldest_at = None if state.queue_empty_at is None else state.queue_empty_at - COUNTS_LAG_SECONDS
        waited_seconds = None if oldest_at is None else self._epoch() - oldest_at
        reason = reason_to_defer_start(images, waited_seconds, self._gate)
        if reason is None:
            return False
        self._records.record_reason(run_id, reason)
        logger.info("start deferred", reason=reason)
        return True

    def _waits_after_failures(self, run_id: str, backlog: Backlog, *, scheduled: bool) -> bool:
        failed = self._failed_starts.read()
        if failed.fingerprint != self._fingerprint or (failed.count and not scheduled):
            # Terraform changed something that may let it work, or a person wants it tried.
            self._failed_starts.forget(self._fingerprint)
            return False
        if self._epoch() >= failed.next_start_at:
            return False
        next_start = format_rfc3339(datetime.fromtimestamp(failed.next_start_at, UTC))
        reason = (
            f"{failed.count} starts of the model in a row finished no image; the newest, of run {failed.run_id}, ended "
            f"with {failed.error}. {backlog.total} messages wait, and the schedule starts the model again from "
            f"{next_start} on. To try at once, start an execution of this state machine by hand, with the input {{}}"
        )
        self._records.record_reason(run_id, reason)
        logger.warning("start put off after failed ones", reason=reason)
        return True

    def _has_work(self, owner: Owner, state: ModelState, counted: Backlog) -> bool:
        # Each look is a receive: runs that cannot start the model for days must not use up an image's receives.
        if counted.total and state.images_waiting and self._images.known_image_exists():
            return True
        look = self._look_into_queue(owner)
        if look.image is not None:
            self._images.remember(look.image)
        if (look.image is not None) != state.images_waiting:
            self._states.record_images_waiting(owner, waiting=look.image is not None)
        # What is hidden or delayed cannot be looked at, and what time did not allow to look at may be images.
        has_work = look.image is not None or not look.is_complete or counted.in_flight > 0 or counted.delayed > 0
        if not has_work and counted.total == 0:
            # The images in the bucket have no message. The reconcile queues them.
            self._states.record_queue_empty(owner, int(self._epoch()))
        return has_work

    def _look_into_queue(self, owner: Owner) -> Look:
        look = self._queue.look(owner.id, self._images.exists)
        logger.info("looked into the queue", gone=look.gone, test_events=look.test_events, image=str(look.image))
        if look.unexpected:
            logger.error(
                "messages in the image queue were not S3 upload events; moved to the dead-letter queue, each with its "
                "reason. Find out who sends to this queue.",
                unexpected=look.unexpected,
            )
        return look

    def _report_cap(self, run_id: str, backlog: Backlog) -> None:
        reason = (
            f"the model has run for the {self._cap.hours:g} hours of max_model_hours_per_day today (UTC); "
            f"{backlog.total} images wait for tomorrow"
        )
        self._records.record_reason(run_id, reason)
        metrics.add_metric(name="DailyCapReached", unit=MetricUnit.Count, value=1)
        logger.warning("daily cap reached", reason=reason)

    def draining(self, run_id: str, before: DrainState | None) -> dict[str, Any]:
        """Say whether the queue is `busy` or `drained` while the trigger is open, or how the run must end.

        `nothing_waits`: the bucket's listing proves it, so the model may stop at once, before the trigger is closed.
        The run must end after `max_run` or as many visits as a history holds (`time_limit_reached`), and at the daily
        cap (`daily_cap_reached`). In a long run it polls for several minutes before it answers.
        Errors: LeaseLost; AnalysisBlocked and NoProgress when the model runs and no image finishes.
        """
        while True:
            decision, backlog, state = self._poll_draining(run_id, before)
            if decision is not Decision.BUSY or not state.stays:
                return self._answer(decision, backlog, state)
            self._pause(state.wait_seconds)
            before = state

    def _poll_draining(self, run_id: str, before: DrainState | None) -> tuple[Decision | Outcome, Backlog, DrainState]:
        record = self._records.read(run_id)
        left = time_left(record, self._max_run, self._cap, now())
        backlog = self._queue.count()
        waiting = self._waiting.look(backlog.total)
        state = poll_draining(
            backlog, waiting, _progress(record), before, seconds_left=left.least, now_ms=int(self._epoch() * 1000)
        )
        owner = Owner.run(run_id)
        held = self._lease.renew(owner, extra_seconds=state.wait_seconds)
        if held.images_waiting:
            # With the trigger open the known image is handed out; a later run has to look again.
            self._states.record_images_waiting(owner, waiting=False)
        self._record_saturated_period(run_id, before, state)
        _report_failed_share(record)
        decision = decide_draining(waiting, state, left)
        if decision is Decision.NOTHING_WAITS:
            self._states.record_queue_empty(owner, int(self._epoch()))
            self._records.record_end(run_id, proven=True, reason=waiting.reason)
        else:
            _raise_if_idle(state, record)
        if decision is Outcome.TIME_LIMIT_REACHED:
            limit = "lasted for max_run_minutes" if left.run <= 0 else "polled as often as its history allows"
            self._records.record_reason(run_id, f"the run has {limit}; {backlog.total} images wait for the next run")
            logger.warning(f"the run has {limit}; the rest waits for the next run", left=backlog.total)
        elif decision is Outcome.DAILY_CAP_REACHED:
            self._report_cap(run_id, backlog)
        return decision, backlog, state

    def closed(self, run_id: str, before: DrainState | None, *, take_more: bool) -> dict[str, Any]:
        """Say what is left once the trigger is closed: `in_flight`, `more_work`, or `empty`, which is the end.

        Unless the run is to `take_more`, waiting messages are left for the next run: a full queue is no fault then, and
        the run ends as it was to end. Errors: LeaseLost; with `take_more` as for `draining`.
        """
        owner = Owner.run(run_id)
        record = self._records.read(run_id)
        backlog = self._queue.count()
        state = poll_closed(backlog, _progress(record), before, now_ms=int(self._epoch() * 1000))
        self._lease.renew(owner)
        _report_failed_share(record)
        waiting = self._waiting.look(backlog.total)
        if take_more and not waiting.nothing:
            _raise_if_idle(state, record)
        decision = decide_closed(backlog, waiting, take_more=take_more)
        if state.is_stuck:
            # No batch lasts so long: what is in flight was left behind by a killed one, and comes back by itself.
            decision = Decision.EMPTY
        if decision is Decision.EMPTY and (waiting.nothing or backlog.total == 0):
            self._states.record_queue_empty(owner, int(self._epoch()))
        if decision is Decision.EMPTY and take_more:
            # Not earlier: more work may come after a drained queue, and something else end the run.
            self._records.record_end(run_id, proven=waiting.nothing, reason=waiting.reason)
        return self._answer(decision, backlog, state)

    def _record_saturated_period(self, run_id: str, before: DrainState | None, state: DrainState) -> None:
        if before is not None and state.saturated_ms > before.saturated_ms:
            self._records.record_saturated_period(run_id, state.saturated_ms / 1000, state.saturated_images)

    def _answer(self, decision: Decision | Outcome, backlog: Backlog, state: DrainState | None) -> dict[str, Any]:
        """Return the answer to the workflow; it reads no single count, which are for people in its history."""
        counts = {"visible": backlog.visible, "in_flight": backlog.in_flight, "delayed": backlog.delayed}
        images_done = state.last.images_done if state else None
        logger.info("counted the queue", decision=decision.value, images_done=images_done, counts=counts)
        return {
            "decision": decision.value,
            **counts,
            "backlog": backlog.total,
            "drain_state": state.to_workflow() if state else None,
            "wait_seconds": state.wait_seconds if state else 0,
        }


def _progress(record: RunRecord) -> Progress:
    return Progress(record.images_done, record.blocked, record.labelled)


def _report_failed_share(record: RunRecord) -> None:
    """Report while the run goes on how many of its images end under failed/: it labels on, whatever they are."""
    finished = record.processed + record.failed
    if finished >= MIN_IMAGES_FOR_SHARE:
        metrics.add_metric(name="FailedImagesPercent", unit=MetricUnit.Percent, value=100 * record.failed / finished)


def _raise_if_idle(state: DrainState, record: RunRecord) -> None:
    idle = f"{state.last.total} messages are in the queue, and no image has finished for {state.idle_seconds} s"
    if state.is_blocked:
        raise AnalysisBlocked(
            f"{record.blocked_reason}. {idle}, because the analysis requeues them for this reason. The run closes the "
            "trigger and stops the model; the images wait for the next run. ResourceNotReadyException means that the "
            "model failed or that somebody stopped it; anything else is a permission, a key or a name to fix."
        )
    if state.is_stuck:
        raise NoProgress(
            f"{idle} with the model running ({state.last.images_done} images done so far). The run stops the model, "
            "and the messages wait for the next run. Look for errors in the log of the analysis function. If the "
            "function cannot read or write the runs table, its images are not counted, and only that log says so."
        )
