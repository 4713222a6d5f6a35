"""The looks at the queue that a run takes, each of which also renews the run's lease."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from check_queue.daily_cap import DailyCap, is_worth_a_start
from check_queue.logic import (
    Progress,
    Sample,
    is_blocked,
    is_stuck,
    sample_closed,
    sample_draining,
    verdict_closed,
    verdict_draining,
)
from check_queue.start_gate import Gate, Known, reason_to_wait
from check_queue.time_left import time_left
from shared.errors import AnalysisBlocked, NoProgress
from shared.image_queue import MAX_PEEKED, PeekableQueue
from shared.instants import now
from shared.lease import Held, Lease
from shared.run_record import RunRecord, RunRecords
from shared.sqs import Backlog
from shared.telemetry import MetricUnit, logger, metrics

# A look so soon after another is the same one, tried again.
SHORTEST_PAUSE_SECONDS = 60


class QueueWatch:
    """Looks at the queue on behalf of one run."""

    def __init__(
        self,
        queue: PeekableQueue,
        lease: Lease,
        records: RunRecords,
        *,
        longest_run: timedelta,
        gate: Gate,
        cap: DailyCap,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._lease = lease
        self._records = records
        self._longest_run = longest_run
        self._gate = gate
        self._cap = cap
        self._epoch = epoch

    def before_start(self, run_id: str) -> dict[str, Any]:
        """Say whether there is an image to start the model for: `work`, or else the outcome that the run has.

        That is `nothing_to_do`; `waiting_for_more_images` when too few wait and none of them for too long; or
        `daily_cap_reached`. Only `work` costs money.
        """
        held = self._lease.renew(run_id)
        backlog = self._queue.count()
        known = Known(self._epoch(), held.queue_empty_at, held.looked_at, held.looked_after)
        if self._gate.min_backlog > 1 and (known.pause is None or known.pause >= SHORTEST_PAUSE_SECONDS):
            self._lease.note_look(run_id, None if known.pause is None else int(known.pause))
        if backlog.total == 0:
            self._lease.note_queue_empty(run_id)
            return self._answer("nothing_to_do", backlog, None)
        if self._waits_for_more(run_id, held, known, backlog):
            return self._answer("waiting_for_more_images", backlog, None)
        if held.images_waiting or backlog.in_flight > 0 or backlog.total > MAX_PEEKED:
            has_work = True
        else:
            has_work = self._finds_an_image(run_id) or backlog.delayed > 0
        if has_work != held.images_waiting:
            # Each look into the queue is a receive: a model that is refused for hours must not use an image's up.
            self._lease.note_images_waiting(run_id, waiting=has_work)
        if has_work and self._is_capped(run_id, backlog):
            return self._answer("daily_cap_reached", backlog, None)
        return self._answer("work" if has_work else "nothing_to_do", backlog, None)

    def _waits_for_more(self, run_id: str, held: Held, known: Known, backlog: Backlog) -> bool:
        # A model that a dead run left running is paid for anyway.
        reason = None if held.model_started_by else reason_to_wait(backlog.total, known, self._gate)
        if reason is None:
            return False
        self._records.note_reason(run_id, reason)
        logger.info("no start yet", reason=reason)
        return True

    def _is_capped(self, run_id: str, backlog: Backlog) -> bool:
        left = self._cap.seconds_left(RunRecord(), now())
        if is_worth_a_start(left):
            return False
        self._note_cap(run_id, backlog)
        return True

    def _note_cap(self, run_id: str, backlog: Backlog) -> None:
        reason = (
            f"the model has run for the {self._cap.hours:g} hours of max_model_hours_per_day today (UTC); "
            f"{backlog.total} images wait for tomorrow"
        )
        self._records.note_reason(run_id, reason)
        metrics.add_metric(name="DailyCapReached", unit=MetricUnit.Count, value=1)
        logger.warning("the daily cap is reached", reason=reason)

    def _finds_an_image(self, run_id: str) -> bool:
        peek = self._queue.peek(run_id)
        logger.info("peeked at the image queue", images=peek.images, test_events=peek.test_events)
        if peek.unexpected:
            logger.error(
                "unexpected messages in the image queue were moved to the dead-letter queue, each with its reason; "
                "find out who sends them",
                unexpected=peek.unexpected,
            )
        return peek.images > 0

    def draining(self, run_id: str, before: Sample | None) -> dict[str, Any]:
        """Say whether the queue is `busy` or `drained` while the trigger is open, or how the run must end.

        That is `time_limit_reached` after `longest_run` or as many looks as a history holds, or `daily_cap_reached`.
        Errors: LeaseLost; AnalysisBlocked and NoProgress when the model runs and nothing gets done.
        """
        record = self._records.read(run_id)
        left = time_left(record, self._longest_run, self._cap, now())
        backlog, progress = self._queue.count(), Progress(record.images_done, record.refused, record.processed)
        sample = sample_draining(backlog, progress, before, seconds_left=left.least, now_ms=int(self._epoch() * 1000))
        self._lease.renew(run_id, quiet_seconds=sample.wait_seconds)
        self._raise_if_idle(sample, record, progress)
        verdict = verdict_draining(sample, left)
        if verdict == "time_limit_reached":
            limit = "lasted for max_run_minutes" if left.run <= 0 else "looked as often as its history holds"
            self._records.note_reason(run_id, f"the run has {limit}; {backlog.total} images wait for the next one")
            logger.warning(f"the run has {limit}; the rest waits for the next one", left=backlog.total)
        elif verdict == "daily_cap_reached":
            self._note_cap(run_id, backlog)
        return self._answer(verdict, backlog, sample)

    def closed(self, run_id: str, before: Sample | None, *, take_more: bool) -> dict[str, Any]:
        """Say what is left once the trigger is closed: `in_flight`, `more_work`, or `empty`, which is the end.

        Unless the run is to `take_more`, what waits is left for the next run.
        """
        record = self._records.read(run_id)
        backlog, progress = self._queue.count(), Progress(record.images_done, record.refused, record.processed)
        sample = sample_closed(backlog, progress, before, now_ms=int(self._epoch() * 1000))
        self._lease.renew(run_id)
        self._raise_if_idle(sample, record, progress)
        verdict = verdict_closed(backlog, take_more=take_more)
        if verdict == "empty" and backlog.total == 0:
            self._lease.note_queue_empty(run_id)
        return self._answer(verdict, backlog, sample)

    def _raise_if_idle(self, sample: Sample, record: RunRecord, progress: Progress) -> None:
        if is_blocked(sample, progress):
            raise AnalysisBlocked(
                f"{record.refusal}. {sample.total} messages are in the queue, and none was finished for "
                f"{sample.idle_seconds} s, because the analysis sends them back for this reason. The trigger is closed "
                "and the model stopped; the images wait for the next run. ResourceNotReadyException means that the "
                "model failed or that somebody stopped it; anything else is a permission, a key or a name to put right."
            )
        if is_stuck(sample):
            raise NoProgress(
                f"{sample.total} messages are in the queue and none was finished for {sample.idle_seconds} s with the "
                f"model running ({sample.images_done} images done so far). The model is stopped, the messages wait "
                "for the next run. Look for errors in the log of the analysis function: a table that it may not read "
                "or write, so that nothing is counted, stands only there."
            )

    def _answer(self, verdict: str, backlog: Backlog, sample: Sample | None) -> dict[str, Any]:
        logger.info(
            "counted the queue",
            verdict=verdict,
            visible=backlog.visible,
            in_flight=backlog.in_flight,
            delayed=backlog.delayed,
            images_done=sample.images_done if sample else None,
        )
        return {
            "verdict": verdict,
            "visible": backlog.visible,
            "in_flight": backlog.in_flight,
            "delayed": backlog.delayed,
            "backlog": backlog.total,
            "sample": sample.to_workflow() if sample else None,
            "wait_seconds": sample.wait_seconds if sample else 0,
        }
