"""Uploads, as S3's event messages tell of them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus


class ForeignMessageError(Exception):
    """A message that is no S3 event about an object created in the source bucket."""


@dataclass(frozen=True)
class Upload:
    """One upload: its identity is the bucket, the key and the version, or the etag where there are no versions."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size: int

    def same_as(self, source: dict[str, Any]) -> bool:
        """Whether `source`, the provenance in a result, is this upload."""
        if source.get("bucket") != self.bucket or source.get("key") != self.key:
            return False
        if self.version_id is not None and source.get("version_id") is not None:
            return source["version_id"] == self.version_id
        return source.get("etag") == self.etag

    def provenance(self) -> dict[str, Any]:
        """Return the `source` of a result."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "etag": self.etag,
            "version_id": self.version_id,
            "size": self.size,
        }

    def __str__(self) -> str:
        version = f" version {self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version} (etag {self.etag})"


def uploads_in(body: str, source_bucket: str) -> list[Upload]:
    """Return the uploads of one queue message; none for S3's test event.

    Error: ForeignMessageError when the message is anything else, or tells of another bucket.
    """
    try:
        document = json.loads(body)
        if document.get("Event") == "s3:TestEvent":
            return []
        records = document["Records"]
        if not isinstance(records, list) or not records:
            raise ForeignMessageError("the message holds no records")
        return [_upload(record, source_bucket) for record in records]
    # RecursionError: JSON nested too deep; OverflowError: a size without end.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ForeignMessageError(f"not an S3 event message ({type(error).__name__}: {error})") from error


def _upload(record: dict[str, Any], source_bucket: str) -> Upload:
    if record["eventSource"] != "aws:s3" or not record["eventName"].startswith("ObjectCreated:"):
        raise ForeignMessageError(
            f"{record['eventSource']} {record['eventName']} is not about an object that was created"
        )
    bucket, entity = record["s3"]["bucket"]["name"], record["s3"]["object"]
    if bucket != source_bucket:
        raise ForeignMessageError(f"the event is about bucket {bucket}, and this system reads {source_bucket}")
    # Keys are form-encoded in events: a space comes as a plus.
    key, etag, version_id = unquote_plus(entity["key"]), entity["eTag"].strip('"'), entity.get("versionId")
    key.encode()  # no half of a surrogate pair, which JSON can spell and no key can hold
    if not key or not etag or not isinstance(version_id, str | None):
        raise ForeignMessageError("key and eTag must not be empty, and versionId must be text")
    size = int(entity["size"])
    if size < 0:
        raise ForeignMessageError(f"a size of {size} bytes")
    return Upload(
        bucket=bucket,
        key=key,
        etag=etag,
        # "null" is the version of objects from before versioning, or while it is suspended: it can be overwritten
        # like an object without versions, so the etag has to tell uploads apart.
        version_id=version_id if version_id not in (None, "", "null") else None,
        size=size,
    )
