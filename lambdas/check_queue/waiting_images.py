"""Which images wait, as the source bucket shows it.

S3's listing is strongly consistent, and SQS's counts lag by a minute.
Each image that waits is an object of the bucket (I1). So where the listing shows none, nothing waits, whatever SQS
counts: an image leaves the bucket only when it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.dead_letter_queue import DeadLetterQueue
from shared.s3_events import Source
from shared.source_listing import ImageId, first_page, images_in
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# With "external", somebody else's notification chooses which objects get a message, so the listing does not show it.
EXTERNAL_EVENTS = "external"

# The model may run, and cost, while they are read: ten in some 20 ms.
MAX_DEAD_LETTERS = 500
# After a crash they are visible again before a reconcile gives up on them.
HIDDEN_SECONDS = 30


@dataclass(frozen=True)
class Waiting:
    """How many images wait, and the reason, as a sentence for the receipt.

    `images` is at least so many when `is_all` is false; None: the listing proves nothing.
    """

    images: int | None
    reason: str
    is_all: bool = True

    @property
    def nothing(self) -> bool:
        """Whether it is proven that no image waits."""
        return self.images == 0


class WaitingImages:
    """The images below the prefix of the source bucket that are not in the dead-letter queue."""

    def __init__(self, s3: S3Client, source: Source, events: str, dead_letters: DeadLetterQueue) -> None:
        self._s3 = s3
        self._source = source
        self._events = events
        self._dead_letters = dead_letters

    def look(self, counted: int) -> Waiting:
        """List one page, and say what waits. `counted` is the number of messages that SQS counts in the image queue."""
        if self._events == EXTERNAL_EVENTS:
            return Waiting(None, 'with source_events = "external", the listing does not show what gets a message')
        place = f"s3://{self._source.bucket}/{self._source.prefix}"
        try:
            page = first_page(self._s3, self._source.bucket, self._source.prefix)
            # A message about any other object never becomes an image: uploads_in refuses it.
            images = [listed for listed in page.objects if listed.key.endswith(self._source.suffixes)]
            archived = [listed.key for listed in images if listed.is_archived]
            images = [listed for listed in images if not listed.is_archived]
            dead = self._dead_lettered({listed.image for listed in images}) if images and page.is_all else set()
        except (ClientError, BotoCoreError) as error:
            logger.warning("could not list what waits; counting instead", reason=str(error))
            return Waiting(None, f"{place} could not be listed: {error}")
        waiting = [listed.key for listed in images if listed.image not in dead]
        if waiting:
            count = f"{len(waiting)}" if page.is_all else f"at least {len(waiting)}"
            return Waiting(len(waiting), f"{count} images are in {place}, such as {waiting[0]}", page.is_all)
        if not page.is_all:
            return Waiting(None, f"the first {len(page.objects)} objects in {place} are not images, and there are more")
        if archived and counted:
            return Waiting(
                None, f"messages are in the queue, and may be about archived objects in {place}, such as {archived[0]}"
            )
        left = f", except {len(dead)} whose messages are in the dead-letter queue" if dead else ""
        return Waiting(0, f"no image is in {place}{left}")

    def _dead_lettered(self, images: set[ImageId]) -> set[ImageId]:
        """Return those of the images that have a message in the dead-letter queue, as far as they are read."""
        counted = self._dead_letters.count().visible
        # Where there are more images than dead letters, some image waits in any case.
        if not len(images) <= counted <= MAX_DEAD_LETTERS:
            return set()
        handles: list[str] = []
        found: set[ImageId] = set()
        try:
            for messages in self._dead_letters.read(hidden_seconds=HIDDEN_SECONDS):
                handles += [message["ReceiptHandle"] for message in messages]
                for message in messages:
                    found.update(images_in(message["Body"], self._source.bucket))
                if images <= found or len(handles) >= counted:
                    break
        finally:
            self._dead_letters.put_back(handles)
        return images & found
