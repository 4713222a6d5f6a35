"""Uploads, as S3's event messages tell of them."""

from dataclasses import asdict, dataclass
from typing import Any

from shared.s3_events import CreatedObject, NotAnS3EventError, created_objects


class ForeignMessageError(Exception):
    """A message that is no S3 event about an object created in the source bucket, under its prefix."""


@dataclass(frozen=True)
class Source:
    """Where images are uploaded to: a bucket, and how their keys begin in it."""

    bucket: str
    prefix: str = ""


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


def uploads_in(body: str, source: Source) -> list[Upload]:
    """Return the uploads of one queue message; none for S3's test event.

    Error: ForeignMessageError when the message is anything else, or tells of another bucket or prefix. The suffix is
    not looked at: what S3 tells of was chosen by suffix, and a suffix that is no longer wanted may have images waiting.
    """
    try:
        return [_upload(created, source) for created in created_objects(body)]
    except NotAnS3EventError as error:
        raise ForeignMessageError(str(error)) from error


def _upload(created: CreatedObject, source: Source) -> Upload:
    if created.bucket != source.bucket:
        raise ForeignMessageError(f"the event is about bucket {created.bucket}, and this system reads {source.bucket}")
    # What this system itself writes may lie in the same bucket, and so may another model's images.
    if not created.key.startswith(source.prefix):
        raise ForeignMessageError(f"the key {created.key} does not begin with {source.prefix}, as this system's do")
    return Upload(**asdict(created))
