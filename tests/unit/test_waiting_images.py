"""What the source bucket's listing shows of what waits, and when it proves nothing."""

import json
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
        return {"Contents": contents, "IsTruncated": self.truncated} if contents else {"IsTruncated": self.truncated}


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
    assert look(Bucket("in/", key, "in/z.txt")) == Waiting(1, f"1 images are in s3://photos/in/, such as {key}")


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
            "the first 1 objects in s3://photos/in/ are not",
        ),
        (Bucket("in/a.jpg", storage_class="GLACIER"), 1, "eventbridge", "archived objects in s3://photos/in/, such as"),
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

    monkeypatch.setattr(waiting_images, "first_page", refuse)
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


def test_another_upload_under_the_name_of_a_dead_letter_waits(sqs: Any) -> None:  # noqa: ANN401
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=dead_letter("in/a.jpg", etag="older"))
    assert look(Bucket("in/a.jpg"), DeadLetterQueue(sqs, url)).images == 1


def test_too_many_dead_letters_are_not_read(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(waiting_images, "MAX_DEAD_LETTERS", 1)
    url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=dead_letter("in/a.jpg"))
    assert look(Bucket("in/a.jpg"), DeadLetterQueue(sqs, url)).images == 1
