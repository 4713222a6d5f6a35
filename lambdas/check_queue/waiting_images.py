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
from shared.source_listing import ImageId, ListedObject, images_in, list_page
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# With "external", somebody else's notification chooses which objects get a message, so the listing does not show it.
EXTERNAL_EVENTS = "external"

# Pages of a listing that may be spent on objects that are not images.
MAX_OTHER_PAGES = 10
PAGE_OBJECTS = 1000

# The model may run, and cost, while they are read: ten in some 20 ms.
MAX_DEAD_LETTERS = 500
# After a crash they are visible again before a reconcile gives up on them.
HIDDEN_SECONDS = 30


@dataclass(frozen=True)
class Waiting:
    """How many images wait, and the reason, as a sentence for the receipt.

    `images` is at least so many when `is_all` is false; None: the listing proves nothing. `oldest_at` is when the
    oldest was uploaded, in epoch seconds; None unless all are known.
    """

    images: int | None
    reason: str
    is_all: bool = True
    oldest_at: float | None = None

    @property
    def nothing(self) -> bool:
        """Whether it is proven that no image waits."""
        return self.images == 0


@dataclass
class _Listing:
    """What a listing showed, as far as it was read, and how many dead letters there are to compare it with.

    `dead_letters` is None when they are too many to read, and their images count as waiting.
    """

    images: list[ListedObject]
    archived: list[ListedObject]
    objects: int = 0
    is_all: bool = False
    dead_letters: int | None = 0

    def suffices(self, enough: int) -> bool:
        """Whether `enough` images wait even if each dead letter that can be read is about one of them."""
        return len(self.images) >= enough + (self.dead_letters or 0)


class WaitingImages:
    """The images below the prefix of the source bucket that are not in the dead-letter queue."""

    def __init__(self, s3: S3Client, source: Source, events: str, dead_letters: DeadLetterQueue) -> None:
        self._s3 = s3
        self._source = source
        self._events = events
        self._dead_letters = dead_letters

    def look(self, counted: int) -> Waiting:
        """List one page, and say what waits. `counted` is the number of messages that SQS counts in the image queue."""
        return self._look(counted, enough=1, most_pages=1)

    def look_for(self, enough: int, counted: int) -> Waiting:
        """List until `enough` images wait, and no further. If fewer do, say when the oldest was uploaded."""
        return self._look(counted, enough=enough, most_pages=enough // PAGE_OBJECTS + MAX_OTHER_PAGES)

    def _look(self, counted: int, *, enough: int, most_pages: int) -> Waiting:
        if self._events == EXTERNAL_EVENTS:
            return Waiting(None, 'with source_events = "external", the listing does not show what gets a message')
        place = f"s3://{self._source.bucket}/{self._source.prefix}"
        try:
            seen = self._list(enough, most_pages)
            # Where there are so many more images than dead letters, enough wait in any case.
            dead: set[ImageId] = set()
            if seen.dead_letters and seen.is_all and not seen.suffices(enough):
                dead = self._dead_lettered({listed.image for listed in seen.images}, seen.dead_letters)
        except (ClientError, BotoCoreError) as error:
            logger.warning("could not list what waits; counting instead", reason=str(error))
            return Waiting(None, f"{place} could not be listed: {error}")
        waiting = [listed for listed in seen.images if listed.image not in dead]
        if not seen.is_all and len(waiting) < enough:
            return Waiting(
                None,
                f"only {len(waiting)} of the first {seen.objects} objects in {place} are images, and there are more",
            )
        if waiting:
            count = f"{len(waiting)}" if seen.is_all else f"at least {len(waiting)}"
            unread = "; the dead letters are too many to compare them with" if seen.dead_letters is None else ""
            return Waiting(
                len(waiting),
                f"{count} images are in {place}, such as {waiting[0].key}{unread}",
                seen.is_all,
                min(listed.last_modified for listed in waiting) if seen.is_all else None,
            )
        # An archived image may have been restored. A dead-lettered one may have a second message: it was uploaded again
        # with the same bytes, or a redrive sent its message back and could not delete it.
        others = [*seen.archived, *(listed for listed in seen.images if listed.image in dead)]
        if others and counted:
            return Waiting(
                None,
                f"messages are in the queue, and may be about archived or dead-lettered images in {place}, such as "
                f"{others[0].key}",
            )
        left = f", except {len(dead)} whose messages are in the dead-letter queue" if dead else ""
        return Waiting(0, f"no image is in {place}{left}")

    def _list(self, enough: int, most_pages: int) -> _Listing:
        """List until there are enough images even if each dead letter is about one of them, or the pages are over."""
        seen, token = _Listing([], []), None
        for _ in range(most_pages):
            page = list_page(self._s3, self._source.bucket, self._source.prefix, token)
            # A message about any other object never becomes an image: uploads_in refuses it.
            images = [listed for listed in page.objects if listed.key.endswith(self._source.suffixes)]
            if images and not seen.images:
                seen.dead_letters = self._readable_dead_letters()
            seen.images += [listed for listed in images if not listed.is_archived]
            seen.archived += [listed for listed in images if listed.is_archived]
            seen.objects += len(page.objects)
            seen.is_all, token = page.is_all, page.next_token
            if seen.is_all or seen.suffices(enough):
                break
        return seen

    def _readable_dead_letters(self) -> int | None:
        """Return how many dead letters there are; None if they are too many to read."""
        counted = self._dead_letters.count().visible
        return counted if counted <= MAX_DEAD_LETTERS else None

    def _dead_lettered(self, images: set[ImageId], counted: int) -> set[ImageId]:
        """Return those of the images that have a message among the `counted` dead letters, as far as they are read."""
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
