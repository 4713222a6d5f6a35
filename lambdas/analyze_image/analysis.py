"""What one execution environment of the analysis keeps between batches, and what it knows of the run at hand."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.copies import Copies
from analyze_image.labelling import Labelling
from analyze_image.poison import PoisonDetector
from analyze_image.rate_limiter import AdaptiveRateLimiter
from shared.clients import error_code
from shared.dead_letter_queue import DeadLetterQueue
from shared.image_queue import ImageQueue
from shared.model_state import ModelState
from shared.request_rate import RequestRate
from shared.run_record import BatchCounts, RunRecords
from shared.s3_events import Source
from shared.telemetry import logger

# DynamoDB cancels one of two transactions on the same run record, as when the batches of two environments end together.
COUNT_ATTEMPTS = 5


@dataclass(frozen=True)
class CurrentRun:
    """The run that a batch counts for. Both are None when no run owns the lease, or when it could not be read."""

    run_id: str | None = None
    request_rate: RequestRate | None = None

    @property
    def images_at_once(self) -> int:
        """How many images of the batch are processed at the same time."""
        return self.request_rate.concurrent_images_per_batch if self.request_rate else 1


@dataclass(frozen=True)
class Analysis:
    """What one execution environment keeps between batches."""

    labelling: Labelling
    queue: ImageQueue
    copies: Copies
    dead_letters: DeadLetterQueue
    poison: PoisonDetector
    rate_limiter: AdaptiveRateLimiter
    source: Source
    records: RunRecords
    read_state: Callable[[], ModelState]

    def start_batch(self) -> CurrentRun:
        """Return the run that the next batch counts for: the lease's owner, or the run that is being cleaned up."""
        run = CurrentRun()
        try:
            state = self.read_state()
            run = CurrentRun(state.run_id, state.request_rate)
        except (ClientError, BotoCoreError):
            logger.exception("could not read the lease; processing this batch serially, and no receipt will count it")
        self.poison.start_batch(run.run_id)
        self.rate_limiter.start_batch(run.run_id, run.request_rate)
        return run

    def count(self, run_id: str, counts: BatchCounts) -> None:
        """Add the batch to the run's counters. They show progress; the results are complete without them."""
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            try:
                self.records.add_batch(run_id, counts)
            except (ClientError, BotoCoreError) as error:
                if _is_conflict(error) and attempt < COUNT_ATTEMPTS:
                    time.sleep(random.uniform(0, 0.1 * attempt))  # noqa: S311 - keeps two batches apart
                    continue
                logger.exception("could not add to the run's counters; the receipt will miss images", counts=counts)
            return


def has_labelled(records: RunRecords, run_id: str) -> bool:
    """Whether the model labelled an image in this run, as far as the run record can be read."""
    try:
        return records.read(run_id).processed > 0
    except (ClientError, BotoCoreError):
        logger.exception("could not read the run record; assuming that nothing was labelled yet")
        return False


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ClientError) and error_code(error) == "TransactionCanceledException"
