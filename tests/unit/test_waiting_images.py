"""What the source bucket's listing shows of what waits, and when it proves nothing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from check_queue import waiting_images
from check_queue.waiting_images import Waiting, WaitingImages
from shared.dead_letter_queue import DeadLetterQueue
from shared.s3_events import Source
from shared.timestamps import now
from tests.unit.conftest import aws_error

SOURCE = Source("photos", "in/", (".jpg", ".PNG"))


class Bucket:
    """What S3 lists, 1,000 objects at a time."""

    def __init__(self, *keys: str, storage_class: str = "STANDARD", truncated: bool = False) -> None:
        self.keys, self.storage_class, self.truncated = keys, storage_class, truncated
        self.listed: list[dict[str, Any]] = []

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.listed.append(request)
        contents = [
            {"Key": key, "ETag": '"e"', "LastModified": now(), "StorageClass": self.storage_class} for key in self.keys
        ]
        more = {"IsTruncated": True, "NextContinuationToken": "next"} if self.truncated else {"IsTruncated": False}
        return {"Contents": contents, **more} if contents else more


def look(bucket: Bucket, dead_letters: Any = None, *, counted: int = 0, events: str = "notification") -> Waiting:  # noqa: ANN401
    images = WaitingImages(bucket, SOURCE, events, dead_letters or NoDeadLetters())  # type: ignore[arg-type]
    return images.look(counted)


class NoDeadLetters:
    def count(self) -> Any:  # noqa: ANN401
        return type("Counts", (), {"visible": 0})


@pytest.mark.parametrize("keys", [(), ("in/",), ("in/a/",), ("in/a.jpg.json", "in/b.tif")])
def test_where_no_object_can_be_an_image_nothing_waits_whatever_is_counted(keys: tuple[str, ...]) -> None:
    bucket = Bucket(*keys)
    assert look(bucket, counted=500) == Waiting(0, "no image is in s3://photos/in/")
    assert bucket.listed == [{"Bucket": "photos", "Prefix": "in/"}]


@pytest.mark.parametrize("key", ["in/a.jpg", "in/deep/b.PNG"])
def test_an_object_with_one_of_the_suffixes_waits(key: str) -> None:
    waiting = look(Bucket("in/", key, "in/z.txt"))
    assert (waiting.images, waiting.reason) == (1, f"1 images are in s3://photos/in/, such as {key}")


def test_of_more_than_a_page_at_least_so_many_wait() -> None:
    waiting = look(Bucket("in/a.jpg", "in/b.jpg", truncated=True))
    assert (waiting.images, waiting.is_all) == (2, False)
    assert waiting.reason.startswith("at least 2 images")


@pytest.mark.parametrize(
    ("bucket", "counted", "events", "reason"),
    [
        (Bucket(), 0, "external", 'source_events = "external"'),
        (
            Bucket("in/a.txt", truncated=True),
            0,
            "notification",
            "only 0 of the first 1 objects in s3://photos/in/ are images, and there are more",
        ),
        (
            Bucket("in/a.jpg", storage_class="GLACIER"),
            1,
            "eventbridge",
            "archived or dead-lettered images in s3://photos",
        ),
    ],
)
def test_the_listing_proves_nothing(bucket: Bucket, counted: int, events: str, reason: str) -> None:
    waiting = look(bucket, counted=counted, events=events)
    assert waiting.images is None
    assert reason in waiting.reason


def test_archived_objects_wait_for_nobody_while_no_message_is_counted() -> None:
    assert look(Bucket("in/a.jpg", storage_class="DEEP_ARCHIVE")).nothing


def test_a_bucket_that_cannot_be_listed_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise aws_error("AccessDenied")

    monkeypatch.setattr(waiting_images, "list_page", refuse)
    waiting = look(Bucket())
    assert waiting.images is None
    assert "could not be listed" in waiting.reason
    assert "AccessDenied" in waiting.reason


def dead_letter(key: str, etag: str = "e") -> str:
    entity = {"key": key, "size": 1, "eTag": etag}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "photos"}, "object": entity},
    }
    return json.dumps({"Records": [record]})


@pytest.mark.parametrize(
    ("letters", "left"),
    [
        (["in/a.jpg", "in/b.jpg"], 0),
        (["in/b.jpg", "in/gone.jpg"], 1),
        # Too few for all: some image waits in any case, and they are not read.
        (["in/a.jpg"], 2),
        (["in/a.jpg"] * 11, 1),
    ],
)
def test_an_image_whose_message_is_a_dead_letter_does_not_wait(sqs: Any, letters: list[str], left: int) -> None:  # noqa: ANN401
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    for key in letters:
        sqs.send_message(QueueUrl=url, MessageBody=dead_letter(key))
    queue = DeadLetterQueue(sqs, url)
    waiting = look(Bucket("in/a.jpg", "in/b.jpg"), queue)
    assert waiting.images == left
    if not left:
        assert waiting.reason == "no image is in s3://photos/in/, except 2 whose messages are in the dead-letter queue"
    # All are put back.
    assert queue.count().visible == len(letters)


def test_a_counted_message_may_be_about_the_image_of_a_dead_letter_too(sqs: Any) -> None:  # noqa: ANN401
    """The same bytes were uploaded again, or a redrive sent the message back and could not delete it."""
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=dead_letter("in/a.jpg"))
    assert look(Bucket("in/a.jpg"), DeadLetterQueue(sqs, url), counted=1).images is None


def test_another_upload_under_the_name_of_a_dead_letter_waits(sqs: Any) -> None:  # noqa: ANN401
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=dead_letter("in/a.jpg", etag="older"))
    assert look(Bucket("in/a.jpg"), DeadLetterQueue(sqs, url)).images == 1


@pytest.mark.parametrize("letters", [0, 2])
def test_too_many_dead_letters_are_not_read_and_the_reason_says_so(
    letters: int,
    sqs: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting_images, "MAX_DEAD_LETTERS", 1)
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    for _ in range(letters):
        sqs.send_message(QueueUrl=url, MessageBody=dead_letter("in/a.jpg"))
    waiting = look(Bucket("in/a.jpg"), DeadLetterQueue(sqs, url))
    assert waiting.images == 1
    assert ("too many to compare" in waiting.reason) is (letters > 1)


# --- before a start: as many pages as min_backlog needs


class Pages:
    """What S3 lists, page by page; each image is a minute older than the one before. Endless if told so."""

    def __init__(self, *pages: list[str], endless: bool = False) -> None:
        self.pages, self.endless, self.listed = pages, endless, 0

    def list_objects_v2(self, *, ContinuationToken: str = "0", **_: str) -> dict[str, Any]:  # noqa: N803
        number = int(ContinuationToken)
        keys = self.pages[min(number, len(self.pages) - 1)]
        before = sum(map(len, self.pages[:number]))
        self.listed += 1
        contents = [
            {"Key": key, "ETag": '"e"', "LastModified": NOON - timedelta(minutes=before + place)}
            for place, key in enumerate(keys)
        ]
        if number + 1 < len(self.pages) or self.endless:
            return {"Contents": contents, "IsTruncated": True, "NextContinuationToken": str(number + 1)}
        return {"Contents": contents, "IsTruncated": False}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def look_for(enough: int, pages: Pages, dead_letters: Any = None) -> Waiting:  # noqa: ANN401
    images = WaitingImages(pages, SOURCE, "notification", dead_letters or NoDeadLetters())  # type: ignore[arg-type]
    return images.look_for(enough, 0)


def images(count: int, first: int = 0) -> list[str]:
    return [f"in/{number}.jpg" for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("enough", "listed", "seen", "is_all"), [(1, 1, 3, False), (3, 1, 3, False), (4, 2, 6, False), (7, 3, 7, True)]
)
def test_the_bucket_is_listed_as_far_as_the_gate_needs_and_no_further(
    enough: int, listed: int, seen: int, is_all: bool
) -> None:
    pages = Pages(images(3), images(3, 3), images(1, 6))
    waiting = look_for(enough, pages)
    assert (pages.listed, waiting.images, waiting.is_all) == (listed, seen, is_all)


def test_the_age_of_the_oldest_is_exact_once_all_are_listed() -> None:
    few = Pages(images(3), ["in/older.txt"], images(1, 6))
    assert look_for(5, few).oldest_at == (NOON - timedelta(minutes=4)).timestamp()
    assert look_for(2, few).oldest_at is None


def test_among_too_many_other_objects_the_listing_proves_nothing() -> None:
    pages = Pages(["in/a.jpg", "in/a.txt"], ["in/b.txt"], endless=True)
    waiting = look_for(2, pages)
    assert (waiting.images, pages.listed) == (None, 10)
    assert waiting.reason == "only 1 of the first 11 objects in s3://photos/in/ are images, and there are more"


def test_dead_lettered_images_are_none_that_the_gate_counts(sqs: Any) -> None:  # noqa: ANN401
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    for key in ("in/3.jpg", "in/1.jpg"):
        sqs.send_message(QueueUrl=url, MessageBody=dead_letter(key))
    queue = DeadLetterQueue(sqs, url)
    # Of three images on the first page, two may be dead letters.
    waiting = look_for(3, Pages(images(3), images(1, 3)), queue)
    assert (waiting.images, waiting.oldest_at) == (2, (NOON - timedelta(minutes=2)).timestamp())
    # Enough wait in any case.
    assert look_for(3, Pages(images(3), images(2, 3), images(9, 5)), queue).is_all is False
    assert queue.count().visible == 2
