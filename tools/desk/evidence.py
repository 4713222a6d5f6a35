"""What bucket, queues, runs table and log say of one image. Nothing is changed, and the image queue is only counted.

Messages of the image queue are not read: each read counts as a receive, of which six send a message to the dead-letter
queue. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import NOT_FOUND, client
from shared.dead_letter_queue import DeadLetterQueue
from shared.s3_events import MAX_KEY_BYTES, RESULT_SUFFIX, Upload
from shared.source_listing import ARCHIVE_CLASSES
from shared.sqs import Backlog, count_messages
from shared.timestamps import parse_rfc3339
from tools.dead_letters import DeadLetter, put_back
from tools.deployment import Deployment
from tools.desk.leases import items_of, lease_of

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# While the dead-letter queue is read to its end.
HIDDEN_SECONDS = 60
# More results than people upload under one key.
RESULTS_AT_MOST = 100
# Of a key that is too long for a name beside its result, so much stays at the least: see analyze_image/names.py.
KEPT_BYTES = 700


EMPTY = Backlog(visible=0, in_flight=0, delayed=0)


@dataclass(frozen=True)
class SourceObject:
    """The object under the key in the source bucket; the etag without quotes, the version None without versions."""

    etag: str
    uploaded_at: datetime
    storage_class: str = "STANDARD"
    is_archived: bool = False
    version_id: str | None = None

    def upload(self, bucket: str, key: str) -> Upload:
        """Return the upload that this is. The same bytes, uploaded again, are another version."""
        return Upload(bucket, key, self.etag, self.version_id, size=0)


@dataclass(frozen=True)
class StoredResult:
    """A result, or a failure, of an upload under the key; `has_image` says whether its image lies beside it."""

    image_key: str
    document: dict[str, Any]
    has_image: bool = True

    @property
    def error(self) -> dict[str, Any] | None:
        """Why the image failed; None for a result."""
        return self.document.get("error")

    @property
    def analyzed_at(self) -> str:
        """When, as RFC 3339."""
        return str(self.document.get("analyzed_at"))


@dataclass(frozen=True)
class Evidence:
    """What is known of one key. None: there is no such thing."""

    source: SourceObject | None = None
    # When somebody deleted the object, in a bucket with versions.
    deleted_at: datetime | None = None
    # The latest first.
    results: tuple[StoredResult, ...] = ()
    # The reason in the dead-letter queue.
    dead_letter: str | None = None
    queue: Backlog = EMPTY
    # When the queue was last counted empty, in epoch seconds.
    queue_empty_at: int | None = None
    # When a reconcile or a backfill last gave images new messages.
    queued_at: datetime | None = None
    running: str | None = None
    # What the analysis function logged last about the key.
    logged: dict[str, Any] | None = None


def gather(deployment: Deployment, key: str) -> Evidence:
    """Look everywhere. Errors: botocore's; whoever may not read the log learns less."""
    s3, sqs = client("s3"), client("sqs")
    source = _source(s3, deployment, key)
    lease = lease_of(deployment)
    return Evidence(
        source=source,
        deleted_at=None if source else _deleted_at(s3, deployment.source.bucket, key),
        results=_results(s3, deployment, key),
        dead_letter=_dead_letter(sqs, deployment, key, source),
        queue=count_messages(sqs, deployment.queue_url),
        queue_empty_at=lease.state.queue_empty_at,
        queued_at=_queued_at(deployment),
        running=lease.running,
        logged=_logged(boto3.client("logs"), deployment, key),
    )


def _source(s3: S3Client, deployment: Deployment, key: str) -> SourceObject | None:
    try:
        found = s3.head_object(Bucket=deployment.source.bucket, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in NOT_FOUND:
            return None
        raise
    storage_class = found.get("StorageClass", "STANDARD")
    # A restored copy can be read; Intelligent-Tiering says in ArchiveStatus what its class does not.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    is_restored = 'ongoing-request="false"' in found.get("Restore", "")
    is_archived = (storage_class in ARCHIVE_CLASSES or bool(found.get("ArchiveStatus"))) and not is_restored
    return SourceObject(
        found["ETag"].strip('"'), found["LastModified"], storage_class, is_archived, found.get("VersionId")
    )


def _deleted_at(s3: S3Client, bucket: str, key: str) -> datetime | None:
    try:
        found = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=10)
    except ClientError:
        # Who may not list versions is told what the rest says.
        return None
    for marker in found.get("DeleteMarkers", []):
        if marker["Key"] == key and marker["IsLatest"]:
            return marker["LastModified"]
    return None


