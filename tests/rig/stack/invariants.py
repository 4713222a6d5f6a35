"""Invariants I1, I2, I3 and I8 of the system, checked from outside on what a local stack holds."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from tests.rig.stack.local_stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType


@dataclass(frozen=True)
class Uploaded:
    """One upload as its uploader remembers it."""

    key: str
    etag: str
    version_id: str | None
    sha256: str

    @property
    def carries(self) -> dict[str, Any]:
        """What was uploaded with the bytes."""
        return {
            "ContentType": f"image/x-{self.sha256[:8]}",
            "Metadata": {"of": self.sha256},
            "tags": {"of": self.sha256},
        }

    def is_source_of(self, document: dict[str, Any]) -> bool:
        """Whether a result or failure names this upload."""
        source = document["source"]
        name, own = ("version_id", self.version_id) if self.version_id else ("etag", self.etag)
        return (source["key"], source[name]) == (self.key, own)


def upload(stack: LocalStack, key: str, body: bytes) -> Uploaded:
    """Put an object into the source bucket."""
    uploaded = Uploaded(key, "", None, hashlib.sha256(body).hexdigest())
    carries = uploaded.carries
    tags = urlencode(carries.pop("tags"))
    bucket = stack.outputs["source_bucket_name"]
    answer = stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body, Tagging=tags, **carries)
    return replace(uploaded, etag=answer["ETag"].strip('"'), version_id=answer.get("VersionId"))


def upload_folder(stack: LocalStack, folder: Path, keys: Iterable[str]) -> list[Uploaded]:
    """Put files of a folder into the source bucket under their relative names."""
    return [upload(stack, key, (folder / key).read_bytes()) for key in keys]


@dataclass(frozen=True)
class FinalBucket:
    """What the final bucket holds: documents by the key of their image, the images' checksums, and what they carry."""

    documents: dict[str, dict[str, Any]]
    images: dict[str, str]
    carried: dict[str, dict[str, Any]] = field(default_factory=dict)

    def documents_of(self, uploaded: Uploaded) -> list[str]:
        """Return the keys of the images whose document names the upload."""
        return [key for key, document in self.documents.items() if uploaded.is_source_of(document)]


def final_bucket(stack: LocalStack, final_prefix: str = "") -> FinalBucket:
    """Read processed/ and failed/ below `final_prefix`; the keys are without it.

    What was read before and was not written since is not read again: a stack keeps the images of all its tests.
    """
    s3, bucket = stack.client("s3"), stack.outputs["final_bucket_name"]
    read = _READ.setdefault(stack, {})
    documents: dict[str, dict[str, Any]] = {}
    images: dict[str, str] = {}
    carried: dict[str, dict[str, Any]] = {}
    for prefix in ("processed/", "failed/"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=final_prefix + prefix):
            for item in page.get("Contents", []):
                written = item["Key"], item["ETag"], item["LastModified"].isoformat()
                found = read.get(written) or read.setdefault(written, _read(stack, bucket, item["Key"]))
                key = item["Key"].removeprefix(final_prefix)
                if found.json is not None:
                    documents[key.removesuffix(".json")] = json.loads(found.json)
                else:
                    images[key], carried[key] = found.sha256, found.carries
    return FinalBucket(documents, images, carried)


@dataclass(frozen=True)
class _Read:
    """One object of the final bucket: a document, or what is compared of an image."""

    json: bytes | None = None
    sha256: str = ""
    carries: dict[str, Any] = field(default_factory=dict)


# By key, ETag and the moment of the write.
_READ: WeakKeyDictionary[LocalStack, dict[tuple[str, str, str], _Read]] = WeakKeyDictionary()


def _read(stack: LocalStack, bucket: str, key: str) -> _Read:
    s3 = stack.client("s3")
    stored = s3.get_object(Bucket=bucket, Key=key)
    body = stored["Body"].read()
    if key.endswith(".json"):
        return _Read(body)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    carries = {name: stored.get(name) for name in ("ContentType", "Metadata")}
    return _Read(
        sha256=hashlib.sha256(body).hexdigest(),
        carries=carries | {"tags": {tag["Key"]: tag["Value"] for tag in tags}},
    )


def waiting_in_source(stack: LocalStack) -> set[tuple[str, str]]:
    """Return (key, etag) of every object and version in the source bucket."""
    pages = stack.client("s3").get_paginator("list_object_versions")
    return {
        (version["Key"], version["ETag"].strip('"'))
        for page in pages.paginate(Bucket=stack.outputs["source_bucket_name"])
        for version in page.get("Versions", [])
    }


def messages(stack: LocalStack, *outputs: str) -> int:
    """Return the messages in the queues of these outputs, in whatever state."""
    names: list[QueueAttributeNameType] = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    return sum(
        int(count)
        for output in outputs
        for count in stack.client("sqs")
        .get_queue_attributes(QueueUrl=stack.outputs[output], AttributeNames=names)["Attributes"]
        .values()
    )


def broken(stack: LocalStack, uploads: Iterable[Uploaded], final_prefix: str = "") -> list[str]:
    """Return a sentence for each way in which an invariant is broken; none is what everybody wants."""
    final = final_bucket(stack, final_prefix)
    return [*_lost(stack, list(uploads), final), *_doubled(final), *left_running(stack)]


def _lost(stack: LocalStack, uploads: list[Uploaded], final: FinalBucket) -> list[str]:
    source = waiting_in_source(stack)
    faults, waiting = [], 0
    for uploaded in uploads:
        ends = final.documents_of(uploaded)
        is_waiting = (uploaded.key, uploaded.etag) in source
        waiting += is_waiting
        if len(ends) + is_waiting != 1:
            faults.append(f"I1: {uploaded.key} ended {len(ends)} times ({ends}) and waits: {is_waiting}")
        faults += [
            f"I1: {key} is not the picture that was uploaded as {uploaded.key}"
            for key in ends
            if final.images.get(key) != uploaded.sha256
        ]
        faults += [
            f"I8: {key} carries {final.carried[key]}, and {uploaded.key} carried {uploaded.carries}"
            for key in ends
            if key in final.carried and final.carried[key] != uploaded.carries
        ]
    queued = messages(stack, "queue_url", "dead_letter_queue_url")
    if waiting > queued:
        faults.append(f"I1: {waiting} images wait in the source bucket with {queued} messages")
    return faults


def _doubled(final: FinalBucket) -> list[str]:
    def identity(document: dict[str, Any]) -> tuple[str, str]:
        source = document["source"]
        return source["key"], source["version_id"] or source["etag"]

    results = Counter(identity(document) for document in final.documents.values())
    return [
        *[f"I2: {count} results for {upload}" for upload, count in results.items() if count > 1],
        *[f"I2: {key} has an image and no JSON" for key in final.images.keys() - final.documents.keys()],
        *[f"I2: {key} has a JSON and no image" for key in final.documents.keys() - final.images.keys()],
    ]


def left_running(stack: LocalStack) -> list[str]:
    """Return a sentence for each part that runs although no run goes on."""
    faults = []
    status = stack.meter()["status"]
    if status not in ("STOPPED", "TRAINING_COMPLETED"):
        faults.append(f"I3: the model is {status}")
    mapping = stack.client("lambda").get_event_source_mapping(UUID=stack.outputs["event_source_mapping_uuid"])
    if mapping["State"] != "Disabled":
        faults.append(f"I3: the trigger is {mapping['State']}")
    return faults
