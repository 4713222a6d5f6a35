"""One batch of messages: every image of every message, and what is learnt on the way."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from analyze_image.detector import ModelNotReadyError
from analyze_image.labelling import Ending, Labelling
from analyze_image.upload import ForeignMessageError, uploads_in
from shared.telemetry import logger

# What one image may take when calls time out and are tried again. With less time left, an image is not begun.
ONE_IMAGE_SECONDS = 45
LOGGED_BODY_CHARACTERS = 500


class NotEnoughTimeError(Exception):
    """The function would be cut off in the middle of this image."""


class Batch:
    """Handles the records of one invocation; raises for a record that has to come back."""

    def __init__(
        self,
        labelling: Labelling,
        source_bucket: str,
        put_back: Callable[[str], None],
        seconds_left: Callable[[], float],
    ) -> None:
        """`put_back` makes a message visible again at once, given its receipt handle."""
        self._labelling = labelling
        self._source_bucket = source_bucket
        self._put_back = put_back
        self._seconds_left = seconds_left
        self._model_not_ready: ModelNotReadyError | None = None
        self.endings: Counter[Ending] = Counter()

    def handle(self, record: SQSRecord) -> None:
        """Label the images that one message tells of."""
        receives = int(record.attributes.approximate_receive_count or "1")
        details: dict[str, Any] = {"message_id": record.message_id, "receives": receives}
        try:
            for upload in uploads_in(record.body, self._source_bucket):
                details["image"] = str(upload)
                self._check_readiness()
                ending = self._labelling.label(upload, redelivered=receives > 1)
                self.endings[ending] += 1
                logger.info("image done", ending=ending.value, **details)
        except ForeignMessageError as error:
            # No attempt can help, so they are spent at once: SQS then moves the message to the dead-letter queue.
            logger.error(
                "this message is no image upload; it is kept in the dead-letter queue",
                reason=str(error),
                body=record.body[:LOGGED_BODY_CHARACTERS],
                **details,
            )
            self._put_back(record.receipt_handle)
            raise
        except NotEnoughTimeError:
            logger.info("no time left in this invocation; the message goes back to the queue", **details)
            self._put_back(record.receipt_handle)
            raise
        except ModelNotReadyError as error:
            self._model_not_ready = error
            logger.error("the model is not running; the message comes back", reason=str(error), **details)
            raise
        except Exception:
            logger.exception("image not done; its message comes back after the visibility timeout", **details)
            raise

    def _check_readiness(self) -> None:
        if self._model_not_ready is not None:
            # One refusal speaks for the whole batch.
            raise self._model_not_ready
        if self._seconds_left() < ONE_IMAGE_SECONDS:
            raise NotEnoughTimeError
