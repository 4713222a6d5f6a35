"""A reconcile from its input to its report: what it queues, and what it leaves alone."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from reconcile import handler
from reconcile.batches import Batches, ListingBatch
from reconcile.dead_letters import DeadLetterImages
from reconcile.errors import DeadLetterQueueBusy, InputInvalid, TooManyDeadLetters
from reconcile.listing import Counts, OrphanFilter
from reconcile.message import Origin
from reconcile.plan import Planner
from reconcile.records import ReconcileRecords
from reconcile.report import MAX_OBJECTS, ReportedError, Reporting, reported_error
from reconcile.report_store import ReportStore
from reconcile.request import MARGIN, Request, parse_request
from reconcile.source_bucket import SourceBucket
from shared.dead_letter_queue import DeadLetterQueue
from shared.errors import ConfigurationError
from shared.image_queue import ImageQueue, MessagesNotSent
from shared.items import Items
from shared.model_state import STATE_ITEM, ModelStates
from shared.s3_events import Source, uploads_in
from shared.source_listing import ImageId, ListedObject, images_in
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, TABLE, aws_error

SUFFIXES = (".jpg", ".png")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class World:
    """A pipeline's buckets, queues and table, and a reconcile that is run as the state machine runs it."""

    def __init__(
        self,
        s3: Any,  # noqa: ANN401
        sqs: Any,  # noqa: ANN401
        dynamodb: Any,  # noqa: ANN401
        source_prefix: str = "",
        final_prefix: str = "",
    ) -> None:
        self.final_prefix = final_prefix
        self.s3, self.sqs, self.dynamodb = s3, sqs, dynamodb
        self.now = datetime.now(UTC)
        self.queue_url = sqs.create_queue(QueueName="images")["QueueUrl"]
        self.dead_letter_url = sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"]
        self.records = ReconcileRecords(Items(dynamodb, TABLE, MODEL_ARN), pause=lambda _: None)
        self.store = ReportStore(s3, FINAL, final_prefix)
        self.source = SourceBucket(s3, SOURCE, source_prefix)
        self.dead_letters = DeadLetterImages(DeadLetterQueue(sqs, self.dead_letter_url), SOURCE)
        self.planner = Planner(
            self.source,
            self.dead_letters,
            self.store,
            self.records,
            SUFFIXES,
            ModelStates(Items(dynamodb, TABLE, MODEL_ARN)).read,
            lambda: self.now,
        )
        self.queue = ImageQueue(sqs, self.queue_url, pause=lambda _: None)
        self.batches = Batches(
            self.source, self.queue, self.store, self.records, SUFFIXES, Origin.of(SOURCE, MODEL_ARN)
        )
        self.reporting = Reporting(self.store, self.records)
        self._numbers = count(1)

    def upload(self, key: str, *, age: timedelta = 24 * HOUR, body: bytes = b"picture", **options: Any) -> None:  # noqa: ANN401
        self.s3.put_object(Bucket=SOURCE, Key=key, Body=body, **options)
        stored = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[SOURCE].keys.getlist(key)[-1]
        stored.last_modified = (self.now - age).replace(tzinfo=None)

    def queue_was_empty(self, ago: timedelta) -> None:
        self.dynamodb.update_item(
            TableName=TABLE,
            Key={"model": {"S": MODEL_ARN}, "item": {"S": STATE_ITEM}},
            UpdateExpression="SET queue_empty_at = :then",
            ExpressionAttributeValues={":then": {"N": str(int((self.now - ago).timestamp()))}},
        )

    def dead_letter(self, *keys: str) -> None:
        """What S3 said of these uploads is in the dead-letter queue."""
        for key in keys:
            head = self.s3.head_object(Bucket=SOURCE, Key=key)
            entity = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
            record = {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": SOURCE}, "object": entity},
            }
            self.sqs.send_message(QueueUrl=self.dead_letter_url, MessageBody=json.dumps({"Records": [record]}))

    def listing(self, prefix: str) -> list[dict[str, Any]]:
        """The bucket as the Distributed Map hands it on."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=SOURCE, Prefix=prefix)
        return [
            {
                "Etag": content["ETag"],
                "Key": content["Key"],
                "LastModified": content["LastModified"].timestamp(),
                "Size": content["Size"],
                "StorageClass": content["StorageClass"],
            }
            for page in pages
            for content in page.get("Contents", [])
        ]

    def batches_of(self, reconcile_id: str, answer: dict[str, Any], size: int = 2) -> list[ListingBatch]:
        common = {name: answer[name] for name in ("uploaded_before", "dry_run", "dead_lettered_key")} | {
            "reconcile_id": reconcile_id
        }
        items = self.listing(answer["prefix"])
        documents = [
            {"Items": items[first : first + size], "BatchInput": common} for first in range(0, len(items), size)
        ]
        return [ListingBatch.from_map(json.loads(json.dumps(document))) for document in documents]

    def reconcile(self, **document: Any) -> dict[str, Any]:  # noqa: ANN401
        """Run it from its input to its end, and return the report that was stored."""
        reconcile_id = f"reconcile-{next(self._numbers)}"
        answer = self.plan(reconcile_id, document)
        if answer["decision"] == "list":
            for batch in self.batches_of(reconcile_id, answer):
                self.batches.queue(batch)
        self.reporting.report(reconcile_id, None)
        return self.stored_report(reconcile_id)

    def plan(self, reconcile_id: str, document: dict[str, Any]) -> dict[str, Any]:
        """The plan as the workflow gets it."""
        return asdict(self.planner.plan(reconcile_id, document))

    def stored_report(self, reconcile_id: str) -> dict[str, Any]:
        return json.loads(
            self.s3.get_object(Bucket=FINAL, Key=f"{self.final_prefix}reconcile/{reconcile_id}.json")["Body"].read()
        )

    def messages(self) -> list[str]:
        """Take all messages out of the image queue."""
        bodies = []
        while received := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def queued_keys(self) -> list[str]:
        return sorted(upload.key for body in self.messages() for upload in uploads_in(body, Source(SOURCE)))

    def count_dead_letters(self) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.dead_letter_url, AttributeNames=names)["Attributes"]
        return int(counts[names[0]]), int(counts[names[1]])


@pytest.fixture
def world(s3: Any, sqs: Any, dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ANN401
    # A long poll of moto's waits in earnest.
    monkeypatch.setattr("shared.dead_letter_queue.WAIT_SECONDS", 0)
    return World(s3, sqs, dynamodb)


class Breaking:
    """A client whose method is replaced, and which is the real one in all else."""

    def __init__(self, real: Any, **replaced: Callable[..., Any]) -> None:  # noqa: ANN401
        self._real = real
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._real, name)


# ---- what is found, and what is left alone


def test_an_image_whose_event_was_lost_is_queued(world: World) -> None:
    world.upload("lost.jpg")
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile()
    assert world.queued_keys() == ["lost.jpg"]
    assert (report["outcome"], report["orphans"], report["queued"]) == ("queued", 1, 1)
    assert report["examples"] == ["lost.jpg"]


def test_an_image_whose_message_expired_is_queued(world: World) -> None:
    # SQS deletes a message after 14 days; the queue is counted empty after that.
    world.upload("expired.jpg", age=15 * 24 * HOUR)
    world.queue_was_empty(ago=MINUTE)
    world.reconcile()
    assert world.queued_keys() == ["expired.jpg"]


def test_a_reconcile_keeps_to_its_prefixes_in_both_buckets(
    s3: Any,  # noqa: ANN401
    sqs: Any,  # noqa: ANN401
    dynamodb: Any,  # noqa: ANN401
    world: World,
) -> None:
    del world  # only for what it sets up
    ours = World(s3, sqs, dynamodb, "logos/incoming/", "logos/")
    for key in ("logos/incoming/a.jpg", "logos/incoming/2019/b.jpg", "logos/c.jpg", "plants/incoming/d.jpg", "e.jpg"):
        ours.upload(key)
    ours.dead_letter("logos/incoming/a.jpg")
    report = ours.reconcile(uploaded_before="now")
    assert (report["prefix"], report["objects_seen"], report["in_dead_letter_queue"]) == ("logos/incoming/", 2, 1)
    assert ours.queued_keys() == ["logos/incoming/2019/b.jpg"]
    written = [content["Key"] for content in s3.list_objects_v2(Bucket=FINAL)["Contents"]]
    assert written == ["logos/reconcile/reconcile-1.json", "logos/reconcile/reconcile-1/dead_lettered.json"]
    assert ours.reconcile(uploaded_before="now", prefix="logos/incoming/2018/")["objects_seen"] == 0
    with pytest.raises(InputInvalid, match=r"prefix must start with source_prefix .logos/incoming/"):
        ours.plan("r", {"prefix": "plants/"})
    with pytest.raises(InputInvalid, match=r"prefix must start with source_prefix .logos/incoming/"):
        ours.plan("r", {"prefix": "logos/"})


def test_images_from_before_the_bucket_was_ours_are_queued_by_a_backfill_of_their_prefix(world: World) -> None:
    world.upload("2019/old.jpg", age=5000 * HOUR)
    world.upload("2020/other.jpg", age=4000 * HOUR)
    report = world.reconcile(prefix="2019/", uploaded_before="now")
    assert world.queued_keys() == ["2019/old.jpg"]
    assert (report["prefix"], report["objects_seen"]) == ("2019/", 1)


def test_a_backfill_up_to_an_instant_leaves_later_uploads_alone(world: World) -> None:
    world.upload("before.jpg", age=50 * HOUR)
    world.upload("after.jpg", age=40 * HOUR)
    instant = (world.now - 45 * HOUR).isoformat()
    report = world.reconcile(uploaded_before=instant)
    assert world.queued_keys() == ["before.jpg"]
    assert report["too_young"] == 1


def test_an_image_that_waits_is_left_alone_because_the_queue_was_not_empty_since(world: World) -> None:
    world.upload("waits.jpg", age=3 * HOUR)
    world.queue_was_empty(ago=5 * HOUR)
    report = world.reconcile()
    assert world.messages() == []
    assert (report["outcome"], report["too_young"]) == ("nothing_to_do", 1)


def test_until_the_queue_was_once_counted_empty_no_image_is_an_orphan(world: World) -> None:
    world.upload("waits.jpg", age=1000 * HOUR)
    report = world.reconcile()
    assert world.messages() == []
    assert report["uploaded_before"] is None
    assert "no run has counted the queue empty yet" in report["note"]


def test_an_image_within_the_margin_before_the_empty_queue_is_too_young(world: World) -> None:
    # Its event may still be on its way, or SQS's count was late.
    world.queue_was_empty(ago=HOUR)
    world.upload("within.jpg", age=HOUR + MARGIN - MINUTE)
    world.upload("beyond.jpg", age=HOUR + MARGIN + MINUTE)
    assert world.reconcile()["too_young"] == 1
    assert world.queued_keys() == ["beyond.jpg"]


def test_a_backfill_of_now_leaves_the_margin_too(world: World) -> None:
    world.upload("fresh.jpg", age=MARGIN - MINUTE)
    world.upload("old.jpg", age=MARGIN + MINUTE)
    world.reconcile(uploaded_before="now")
    assert world.queued_keys() == ["old.jpg"]
    future = (world.now + 24 * HOUR).isoformat()
    world.reconcile(uploaded_before=future)
    assert world.queued_keys() == ["old.jpg"]


def test_the_margin_may_be_another(world: World) -> None:
    world.upload("fresh.jpg", age=3 * MINUTE)
    world.upload("older.jpg", age=8 * MINUTE)
    world.queue_was_empty(ago=2 * MINUTE)
    assert world.reconcile(margin_minutes=10)["too_young"] == 2
    assert world.reconcile(margin_minutes=5)["orphans"] == 1
    assert world.queued_keys() == ["older.jpg"]
    world.reconcile(margin_minutes=0, uploaded_before="now")
    assert world.queued_keys() == ["fresh.jpg", "older.jpg"]


def test_an_image_in_the_dead_letter_queue_is_left_alone_and_stays_there(world: World) -> None:
    for key in ("given up.jpg", "lost.jpg"):
        world.upload(key)
    world.dead_letter("given up.jpg")
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile()
    assert world.queued_keys() == ["lost.jpg"]
    assert (report["in_dead_letter_queue"], report["orphans"]) == (1, 1)
    assert world.count_dead_letters() == (1, 0)


def test_another_upload_under_the_key_of_a_dead_letter_is_an_orphan(world: World) -> None:
    world.upload("twice.jpg", body=b"the first")
    world.dead_letter("twice.jpg")
    world.upload("twice.jpg", body=b"the second")
    world.queue_was_empty(ago=MINUTE)
    assert world.reconcile()["orphans"] == 1
    assert world.queued_keys() == ["twice.jpg"]


def test_a_bucket_with_nothing_but_dead_letters_is_not_gone_through(world: World) -> None:
    world.upload("given up.jpg")
    world.dead_letter("given up.jpg")
    world.queue_was_empty(ago=MINUTE)
    assert world.plan("r", {})["decision"] == "nothing_to_do"
    assert world.records.last_queueing() is None


def test_objects_with_another_suffix_are_left_alone(world: World) -> None:
    for key in ("notes.txt", "image.JPG", "jpg", "folder.jpg/", "image.jpg"):
        world.upload(key)
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile()
    assert world.queued_keys() == ["image.jpg"]
    assert (report["objects_seen"], report["other_suffix"]) == (5, 4)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_image_is_counted_and_not_queued(world: World, storage_class: str) -> None:
    world.upload("frozen.jpg", StorageClass=storage_class)
    world.upload("cold.jpg", StorageClass="GLACIER_IR")
    world.queue_was_empty(ago=MINUTE)
    assert world.reconcile()["archived"] == 1
    assert world.queued_keys() == ["cold.jpg"]


def test_what_intelligent_tiering_archived_is_recognized_by_the_objects_head(world: World) -> None:
    world.upload("frozen.jpg")
    real = world.s3.head_object
    world.source._s3 = Breaking(world.s3, head_object=lambda **k: real(**k) | {"ArchiveStatus": "ARCHIVE_ACCESS"})
    report = world.reconcile(uploaded_before="now")
    assert (report["archived"], report["orphans"], world.messages()) == (1, 0, [])


def test_an_image_that_is_gone_when_its_turn_comes_is_skipped(world: World) -> None:
    world.upload("done meanwhile.jpg")
    world.upload("lost.jpg")
    answer = world.plan("r", {"uploaded_before": "now"})
    batches = world.batches_of("r", answer)
    world.s3.delete_object(Bucket=SOURCE, Key="done meanwhile.jpg")
    assert [world.batches.queue(batch) for batch in batches] == [Counts(objects_seen=2, gone=1, orphans=1, queued=1)]
    assert world.queued_keys() == ["lost.jpg"]


def test_an_image_that_was_replaced_when_its_turn_comes_is_left_to_its_own_event(world: World) -> None:
    world.upload("replaced.jpg")
    batches = world.batches_of("r", world.plan("r", {"uploaded_before": "now"}))
    world.upload("replaced.jpg", body=b"newer", age=MINUTE)
    assert [world.batches.queue(batch) for batch in batches] == [Counts(objects_seen=1, too_young=1)]
    assert world.messages() == []


def test_the_counts_add_up_to_what_was_listed(world: World) -> None:
    for number in range(7):
        world.upload(f"{number}.jpg", age=number * HOUR)
    world.upload("notes.txt")
    world.upload("frozen.jpg", StorageClass="GLACIER")
    world.dead_letter("5.jpg")
    world.queue_was_empty(ago=2 * HOUR)
    report = world.reconcile()
    kinds = ("other_suffix", "too_young", "archived", "in_dead_letter_queue", "gone", "refused", "orphans")
    assert {kind: report[kind] for kind in kinds} == {
        "other_suffix": 1,
        "too_young": 4,
        "archived": 1,
        "in_dead_letter_queue": 1,
        "gone": 0,
        "refused": 0,
        "orphans": 2,
    }
    assert report["objects_seen"] == 9 == sum(report[kind] for kind in kinds)


# ---- the message


@pytest.mark.parametrize(
    "key",
    [
        "a b.jpg",
        "a+b.jpg",
        "100%.jpg",
        "a%20b.jpg",
        "größe/日本 語.jpg",
        "quote'\".jpg",
        "a&b=c#d?e.jpg",
        "tab\tand\\back.jpg",
        "//double//.jpg",
        "\N{GRINNING FACE}.jpg",
    ],
)
def test_the_analysis_reads_the_key_of_a_message_as_it_was(world: World, key: str) -> None:
    world.upload(key)
    world.reconcile(uploaded_before="now")
    assert world.queued_keys() == [key]


def test_a_message_names_size_etag_and_where_it_came_from(world: World) -> None:
    world.upload("folder/a b.jpg", body=b"12345")
    world.reconcile(uploaded_before="now")
    (body,) = world.messages()
    (record,) = json.loads(body)["Records"]
    assert record["eventName"] == "ObjectCreated:Reconciled"
    assert record["awsRegion"] == "us-east-1"
    assert record["s3"]["bucket"] == {"name": SOURCE, "arn": f"arn:aws:s3:::{SOURCE}"}
    etag = world.s3.head_object(Bucket=SOURCE, Key="folder/a b.jpg")["ETag"].strip('"')
    assert record["s3"]["object"] == {"key": "folder/a+b.jpg", "size": 5, "eTag": etag}
    (upload,) = uploads_in(body, Source(SOURCE))
    assert (upload.etag, upload.size, upload.version_id) == (etag, 5, None)


def test_a_message_names_the_current_version_of_a_versioned_bucket(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    world.upload("versions.jpg", body=b"older")
    world.upload("versions.jpg", body=b"newer")
    world.reconcile(uploaded_before="now")
    (upload,) = (upload for body in world.messages() for upload in uploads_in(body, Source(SOURCE)))
    assert upload.version_id == world.s3.head_object(Bucket=SOURCE, Key="versions.jpg")["VersionId"]


def test_an_object_from_before_versioning_has_no_version_in_its_message(world: World) -> None:
    world.upload("null.jpg")
    world.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    real = world.s3.head_object
    # S3 says "null" here, which moto leaves out.
    world.source._s3 = Breaking(world.s3, head_object=lambda **k: real(**k) | {"VersionId": "null"})
    world.reconcile(uploaded_before="now")
    (body,) = world.messages()
    assert "versionId" not in json.loads(body)["Records"][0]["s3"]["object"]


def test_a_key_under_a_delete_marker_is_no_orphan(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    world.upload("deleted.jpg")
    batches = world.batches_of("r", world.plan("r", {"uploaded_before": "now"}))
    world.s3.delete_object(Bucket=SOURCE, Key="deleted.jpg")
    assert [world.batches.queue(batch) for batch in batches] == [Counts(objects_seen=1, gone=1)]


# ---- an image that S3 or SQS refuses


def refusing(world: World, **errors: Exception) -> Callable[..., Any]:
    """A HeadObject that fails for the keys `<name>.jpg` of `errors`."""
    real = world.s3.head_object

    def head_object(**parameters: Any) -> Any:  # noqa: ANN401
        error = errors.get(parameters["Key"].removesuffix(".jpg"))
        if error:
            raise error
        return real(**parameters)

    return head_object


REFUSALS = [
    (
        aws_error("400", "Bad Request", "HeadObject"),
        "400 Bad Request (HeadObject): the object is encrypted with its uploader",
    ),
    (aws_error("403", "Forbidden", "HeadObject"), "403 Forbidden (HeadObject): the object belongs to another account"),
    (aws_error("InvalidObjectState", "archived", "HeadObject"), "InvalidObjectState archived (HeadObject)"),
    (aws_error("KMS.DisabledException", "disabled", "HeadObject"), "KMS.DisabledException disabled (HeadObject)"),
    (aws_error("503", "Slow Down", "HeadObject"), "503 Slow Down (HeadObject)"),
    (aws_error("InternalError", "", "HeadObject"), "InternalError  (HeadObject)"),
    (ReadTimeoutError(endpoint_url="https://s3"), "ReadTimeoutError (HeadObject): Read timeout"),
    (ResponseParserError("no date"), "ResponseParserError (HeadObject): no date"),
    (KeyError("ETag"), "KeyError (HeadObject): 'ETag'"),
]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(("error", "reason"), REFUSALS, ids=[reason.split(" ")[0] for _, reason in REFUSALS])
def test_an_image_that_s3_refuses_is_named_and_the_others_are_queued(
    world: World, error: Exception, reason: str, *, dry_run: bool
) -> None:
    for number in range(5):
        world.upload(f"{number}.jpg")
    world.upload("odd.jpg")
    world.source._s3 = Breaking(world.s3, head_object=refusing(world, odd=error))
    report = world.reconcile(uploaded_before="now", dry_run=dry_run)
    assert (report["error"], report["outcome"]) == (None, "dry_run" if dry_run else "queued")
    assert (report["objects_seen"], report["orphans"], report["refused"]) == (6, 5, 1)
    assert world.queued_keys() == ([] if dry_run else [f"{number}.jpg" for number in range(5)])
    ((key, said),) = [(one["key"], one["reason"]) for one in report["refused_examples"]]
    assert key == "odd.jpg"
    assert said.startswith(reason)


def test_an_image_that_is_refused_each_day_keeps_no_other_from_being_queued(world: World) -> None:
    world.upload("odd.jpg")
    world.source._s3 = Breaking(world.s3, head_object=refusing(world, odd=aws_error("403", "Forbidden")))
    world.queue_was_empty(ago=MINUTE)
    assert world.reconcile()["outcome"] == "refused"
    world.upload("lost.jpg")
    world.now += 24 * HOUR
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile()
    assert (report["outcome"], report["queued"], report["refused"]) == ("queued", 1, 1)
    assert world.queued_keys() == ["lost.jpg"]


def test_of_many_refused_images_some_are_named_and_all_are_counted(world: World) -> None:
    for number in range(25):
        world.upload(f"{number}.jpg")
    error = aws_error("403", "Forbidden" * 200)
    world.source._s3 = Breaking(world.s3, head_object=refusing(world, **{str(each): error for each in range(25)}))
    report = world.reconcile(uploaded_before="now")
    assert (report["refused"], len(report["refused_examples"]), report["examples"]) == (25, 10, [])
    assert max(len(one["reason"]) for one in report["refused_examples"]) == 300


def test_a_message_that_sqs_will_never_take_is_named_and_the_others_are_queued(world: World) -> None:
    for number in range(12):
        world.upload(f"{number:02}.jpg")
    real = world.sqs.send_message_batch
    calls = []

    def picky(**parameters: Any) -> Any:  # noqa: ANN401
        calls.append(len(parameters["Entries"]))
        bad = [entry for entry in parameters["Entries"] if "03.jpg" in entry["MessageBody"]]
        good = [entry for entry in parameters["Entries"] if entry not in bad]
        fault = {"Code": "InvalidMessageContents", "Message": "no", "SenderFault": True}
        return real(QueueUrl=parameters["QueueUrl"], Entries=good) | {
            "Failed": [{"Id": entry["Id"], **fault} for entry in bad]
        }

    world.queue._sqs = Breaking(world.sqs, send_message_batch=picky)
    (batch,) = world.batches_of("r", world.plan("r", {"uploaded_before": "now"}), size=12)
    assert world.batches.queue(batch) == Counts(objects_seen=12, refused=1, orphans=11, queued=11)
    assert calls == [10, 2]
    assert world.queued_keys() == [f"{number:02}.jpg" for number in range(12) if number != 3]
    assert world.reporting.report("r", None)["refused_examples"] == [
        {"key": "03.jpg", "reason": "InvalidMessageContents no (SendMessageBatch)"}
    ]


def test_messages_behind_one_that_sqs_cannot_take_now_are_sent_before_the_batch_is_repeated(world: World) -> None:
    real = world.sqs.send_message_batch

    def busy(**parameters: Any) -> Any:  # noqa: ANN401
        bad = [entry for entry in parameters["Entries"] if entry["MessageBody"] == "3"]
        good = [entry for entry in parameters["Entries"] if entry not in bad]
        answer = real(QueueUrl=parameters["QueueUrl"], Entries=good) if good else {}
        return answer | {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in bad]}

    world.queue._sqs = Breaking(world.sqs, send_message_batch=busy)
    with pytest.raises(MessagesNotSent, match="1 of 12 messages in 4 attempts: InternalError"):
        world.queue.send_all([str(number) for number in range(12)])
    assert sorted(world.messages(), key=int) == [str(number) for number in range(12) if number != 3]


# ---- a dry run


def test_a_dry_run_counts_and_writes_no_message(world: World) -> None:
    for number in range(3):
        world.upload(f"{number}.jpg")
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile(dry_run=True)
    assert world.messages() == []
    assert (report["outcome"], report["dry_run"], report["orphans"], report["queued"]) == ("dry_run", True, 3, 0)
    assert report["examples"] == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_dry_run_counts_what_a_real_one_would(world: World) -> None:
    for key in ("lost.jpg", "gone.jpg", "odd.jpg"):
        world.upload(key)
    error = aws_error("403", "Forbidden")
    world.source._s3 = Breaking(world.s3, head_object=refusing(world, odd=error, gone=aws_error("404", "Not Found")))
    counts = ("objects_seen", "gone", "refused", "orphans", "examples", "refused_examples")
    dry, real = (world.reconcile(uploaded_before="now", dry_run=dry_run) for dry_run in (True, False))
    assert {name: dry[name] for name in counts} == {name: real[name] for name in counts}
    assert (dry["gone"], dry["refused"], dry["orphans"], dry["queued"]) == (1, 1, 1, 0)


def test_after_a_dry_run_the_same_images_are_queued(world: World) -> None:
    world.upload("lost.jpg")
    world.queue_was_empty(ago=MINUTE)
    world.reconcile(dry_run=True)
    world.reconcile()
    assert world.queued_keys() == ["lost.jpg"]


# ---- again and again


def test_what_was_queued_is_not_queued_again_until_the_queue_was_empty_after_it(world: World) -> None:
    world.upload("lost.jpg")
    world.queue_was_empty(ago=2 * HOUR)
    world.reconcile()
    assert world.queued_keys() == ["lost.jpg"]
    # A day later a long run still labels: no run has counted the queue empty since.
    world.now += 24 * HOUR
    report = world.reconcile()
    assert world.messages() == []
    assert "reconcile-1 queued images" in report["note"]
    # Then one did, and the image is still there: its message came to nothing.
    world.queue_was_empty(ago=timedelta())
    world.reconcile()
    assert world.queued_keys() == ["lost.jpg"]


def test_a_count_within_the_margin_after_a_reconcile_may_be_late_and_does_not_free_the_next(world: World) -> None:
    world.upload("lost.jpg")
    world.queue_was_empty(ago=2 * HOUR)
    world.reconcile()
    world.messages()
    world.now += 24 * HOUR
    world.queue_was_empty(ago=24 * HOUR - MARGIN + MINUTE)
    world.reconcile()
    assert world.messages() == []


def test_a_backfill_holds_the_scheduled_reconcile_back_too(world: World) -> None:
    world.upload("2019/old.jpg")
    world.queue_was_empty(ago=MINUTE)
    world.reconcile(prefix="2019/", uploaded_before="now")
    world.messages()
    assert world.reconcile()["outcome"] == "nothing_to_do"
    assert world.messages() == []


def test_a_backfill_is_not_held_back_by_an_earlier_one(world: World) -> None:
    for prefix in ("2019/", "2020/"):
        world.upload(f"{prefix}old.jpg")
        world.reconcile(prefix=prefix, uploaded_before="now")
    assert world.queued_keys() == ["2019/old.jpg", "2020/old.jpg"]


def test_the_mark_of_what_was_queued_is_that_of_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instants = (world.now + number * HOUR for number in count())
    monkeypatch.setattr("reconcile.records.now", lambda: next(instants))
    world.upload("lost.jpg")
    answer = world.plan("r", {"uploaded_before": "now"})
    begun = world.records.last_queueing()
    for batch in world.batches_of("r", answer):
        world.batches.queue(batch)
    world.reporting.report("r", None)
    ended = world.records.last_queueing()
    assert begun is not None
    assert ended is not None
    assert ended.at > begun.at


def test_a_repeated_plan_is_the_same(world: World) -> None:
    world.upload("lost.jpg")
    world.upload("given up.jpg")
    world.dead_letter("given up.jpg")
    world.queue_was_empty(ago=MINUTE)
    assert world.plan("r", {}) == world.plan("r", {})
    assert world.plan("r", {})["decision"] == "list"


def test_a_repeated_batch_is_queued_twice_and_counted_once(world: World) -> None:
    world.upload("lost.jpg")
    (batch,) = world.batches_of("r", world.plan("r", {"uploaded_before": "now"}))
    tokens = []
    real = world.dynamodb.transact_write_items

    def once_by_token(**parameters: Any) -> Any:  # noqa: ANN401
        tokens.append(parameters["ClientRequestToken"])
        return real(**parameters) if tokens.count(tokens[-1]) == 1 else None

    world.records._items._dynamodb = Breaking(world.dynamodb, transact_write_items=once_by_token)
    world.batches.queue(batch)
    world.batches.queue(batch)
    assert world.queued_keys() == ["lost.jpg", "lost.jpg"]
    assert world.records.read("r").counts.queued == 1
    assert len(tokens[0]) <= 36


def test_a_repeated_batch_that_finds_less_is_no_error(world: World) -> None:
    def mismatch(**_: Any) -> None:  # noqa: ANN401
        raise aws_error("IdempotentParameterMismatchException")

    world.records._items._dynamodb = Breaking(world.dynamodb, transact_write_items=mismatch)
    world.records.add_batch("r", "token", Counts(objects_seen=1))


def test_batches_of_different_reconciles_and_objects_have_tokens_of_their_own() -> None:
    def token(reconcile_id: str, etag: str) -> str:
        return ListingBatch(reconcile_id, 0, False, None, (ListedObject("a.jpg", etag, 0, "STANDARD"),)).token

    assert len({token("r", "1"), token("r", "2"), token("s", "1")}) == 3
    assert token("r", "1") == token("r", "1")


def conflict() -> ClientError:
    error = aws_error("TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": "TransactionConflict"}]
    return error


def test_batches_that_meet_at_the_counters_are_all_counted(world: World) -> None:
    errors: Iterator[ClientError] = iter([conflict(), conflict()])
    real = world.dynamodb.transact_write_items

    def meeting(**parameters: Any) -> Any:  # noqa: ANN401
        for error in errors:
            raise error
        return real(**parameters)

    world.records._items._dynamodb = Breaking(world.dynamodb, transact_write_items=meeting)
    world.records.add_batch("r", "token", Counts(objects_seen=3, too_young=3))
    assert world.records.read("r").counts == Counts(objects_seen=3, too_young=3)


def test_counters_that_cannot_be_written_are_an_error(world: World) -> None:
    def always(**_: Any) -> None:  # noqa: ANN401
        raise conflict()

    world.records._items._dynamodb = Breaking(world.dynamodb, transact_write_items=always)
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        world.records.add_batch("r", "token", Counts())


# ---- the plan


def test_an_empty_bucket_is_nothing_to_do_and_nothing_is_asked_of_the_dead_letter_queue(world: World) -> None:
    world.queue_was_empty(ago=MINUTE)
    world.dead_letters._queue._sqs = None
    answer = world.plan("r", {})
    assert (answer["decision"], answer["uploaded_before"]) == ("nothing_to_do", None)


def test_a_bucket_of_more_than_a_page_is_gone_through(world: World) -> None:
    world.queue_was_empty(ago=MINUTE)
    page = {"IsTruncated": True, "NextContinuationToken": "next", "Contents": []}
    world.source._s3 = Breaking(world.s3, list_objects_v2=lambda **_: page)
    assert world.plan("r", {})["decision"] == "list"


def test_what_each_batch_has_to_know_is_in_the_answer(world: World) -> None:
    world.upload("lost.jpg")
    world.upload("given up.jpg")
    world.dead_letter("given up.jpg")
    world.queue_was_empty(ago=MINUTE)
    answer = world.plan("r", {"prefix": "", "dry_run": True, "uploaded_before": None})
    assert answer == {
        "decision": "list",
        "prefix": "",
        "uploaded_before": int((world.now - MINUTE).timestamp() - MARGIN.total_seconds()),
        "dry_run": True,
        "dead_lettered_key": "reconcile/r/dead_lettered.json",
    }


def test_the_report_of_a_small_bucket_without_orphans_counts_its_page(world: World) -> None:
    world.upload("notes.txt")
    world.upload("fresh.jpg", age=MINUTE)
    world.queue_was_empty(ago=MINUTE)
    report = world.reconcile()
    assert (report["objects_seen"], report["other_suffix"], report["too_young"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "must be a JSON object"),
        ({"Comment": "Insert your JSON here"}, "not Comment"),
        ({"prefix": 2019}, "prefix must be a string"),
        ({"prefix": None}, "prefix must be a string"),
        ({"prefix": "s3://bucket/2019/"}, "without s3://"),
        ({"prefix": "ä" * 513}, "at most 1024 bytes"),
        ({"prefix": "bad\udce4/"}, "valid UTF-8"),
        ({"uploaded_before": "yesterday"}, 'null, "now", or a time'),
        ({"uploaded_before": "2025-01-31T00:00:00"}, "with its zone"),
        ({"uploaded_before": 1700000000}, 'null, "now", or a time'),
        ({"uploaded_before": False}, 'null, "now", or a time'),
        ({"margin_minutes": "60"}, "whole number from 0 to 20160"),
        ({"margin_minutes": 1.5}, "whole number from 0 to 20160"),
        ({"margin_minutes": True}, "whole number from 0 to 20160"),
        ({"margin_minutes": -1}, "whole number from 0 to 20160"),
        ({"margin_minutes": 20161}, "whole number from 0 to 20160"),
        ({"dry_run": "false"}, "true or false"),
        ({"dry_run": 1}, "true or false"),
        ({"dry_run": None}, "true or false"),
    ],
)
def test_an_input_that_is_not_understood_is_refused_with_what_is_allowed(
    document: Any,  # noqa: ANN401
    sentence: str,
) -> None:
    with pytest.raises(InputInvalid, match=sentence):
        parse_request(document)


@pytest.mark.parametrize("instant", ["2025-01-31T00:00:00Z", "2025-01-31T01:00:00.000+01:00"])
def test_an_instant_may_be_written_in_any_time_zone(instant: str) -> None:
    assert parse_request({"uploaded_before": instant}).uploaded_before == datetime(2025, 1, 31, tzinfo=UTC)


def test_an_empty_input_is_a_reconcile_of_the_whole_bucket() -> None:
    spelt_out = {"prefix": "", "uploaded_before": None, "margin_minutes": 60, "dry_run": False}
    assert parse_request({}) == parse_request(spelt_out) == Request()


# ---- the dead-letter queue


def test_a_dead_letter_queue_that_is_too_long_to_read_ends_the_reconcile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        world.upload(f"{number}.jpg")
        world.dead_letter(f"{number}.jpg")
    monkeypatch.setattr("reconcile.dead_letters.MAX_READ", 4)
    with pytest.raises(TooManyDeadLetters, match=r"holds 5 messages.*reads at most.*clb redrive"):
        world.plan("r", {"uploaded_before": "now"})
    assert world.count_dead_letters() == (5, 0)


def test_a_dead_letter_queue_that_grows_while_it_is_read_ends_the_reconcile_and_is_put_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        world.upload(f"{number}.jpg")
        world.dead_letter(f"{number}.jpg")
    kinds = ("", "NotVisible", "Delayed")
    names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
    few = {"Attributes": dict.fromkeys(names, "0")}
    world.dead_letters._queue._sqs = Breaking(world.sqs, get_queue_attributes=lambda **_: few)
    monkeypatch.setattr("reconcile.dead_letters.MAX_READ", 4)
    with pytest.raises(TooManyDeadLetters):
        world.dead_letters.read_all()
    assert world.count_dead_letters() == (5, 0)


def test_a_long_dead_letter_queue_is_read_to_its_end_and_put_back(world: World) -> None:
    keys = [f"{number}.jpg" for number in range(37)]
    for key in keys:
        world.upload(key)
    world.dead_letter(*keys)
    assert {image.key for image in world.dead_letters.read_all()} == set(keys)
    assert world.count_dead_letters() == (37, 0)


def test_dead_letters_in_other_hands_make_the_reconcile_wait(world: World) -> None:
    for key in ("a.jpg", "b.jpg"):
        world.upload(key)
    world.dead_letter("a.jpg", "b.jpg")
    world.sqs.receive_message(QueueUrl=world.dead_letter_url, MaxNumberOfMessages=1, VisibilityTimeout=300)
    with pytest.raises(DeadLetterQueueBusy, match=r"another reader holds 1 messages.* retries this step"):
        world.plan("r", {"uploaded_before": "now"})


def test_fewer_dead_letters_than_were_counted_make_the_reconcile_wait(world: World) -> None:
    world.upload("a.jpg")
    world.dead_letter("a.jpg")
    received = world.sqs.receive_message
    answers = iter([None] * 3)

    def short(**parameters: Any) -> Any:  # noqa: ANN401
        for _ in answers:
            return {}
        return received(**parameters)

    world.dead_letters._queue._sqs = Breaking(world.sqs, receive_message=short)
    with pytest.raises(DeadLetterQueueBusy, match=r"read 0 of 1 messages.* retries this step"):
        world.dead_letters.read_all()


def test_a_failure_in_the_middle_puts_the_dead_letters_back(world: World) -> None:
    world.upload("a.jpg")
    world.dead_letter("a.jpg")
    received = world.sqs.receive_message
    attempts = count()

    def broken(**parameters: Any) -> Any:  # noqa: ANN401
        if next(attempts):
            raise aws_error("ServiceUnavailable")
        return received(**parameters)

    world.dead_letters._queue._sqs = Breaking(world.sqs, receive_message=broken)
    with pytest.raises(ClientError):
        world.dead_letters.read_all()
    assert world.count_dead_letters() == (1, 0)


HALF_A_CHARACTER = {"s3": {"bucket": {"name": SOURCE}, "object": {"key": "\ud800.jpg", "eTag": "e"}}}


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "[1]",
        "{}",
        '{"Records": null}',
        '{"Records": [{}]}',
        '{"Records": [1]}',
        '{"Event": "s3:TestEvent"}',
        pytest.param("[" * 100_000, id="nested too deep"),
        json.dumps({"Records": [HALF_A_CHARACTER]}),
    ],
)
def test_an_unexpected_dead_letter_keeps_no_image_from_the_queue(body: str) -> None:
    assert list(images_in(body, SOURCE)) == []


def test_a_dead_letter_about_another_bucket_keeps_no_image_from_the_queue() -> None:
    entity = {"key": "a+b.jpg", "eTag": "e", "size": 1}
    origin = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    records = [{**origin, "s3": {"bucket": {"name": name}, "object": entity}} for name in ("another", SOURCE)]
    assert list(images_in(json.dumps({"Records": records}), SOURCE)) == [ImageId("a b.jpg", "e")]


def test_the_dead_lettered_images_are_read_once_for_many_batches(world: World) -> None:
    key = world.store.write_dead_lettered("r", frozenset({ImageId("a.jpg", "1"), ImageId("b.jpg", "2")}))
    assert world.store.dead_lettered(key) == {ImageId("a.jpg", "1"), ImageId("b.jpg", "2")}
    world.s3.delete_object(Bucket=FINAL, Key=key)
    assert len(world.store.dead_lettered(key)) == 2


# ---- sending


def test_messages_go_out_ten_at_a_time(world: World) -> None:
    sizes = []
    real = world.sqs.send_message_batch

    def counted(**parameters: Any) -> Any:  # noqa: ANN401
        sizes.append(len(parameters["Entries"]))
        return real(**parameters)

    world.queue._sqs = Breaking(world.sqs, send_message_batch=counted)
    world.queue.send_all([f"message {number}" for number in range(23)])
    assert sizes == [10, 10, 3]
    assert len(world.messages()) == 23


def test_messages_that_sqs_did_not_take_are_sent_again_and_no_others(world: World) -> None:
    real = world.sqs.send_message_batch
    attempts = count()

    def partly(**parameters: Any) -> Any:  # noqa: ANN401
        if next(attempts):
            return real(**parameters)
        real(QueueUrl=parameters["QueueUrl"], Entries=parameters["Entries"][1:])
        failed = {"Id": parameters["Entries"][0]["Id"], "Code": "InternalError", "SenderFault": False}
        return {"Failed": [failed]}

    world.queue._sqs = Breaking(world.sqs, send_message_batch=partly)
    world.queue.send_all(["one", "two", "three"])
    assert sorted(world.messages()) == ["one", "three", "two"]


def test_messages_that_sqs_never_takes_fail_the_batch_before_it_is_counted(world: World) -> None:
    world.upload("lost.jpg")
    pauses: list[float] = []

    def refused(**parameters: Any) -> Any:  # noqa: ANN401
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in parameters["Entries"]]}

    world.queue._sqs = Breaking(world.sqs, send_message_batch=refused)
    world.queue._pause = pauses.append
    (batch,) = world.batches_of("r", world.plan("r", {"uploaded_before": "now"}))
    with pytest.raises(MessagesNotSent, match="1 of 1 messages in 4 attempts: InternalError"):
        world.batches.queue(batch)
    assert world.records.read("r").counts == Counts()
    assert pauses == [0.2, 0.4, 0.8]


# ---- the report


def test_a_report_says_what_was_asked_and_found(world: World) -> None:
    world.upload("2019/lost.jpg")
    report = world.reconcile(prefix="2019/", uploaded_before="2025-01-31T00:00:00Z", dry_run=True)
    assert {
        name: report[name] for name in ("schema", "reconcile_id", "outcome", "dry_run", "prefix", "uploaded_before")
    } == {
        "schema": "1",
        "reconcile_id": "reconcile-1",
        "outcome": "nothing_to_do",
        "dry_run": True,
        "prefix": "2019/",
        "uploaded_before": "2025-01-31T00:00:00.000Z",
    }
    assert report["started_at"] <= report["finished_at"]
    assert (report["examples"], report["note"], report["error"]) == ([], None, None)


def test_a_report_names_ten_examples_of_many_and_none_twice(world: World) -> None:
    keys = [f"{number:02}.jpg" for number in range(25)]
    for key in keys:
        world.upload(key)
    answer = world.plan("r", {"uploaded_before": "now"})
    for batch in world.batches_of("r", answer, size=4):
        world.batches.queue(batch)
        world.batches.queue(batch)
    report = world.reporting.report("r", None)
    assert report["examples"] == keys[: len(report["examples"])]
    assert 4 <= len(report["examples"]) <= 10


def test_each_reconcile_has_examples_of_its_own(world: World) -> None:
    for number in range(12):
        world.upload(f"{number:02}.jpg")
    assert len(world.reconcile(uploaded_before="now")["examples"]) == 10
    assert len(world.reconcile(uploaded_before="now")["examples"]) == 10


def test_examples_stop_being_written_when_there_are_enough(world: World) -> None:
    writes = []
    real = world.dynamodb.update_item

    def counted(**parameters: Any) -> Any:  # noqa: ANN401
        if parameters["Key"]["item"]["S"].endswith("#examples"):
            writes.append(parameters)
        return real(**parameters)

    world.records._items._dynamodb = Breaking(world.dynamodb, update_item=counted)
    for number in range(40):
        world.upload(f"{number:02}.jpg")
    world.reconcile(uploaded_before="now")
    # Five batches of two, and one that learns that there is no room.
    assert len(writes) == 6


def test_a_failed_reconcile_is_reported_with_its_error_and_what_it_queued(world: World) -> None:
    world.upload("lost.jpg")
    for batch in world.batches_of("r", world.plan("r", {"uploaded_before": "now"})):
        world.batches.queue(batch)
    world.reporting.report("r", {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "threshold exceeded"})
    report = world.stored_report("r")
    assert (report["outcome"], report["queued"]) == ("failed", 1)
    assert report["error"]["code"] == "States.ExceedToleratedFailureThreshold"
    assert "Map Run" in report["error"]["message"]


def test_an_error_that_quotes_what_is_no_text_is_reported(world: World) -> None:
    message = "the input knows prefix, not bad\udce4"
    world.reporting.report("r", {"Error": "InputInvalid", "Cause": message})
    assert world.stored_report("r")["error"]["message"] == message


def test_a_refused_input_is_reported_too(world: World) -> None:
    cause = json.dumps({"errorType": "InputInvalid", "errorMessage": "dry_run must be true or false", "stackTrace": []})
    world.reporting.report("r", {"Error": "InputInvalid", "Cause": cause})
    report = world.stored_report("r")
    assert (report["outcome"], report["prefix"], report["dry_run"]) == ("failed", None, None)
    assert report["error"] == {"code": "InputInvalid", "message": "dry_run must be true or false"}


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (None, None),
        ({"Error": "States.Timeout"}, ReportedError("States.Timeout", "no further information")),
        ({"Error": "States.Timeout", "Cause": None}, ReportedError("States.Timeout", "no further information")),
        ({"Error": "E", "Cause": "plain"}, ReportedError("E", "plain")),
        ({"Error": "E", "Cause": "[1]"}, ReportedError("E", "[1]")),
    ],
)
def test_an_error_is_readable_however_it_was_caught(failure: Any, error: Any) -> None:  # noqa: ANN401
    assert reported_error(failure) == error


def test_a_listing_as_long_as_a_map_run_reads_may_have_been_cut_off(world: World) -> None:
    world.records.open("r", prefix="", uploaded_before=world.now, dry_run=False, note=None)
    world.records.set_counts("r", Counts(objects_seen=MAX_OBJECTS, too_young=MAX_OBJECTS))
    assert "by prefix" in world.reporting.report("r", None)["note"]


def test_the_metric_counts_the_queued_images(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[dict[str, Any]] = []
    monkeypatch.setattr("reconcile.report.metrics.add_metric", lambda **metric: added.append(metric))
    world.upload("lost.jpg")
    world.reconcile(uploaded_before="now")
    assert [(metric["name"], metric["value"]) for metric in added] == [("ImagesQueued", 1)]


def test_a_record_is_deleted_after_a_while_and_the_mark_never(world: World) -> None:
    world.upload("lost.jpg")
    world.reconcile(uploaded_before="now")
    items = world.dynamodb.scan(TableName=TABLE)["Items"]
    kept = {item["item"]["S"]: "delete_after" in item for item in items}
    assert kept == {"reconcile": False, "reconcile#reconcile-1": True, "reconcile#reconcile-1#examples": True}


# ---- the listing


@pytest.mark.parametrize(
    "time",
    [
        lambda at: at.timestamp(),
        lambda at: int(at.timestamp()),
        lambda at: str(at.timestamp()),
        lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
        lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
        lambda at: f"{at:%Y-%m-%dT%H:%M:%S}",
    ],
    ids=["number", "whole", "number as text", "ISO", "ISO with milliseconds", "ISO without a zone"],
)
@pytest.mark.parametrize("etag", ["Etag", "ETag"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_listed_object_is_the_same_from_s3_and_from_the_map_in_each_shape(
    quote: str, etag: str, time: Callable[[datetime], object], world: World
) -> None:
    world.upload("a b.jpg")
    (item,) = world.listing("")
    (content,) = world.s3.list_objects_v2(Bucket=SOURCE)["Contents"]
    shaped = {name: value for name, value in item.items() if name not in ("Etag", "LastModified")}
    shaped |= {etag: quote + content["ETag"].strip('"') + quote, "LastModified": time(content["LastModified"])}
    assert ListedObject.from_map(json.loads(json.dumps(shaped))) == ListedObject.from_s3(content)


def test_an_upload_at_the_very_cutoff_is_too_young() -> None:
    orphan_filter = OrphanFilter(SUFFIXES, uploaded_before=100)
    orphans, counts = orphan_filter.sort([ListedObject("a.jpg", "e", at, "STANDARD") for at in (99.0, 100.0)])
    assert ([orphan.last_modified for orphan in orphans], counts.too_young) == ([99.0], 1)


# ---- the handler


class Context:
    """What Powertools' Logger wants to know of an invocation."""

    function_name = "reconcile"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:reconcile"
    aws_request_id = "request"


