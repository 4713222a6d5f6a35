"""What one execution environment of the analysis keeps between batches, and what it knows of the run at hand."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.announcements import Announcements, Told
from analyze_image.labelling import Labelling
from analyze_image.poison import PoisonDetector
from analyze_image.rate_limiter import AdaptiveRateLimiter
from analyze_image.requeued_messages import RequeuedMessages
from shared.clients import error_code
from shared.dead_letter_queue import DeadLetterQueue
from shared.image_queue import ImageQueue
from shared.items import ConditionFailed
from shared.model_state import ModelState
from shared.request_rate import RequestRate
from shared.run_record import BatchCounts, CountedImage, RunRecords
from shared.s3_events import Source
from shared.telemetry import logger

# DynamoDB cancels one of two transactions on the same run record, as when the batches of two environments end together.
COUNT_ATTEMPTS = 5
# DynamoDB takes conditions of 4 KB. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_IMAGES_PER_COUNT = 50


@dataclass(frozen=True)
class CurrentRun:
    """The run that a batch counts for. Both are None when no run owns the lease, or when it could not be read.

    Then the messages of finished images stay, for a later batch to count them.
    """

    run_id: str | None = None
    request_rate: RequestRate | None = None

    @property
    def images_at_once(self) -> int:
        """How many images of the batch are processed at the same time."""
        return self.request_rate.concurrent_images_per_batch if self.request_rate else 1


@dataclass(frozen=True)
class FinishedImage:
    """An image that has its result, and the message that told of it. `is_now`: this batch finished it."""

    counted: CountedImage
    is_failure: bool
    is_now: bool
    message_id: str
    is_first_delivery: bool
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Analysis:
    """What one execution environment keeps between batches."""

    labelling: Labelling
    queue: ImageQueue
    requeued_messages: RequeuedMessages
    dead_letters: DeadLetterQueue
    poison: PoisonDetector
    rate_limiter: AdaptiveRateLimiter
    source: Source
    announcements: Announcements
    records: RunRecords
    read_state: Callable[[], ModelState]

    def start_batch(self) -> CurrentRun:
        """Return the run that the next batch counts for: the lease's owner, or the run that is being cleaned up."""
        run = CurrentRun()
        try:
            state = self.read_state()
            run = CurrentRun(state.run_id, state.request_rate)
        except (ClientError, BotoCoreError):
            logger.exception(
                "could not read the lease; processing this batch serially, and a later batch counts its images"
            )
        self.poison.start_batch(run.run_id)
        self.rate_limiter.start_batch(run.run_id, run.request_rate)
        return run

    def announce(self, batch_id: str, finished: Sequence[FinishedImage], seconds_left: float) -> bool:
        """Tell of the images that no batch has counted yet; return False if there is no time for it.

        It comes before the count, whose note says that an image was told of too. So a redelivery tells of what a
        killed batch did not, and of nothing else. An image is told of twice if the batch is killed just in between, or
        if it cannot be counted.
        """
        if not finished or not self.announcements.seconds:
            return True
        if seconds_left < self.announcements.seconds:
            return False
        try:
            claimed_by = {image.counted.batch_id for image in finished} - {batch_id}
            known = {image for claimed in claimed_by for image in self.records.counted_images(claimed)}
        except (ClientError, BotoCoreError):
            logger.exception("could not read which images were told of before")
            known = set()
        new = {image.counted: image for image in finished if image.counted not in known}
        self.announcements.tell([Told(counted.mark, image.document) for counted, image in new.items()])
        return True

    def count(self, run_id: str, batch_id: str, counts: BatchCounts, finished: Sequence[FinishedImage]) -> bool:
        """Add the batch to the run's counters, each finished image once; return whether that was possible.

        `counts` are the batch's without the finished images.
        """
        parts = [
            finished[first : first + MAX_IMAGES_PER_COUNT] for first in range(0, len(finished), MAX_IMAGES_PER_COUNT)
        ]
        for part in parts or [[]]:
            if not self._count_part(run_id, batch_id, counts, part):
                return False
            counts = BatchCounts()
        return True

    def _count_part(self, run_id: str, batch_id: str, counts: BatchCounts, finished: Sequence[FinishedImage]) -> bool:
        claimed_by = {image.counted.batch_id for image in finished}
        unread = claimed_by - {batch_id}
        known: set[CountedImage] = set()
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            try:
                for claimed in unread:
                    known |= self.records.counted_images(claimed)
                new = {image.counted: image for image in reversed(finished) if image.counted not in known}
                total = add_finished(counts, finished, new)
                if total != BatchCounts():
                    self.records.add_batch(run_id, total, list(new))
            except ConditionFailed as refusal:
                # Another batch counted one of these images a moment ago, or the run has finished.
                unread, reason = claimed_by, str(refusal)
            except (ClientError, BotoCoreError) as error:
                if not _is_conflict(error) or attempt == COUNT_ATTEMPTS:
                    logger.exception("could not add to the run's counters", counts=counts)
                    return False
                time.sleep(random.uniform(0, 0.1 * attempt))  # noqa: S311 - keeps two batches apart
            else:
                return True
        logger.warning(
            "not added to the run's counters, because the run has finished or other batches count the same images; "
            "messages of finished images come again, for the next run to count",
            counts=counts,
            reason=reason,
        )
        return False


def add_finished(
    counts: BatchCounts, finished: Sequence[FinishedImage], new: Mapping[CountedImage, FinishedImage]
) -> BatchCounts:
    """Return the counts with the finished images, of which those that are not `new` were counted before."""
    failed = sum(image.is_failure for image in new.values())
    others = [image for image in finished if new.get(image.counted) is not image]
    return replace(
        counts,
        processed=counts.processed + len(new) - failed,
        failed=counts.failed + failed,
        # SQS may deliver a message again although it is done, which is no progress of the run.
        nothing_to_do=counts.nothing_to_do + sum(image.is_first_delivery for image in others),
    )


def has_labelled(records: RunRecords, run_id: str) -> bool:
    """Whether the model labelled an image in this run, as far as the run record can be read."""
    try:
        return records.read(run_id).labelled > 0
    except (ClientError, BotoCoreError):
        logger.exception("could not read the run record; assuming that nothing was labelled yet")
        return False


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ClientError) and error_code(error) == "TransactionCanceledException"