def _results(s3: S3Client, deployment: Deployment, key: str) -> tuple[StoredResult, ...]:
    found = []
    names = {name for prefix in prefixes(deployment.final_prefix, key) for name in _listed(s3, deployment, prefix)}
    for name in names:
        if not name.endswith(RESULT_SUFFIX):
            continue
        document = _document(s3, deployment.final_bucket, name)
        told = document.get("source") if isinstance(document, dict) else None
        if isinstance(told, dict) and (told.get("bucket"), told.get("key")) == (deployment.source.bucket, key):
            image_key = name.removesuffix(RESULT_SUFFIX)
            found.append(StoredResult(image_key, document, has_image=image_key in names))
    return tuple(sorted(found, key=lambda result: result.analyzed_at, reverse=True))


def prefixes(final_prefix: str, key: str) -> Iterator[str]:
    """Yield what the names of all results of a key begin with: the key's own, those with an etag, and a cut key's."""
    for folder in (f"{final_prefix}processed/", f"{final_prefix}failed/"):
        if len(f"{folder}{key}{RESULT_SUFFIX}".encode()) > MAX_KEY_BYTES:
            yield folder + key.encode()[:KEPT_BYTES].decode(errors="ignore")
            continue
        parents = key[: key.rfind("/") + 1]
        yield folder + key
        yield f"{folder}{parents}{PurePosixPath(key[len(parents) :]).stem}~"


def _listed(s3: S3Client, deployment: Deployment, prefix: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=deployment.final_bucket, Prefix=prefix)
    return islice((entry["Key"] for page in pages for entry in page.get("Contents", [])), 2 * RESULTS_AT_MOST)


def _document(s3: S3Client, bucket: str, key: str) -> Any:  # noqa: ANN401 - whatever lies there
    try:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except (ClientError, ValueError, RecursionError):
        return None


def _queued_at(deployment: Deployment) -> datetime | None:
    # The item of reconcile/records.py.
    item = items_of(deployment).read("reconcile")
    return parse_rfc3339(item["queued_at"]) if item else None


def _dead_letter(sqs: SQSClient, deployment: Deployment, key: str, source: SourceObject | None) -> str | None:
    """Return the reason of a message about what lies there now; about any upload under the key when nothing does."""
    queue = DeadLetterQueue(sqs, deployment.dead_letter_queue_url)
    read: list[DeadLetter] = []
    try:
        for messages in queue.read(hidden_seconds=HIDDEN_SECONDS):
            read += [DeadLetter.of(message, deployment.source) for message in messages]
    finally:
        put_back(queue, read)
    letters = ((upload, letter.reason) for letter in read for upload in letter.uploads if upload.key == key)
    present = source.upload(deployment.source.bucket, key) if source else None
    return next((why for upload, why in letters if present is None or present.same_as(upload.provenance())), None)


def _logged(logs: CloudWatchLogsClient, deployment: Deployment, key: str) -> dict[str, Any] | None:
    """Return the last line about the image; None where there is none, or it may not be read."""
    image = f"s3://{deployment.source.bucket}/{key}"
    # A phrase in quotes. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    phrase = json.dumps(image, ensure_ascii=False)[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    last: tuple[int, dict[str, Any]] | None = None
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=deployment.log_group, filterPattern=f'"{phrase}"'
        )
        for event in (event for page in pages for event in page["events"]):
            line = _line(event["message"])
            about = str(line.get("image", ""))
            is_about = about.startswith((f"{image} version ", f"{image} (etag "))
            if is_about and (last is None or event["timestamp"] >= last[0]):
                last = event["timestamp"], line
    except (ClientError, BotoCoreError):
        return None
    return None if last is None else last[1]


def _line(message: str) -> dict[str, Any]:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
