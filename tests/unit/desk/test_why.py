"""`clb why` says where an image is: in each state that docs/faults.md and docs/operating.md know."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analyze_image.names import candidates, json_key
from shared.items import Items, Update
from shared.lease import Lease
from shared.owner import Owner
from shared.s3_events import Source, Upload
from shared.sqs import Backlog
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, TABLE, aws_error
from tests.unit.desk.conftest import Account
from tools.deployment import Deployment
from tools.desk import __main__ as desk
from tools.desk.evidence import Evidence, SourceObject, StoredResult, gather, prefixes
from tools.desk.why import Answer, State, answer

KEY = "shop/photo 1.jpg"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OLD = SourceObject("e" * 32, NOW - timedelta(hours=5))
ONE = Backlog(visible=1, in_flight=0, delayed=0)


def judged(deployment: Deployment, key: str = KEY, **evidence: Any) -> Answer:  # noqa: ANN401
    return answer(deployment, key, Evidence(**evidence), NOW)


def result(image_key: str = f"processed/{KEY}", has_image: bool = True, **more: Any) -> StoredResult:  # noqa: ANN401
    source = {"bucket": SOURCE, "key": KEY, "etag": OLD.etag}
    labels = {} if "error" in more else {"CustomLabels": [{"Name": "logo"}, {"Name": "logo"}]}
    return StoredResult(
        image_key, {"source": source, "analyzed_at": "2026-01-31T10:00:00.000Z", **labels, **more}, has_image
    )


BROKEN = {"code": "InvalidImageFormatException", "message": "Request has invalid image format."}
IMAGE = f"s3://{SOURCE}/{KEY}"
EMPTY_LATER = int((NOW - timedelta(hours=1)).timestamp())
CASES: dict[str, tuple[dict[str, Any], State, str]] = {
    "waits": (
        {"source": OLD, "queue": ONE},
        State.WAITING,
        f"{IMAGE} waits in the image queue: the next run labels it",
    ),
    "waits, and a run is active": (
        {"source": OLD, "queue": Backlog(5, 1, 1), "running": "run-7"},
        State.WAITING,
        "one of about 7 messages: run run-7 labels it.",
    ),
    "just uploaded, and its event under way": (
        {"source": replace(OLD, uploaded_at=NOW - timedelta(seconds=30))},
        State.WAITING,
        "waits in the image queue",
    ),
    "deferred": (
        {
            "source": OLD,
            "queue": ONE,
            "logged": {"message": "image deferred; message requeued", "reason": "SlowDown: busy"},
        },
        State.WAITING,
        "waits in the image queue after SlowDown: busy: the next run",
    ),
    "no message, the queue empty": (
        {"source": OLD},
        State.WITHOUT_MESSAGE,
        "(the queue is empty): the daily reconcile queues it, or `clb backfill --prefix 'shop/photo 1.jpg'` does now.",
    ),
    "no message, and young": (
        {"source": replace(OLD, uploaded_at=NOW - timedelta(minutes=20))},
        State.WITHOUT_MESSAGE,
        "--margin-minutes 0`",
    ),
    "no message, others wait": (
        {"source": OLD, "queue": ONE, "queue_empty_at": EMPTY_LATER},
        State.WITHOUT_MESSAGE,
        "the queue has been empty since it was uploaded",
    ),
    "a backfill gave it a message": (
        {"source": OLD, "queue": ONE, "queue_empty_at": EMPTY_LATER, "queued_at": NOW - timedelta(minutes=30)},
        State.WAITING,
        "waits in the image queue",
    ),
    "redriven": (
        {
            "source": OLD,
            "queue": ONE,
            "queue_empty_at": EMPTY_LATER,
            "logged": {"message": "image dead-lettered; it stays in the source bucket"},
        },
        State.WAITING,
        "waits in the image queue",
    ),
    "in flight": (
        {"source": OLD, "queue": Backlog(0, 3, 0), "running": "run-7"},
        State.IN_FLIGHT,
        f"{IMAGE} is being labelled by run run-7",
    ),
    "labelled, not copied yet": (
        {"source": OLD, "results": (result(has_image=False),), "queue": ONE},
        State.IN_FLIGHT,
        "its copy to s3://final-bucket/processed/shop/photo 1.jpg has not finished",
    ),
    "labelled": (
        {"results": (result(),)},
        State.LABELLED,
        f"{KEY} was labelled at 2026-01-31T10:00:00.000Z with logo: its result is s3://{FINAL}/processed/{KEY}.json.",
    ),
    "labelled, with nothing in it": ({"results": (result(CustomLabels=[]),)}, State.LABELLED, "with no label"),
    "labelled under another name": (
        {"results": (result("processed/shop/photo 1~eeeeeeee.jpg"),)},
        State.LABELLED_ELSEWHERE,
        "its result is s3://final-bucket/processed/shop/photo 1~eeeeeeee.jpg.json.",
    ),
    "the same bytes were labelled before, as an older version": (
        {
            "source": replace(OLD, version_id="v2"),
            "queue": ONE,
            "results": (result(source={"bucket": SOURCE, "key": KEY, "etag": OLD.etag, "version_id": "v1"}),),
        },
        State.WAITING,
        "waits in the image queue",
    ),
    "uploaded anew after it was labelled": (
        {"source": replace(OLD, etag="new"), "queue": ONE, "results": (result(),)},
        State.WAITING,
        "waits in the image queue",
    ),
    "failed": (
        {"results": (result(f"failed/{KEY}", error=BROKEN),)},
        State.FAILED,
        "because of InvalidImageFormatException: Request has invalid image format; it lies in "
        f"s3://{FINAL}/failed/{KEY}: mend the image",
    ),
    "dead-lettered": (
        {"source": OLD, "queue": ONE, "dead_letter": "AccessDenied: no (failed 4 times)"},
        State.DEAD_LETTERED,
        "because of AccessDenied: no (failed 4 times): mend that, then run `clb redrive`.",
    ),
    "deleted, in a bucket with versions": (
        {"deleted_at": NOW - timedelta(hours=1)},
        State.DELETED,
        "was deleted by its owner at 2026-01-31 11:00 UTC, before it was labelled",
    ),
    "deleted, and its message found nothing": ({"logged": {"outcome": "gone"}}, State.DELETED, "deleted by its owner"),
    "deleted, and dead-lettered before": ({"dead_letter": "NoSuchKey"}, State.DELETED, "deleted by its owner"),
    "labelled, and the result taken away": (
        {"logged": {"outcome": "processed", "timestamp": "2026-01-01"}, "deleted_at": None},
        State.RESULT_MOVED,
        "was handled (processed) at 2026-01-01, and its result is no longer in the final bucket",
    ),
    "never uploaded": ({}, State.NEVER_UPLOADED, f"{IMAGE} is not there, and nothing tells of it"),
    "archived": (
        {"source": replace(OLD, storage_class="GLACIER", is_archived=True), "queue": ONE},
        State.ARCHIVED,
        "is archived (GLACIER) and cannot be read: restore it",
    ),
}


@pytest.mark.parametrize(("evidence", "state", "words"), CASES.values(), ids=CASES)
def test_each_state_has_its_sentence(
    deployment: Deployment, evidence: dict[str, Any], state: State, words: str
) -> None:
    found = judged(deployment, **evidence)
    assert (found.state, words in found.sentence) == (state, True), found.sentence


def test_every_state_is_tested() -> None:
    assert {state for _, state, _ in CASES.values()} == set(State) - {State.WRONG_PREFIX, State.WRONG_SUFFIX}


@pytest.mark.parametrize("key", ["a.gif", "a.JPG", "a", "folder/", "a.jpg.json"])
def test_a_key_without_one_of_the_suffixes_is_named_so(deployment: Deployment, key: str) -> None:
    found = judged(deployment, key, source=OLD, queue=ONE)
    assert found.state is State.WRONG_SUFFIX
    assert "has none of the suffixes .jpg, .png" in found.sentence


def test_a_key_outside_the_prefix_is_named_so(deployment: Deployment) -> None:
    found = judged(replace(deployment, source=Source(SOURCE, "incoming/")), source=OLD, queue=ONE)
    assert found.state is State.WRONG_PREFIX
    assert f"upload it to incoming/{KEY}" in found.sentence


@pytest.mark.parametrize("key", ["a.jpg", "a/b.c/d.jpg", "x" * 1010 + ".jpg", "é" * 500 + ".jpg", ".jpg", "a~b.jpg"])
def test_every_name_that_a_result_can_have_is_looked_at(key: str) -> None:
    upload = Upload(SOURCE, key, "e" * 32 + "-12", "v" * 32, 1)
    for folder in ("processed", "failed"):
        for name in candidates(f"labels/{folder}", upload):
            assert any(name.startswith(prefix) for prefix in prefixes("labels/", key)), name


# --- what is found


def test_the_evidence_of_a_result_under_any_name_is_found(account: Account, deployment: Deployment, s3: Any) -> None:  # noqa: ANN401, ARG001
    upload = Upload(SOURCE, KEY, "e" * 32, None, 1)
    for name in candidates("processed", upload):
        document = {"source": upload.provenance(), "analyzed_at": "2026-01-31T10:00:00.000Z", "CustomLabels": []}
        s3.put_object(Bucket=FINAL, Key=json_key(name), Body=json.dumps(document))
        s3.put_object(Bucket=FINAL, Key=name, Body=b"image")
        other = {**document, "source": {**upload.provenance(), "key": "other.jpg"}}
        s3.put_object(Bucket=FINAL, Key=f"processed/{KEY}2.jpg.json", Body=json.dumps(other))
        [found] = gather(deployment, KEY).results
        assert (found.image_key, found.has_image) == (name, True)
        s3.delete_object(Bucket=FINAL, Key=json_key(name))


def test_the_evidence_of_an_image_that_waits(account: Account, deployment: Deployment, s3: Any, sqs: Any) -> None:  # noqa: ANN401
    s3.put_object(Bucket=SOURCE, Key=KEY, Body=b"image")
    sqs.send_message(QueueUrl=deployment.queue_url, MessageBody="{}")
    items = Items(quick(account, "dynamodb"), TABLE, MODEL_ARN)
    Lease(items, 900).acquire(Owner.run("run-7"))
    items.update(Update("reconcile", "SET queued_at = :at", {"at": "2026-01-31T10:00:00.000Z"}))
    account.log = [
        {"timestamp": 2, "message": json.dumps({"image": f"{IMAGE} (etag e)", "reason": "the last"})},
        {"timestamp": 1, "message": json.dumps({"image": f"{IMAGE} (etag e)", "reason": "the first"})},
        {"timestamp": 3, "message": json.dumps({"image": f"{IMAGE}.jpg (etag e)", "reason": "another image's"})},
        {"timestamp": 4, "message": "no JSON"},
    ]
    found = gather(deployment, KEY)
    assert found.source is not None
    assert abs(found.source.uploaded_at.timestamp() - time.time()) < 10
    assert (found.queue.visible, found.running) == (1, "run-7")
    assert found.queued_at == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert (found.logged or {})["reason"] == "the last"


def quick(account: Account, service: str) -> Any:  # noqa: ANN401
    return account.client(service)


@pytest.mark.parametrize("is_older", [True, False])
def test_the_dead_letter_of_an_older_upload_is_not_the_newer_ones(
    account: Account,  # noqa: ARG001
    deployment: Deployment,
    s3: Any,  # noqa: ANN401
    sqs: Any,  # noqa: ANN401
    *,
    is_older: bool,
) -> None:
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    first, last = (s3.put_object(Bucket=SOURCE, Key=KEY, Body=b"image") for _ in range(2))
    told = first if is_older else last
    entity = {"key": "shop/photo+1.jpg", "size": 5, "eTag": told["ETag"].strip('"'), "versionId": told["VersionId"]}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": SOURCE}, "object": entity},
    }
    sqs.send_message(QueueUrl=deployment.dead_letter_queue_url, MessageBody=json.dumps({"Records": [record]}))
    assert (gather(deployment, KEY).dead_letter is None) is is_older


def test_the_evidence_of_a_dead_letter_leaves_it_where_it_is(
    account: Account,  # noqa: ARG001
    deployment: Deployment,
    s3: Any,  # noqa: ANN401, ARG001
    sqs: Any,  # noqa: ANN401
) -> None:
    for key in ("other.jpg", "shop/photo+1.jpg"):
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": SOURCE}, "object": {"key": key, "size": 1, "eTag": "e"}},
        }
        reason = {"DataType": "String", "StringValue": f"about {key}"}
        sqs.send_message(
            QueueUrl=deployment.dead_letter_queue_url,
            MessageBody=json.dumps({"Records": [record]}),
            MessageAttributes={"error_code": {"DataType": "String", "StringValue": "E"}, "error_message": reason},
        )
    assert gather(deployment, KEY).dead_letter == "E: about shop/photo+1.jpg"
    assert len(sqs.receive_message(QueueUrl=deployment.dead_letter_queue_url, MaxNumberOfMessages=10)["Messages"]) == 2


def test_the_evidence_of_a_deletion_and_of_an_archive(account: Account, deployment: Deployment, s3: Any) -> None:  # noqa: ANN401, ARG001
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=SOURCE, Key=KEY, Body=b"image", StorageClass="GLACIER")
    found = gather(deployment, KEY)
    assert found.source is not None
    assert (found.source.storage_class, found.source.is_archived, found.deleted_at) == ("GLACIER", True, None)
    s3.delete_object(Bucket=SOURCE, Key=KEY)
    found = gather(deployment, KEY)
    assert found.source is None
    assert found.deleted_at is not None


def test_whoever_may_not_read_the_log_still_gets_an_answer(
    account: Account,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(operation: str) -> None:
        raise aws_error("AccessDeniedException", "no", operation)

    monkeypatch.setattr(account, "get_paginator", denied)
    assert desk.command(["why", KEY, "--name", "labels"]) == 3
    assert "is not there" in capsys.readouterr().out


def test_the_address_of_an_image_of_another_bucket_is_refused(
    account: Account,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert desk.command(["why", f"s3://elsewhere/{KEY}", "--name", "labels"]) == 2
    assert "the deployment's source bucket is source-bucket" in capsys.readouterr().err
    assert desk.command(["why", IMAGE, "--name", "labels"]) == 3
