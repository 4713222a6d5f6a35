"""Uploads, as S3's event messages tell of them."""

from dataclasses import asdict, dataclass
from typing import Any

from shared.s3_events import CreatedObject, NotAnS3EventError, Source, uploaded_objects


class ForeignMessageError(Exception):
    """A message that is no S3 event about an object created in the source bucket, under its prefix."""


@dataclass(frozen=True)
class Upload(CreatedObject):
    """One upload: its identity is the bucket, the key and the version, or the etag where there are no versions."""

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

    Error: ForeignMessageError when the message is anything else, or tells of another bucket or prefix.
    """
    try:
        return [Upload(**asdict(created)) for created in uploaded_objects(body, source)]
    except NotAnS3EventError as error:
        raise ForeignMessageError(str(error)) from error