def invoke(event: dict[str, Any]) -> Any:  # noqa: ANN401
    return json.loads(json.dumps(handler.handler(json.loads(json.dumps(event)), Context())))


@pytest.fixture
def settings(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    values = {
        "RUNS_TABLE_NAME": TABLE,
        "PROJECT_VERSION_ARN": MODEL_ARN,
        "SOURCE_BUCKET_NAME": SOURCE,
        "FINAL_BUCKET_NAME": FINAL,
        "QUEUE_URL": world.queue_url,
        "DEAD_LETTER_QUEUE_URL": world.dead_letter_url,
        "IMAGE_SUFFIXES": json.dumps(SUFFIXES),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    # Powertools read its settings when it was imported.
    monkeypatch.setattr(handler.metrics.provider, "namespace", "Tests")
    handler._steps.cache_clear()
    yield
    handler._steps.cache_clear()


@pytest.mark.usefixtures("settings")
def test_the_handler_takes_the_events_of_the_state_machine(world: World) -> None:
    world.upload("lost.jpg")
    answer = invoke({"action": "plan", "reconcile_id": "r", "input": {"uploaded_before": "now"}})
    common = {name: answer[name] for name in ("uploaded_before", "dry_run", "dead_lettered_key")} | {
        "reconcile_id": "r"
    }
    counts = invoke({"action": "queue", "batch": {"Items": world.listing(""), "BatchInput": common}})
    assert (counts["orphans"], counts["queued"]) == (1, 1)
    assert invoke({"action": "report", "reconcile_id": "r", "error": None})["queued"] == 1
    assert world.queued_keys() == ["lost.jpg"]


@pytest.mark.parametrize(
    "event",
    [
        {"action": "dance", "reconcile_id": "r"},
        {"reconcile_id": "r"},
        {"action": "plan", "reconcile_id": "r"},
        {"action": "report", "reconcile_id": "r"},
        {"action": "queue", "batch": {"Items": {"Key": "a.jpg"}, "BatchInput": {}}},
    ],
)
def test_the_handler_refuses_other_events(event: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be a plan, queue or report action"):
        invoke(event)
