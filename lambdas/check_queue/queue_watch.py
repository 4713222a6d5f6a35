"""The looks at the queue that a run takes, each of which also renews the run's lease."""

from typing import Any

from check_queue.logic import Backlog, Sample, is_drained, is_stuck, sample_closed, sample_draining
from check_queue.queue import PEEKED_AT_MOST, ImageQueue
from shared.errors import NoProgress
from shared.lease import Lease
from shared.run_record import RunRecords
from shared.telemetry import logger


class QueueWatch:
    """Looks at the queue on behalf of one run."""

    def __init__(self, queue: ImageQueue, lease: Lease, records: RunRecords, longest_wait: int) -> None:
        self._queue = queue
        self._lease = lease
        self._records = records
        self._longest_wait = longest_wait

    def before_start(self, run_id: str) -> dict[str, Any]:
        """Say whether there is an image to start the model for: `work` or `nothing_to_do`."""
        known_to_wait = self._lease.renew(run_id).images_waiting
        backlog = self._queue.count()
        if backlog.total == 0:
            has_work = False
        elif known_to_wait or backlog.in_flight > 0 or backlog.total > PEEKED_AT_MOST:
            has_work = True
        else:
            has_work = self._finds_an_image() or backlog.delayed > 0
        if has_work != known_to_wait:
            # Each look into the queue is a receive: a model that is refused for hours must not use an image's up.
            self._lease.note_images_waiting(run_id, waiting=has_work)
        return self._answer("work" if has_work else "nothing_to_do", backlog, None)

    def _finds_an_image(self) -> bool:
        peek = self._queue.peek()
        logger.info("looked into the queue", images=peek.images, test_events=peek.test_events)
        if peek.foreign:
            logger.error(
                "messages in the image queue are no S3 events; they go to the dead-letter queue after repeated "
                "receives. Find out who sends to this queue.",
                foreign=peek.foreign,
            )
        return peek.images > 0

    def draining(self, run_id: str, before: Sample | None) -> dict[str, Any]:
        """Say whether the queue is `busy` or `drained` while the trigger is open; NoProgress when it is stuck."""
        self._lease.renew(run_id)
        backlog = self._queue.count()
        sample = sample_draining(backlog, self._images_done(run_id), before, self._longest_wait)
        self._raise_if_stuck(sample)
        return self._answer("drained" if is_drained(sample) else "busy", backlog, sample)

    def closed(self, run_id: str, before: Sample | None) -> dict[str, Any]:
        """Say what is left once the trigger is closed: `empty`, `in_flight` or `more_work`."""
        self._lease.renew(run_id)
        backlog = self._queue.count()
        sample = sample_closed(backlog, self._images_done(run_id), before)
        self._raise_if_stuck(sample)
        if backlog.visible + backlog.delayed > 0:
            verdict = "more_work"
        elif backlog.in_flight > 0:
            verdict = "in_flight"
        else:
            verdict = "empty"
            self._lease.note_images_waiting(run_id, waiting=False)
        return self._answer(verdict, backlog, sample)

    def _images_done(self, run_id: str) -> int:
        return self._records.read(run_id).images_done

    def _raise_if_stuck(self, sample: Sample) -> None:
        if is_stuck(sample):
            raise NoProgress(
                f"{sample.total} messages are in the queue and none was finished for {sample.idle_seconds} s with the "
                f"model running ({sample.images_done} images done so far). The model is stopped, the messages wait "
                "for the next run. Look for errors in the log of the analysis function."
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
            "sample": sample.to_workflow() if sample else None,
            "wait_seconds": sample.wait_seconds if sample else 0,
        }
