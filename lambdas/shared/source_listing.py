"""Objects of the source bucket as S3 lists them, and which of them a message is about.

The listing is strongly consistent, and shows only the current version of each key.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.s3_events import UnexpectedMessage, uploads_anywhere

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef, ObjectTypeDef

# Objects that must be restored before anybody can read them. The listing does not show Intelligent-Tiering's archives.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True)
class ListedObject:
    """One object of the listing; `last_modified` is in epoch seconds, the etag without quotes."""

    key: str
    etag: str
    last_modified: float
    storage_class: str

    @classmethod
    def from_map(cls, item: dict[str, Any]) -> ListedObject:
        """Return an item of the Distributed Map.

        AWS documents Etag, and LastModified in epoch seconds. S3 itself says ETag, and writes times as text.
        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
        """
        etag: str = item["Etag"] if "Etag" in item else item["ETag"]
        return cls(
            key=item["Key"],
            etag=etag.strip('"'),
            last_modified=_epoch_seconds(item["LastModified"]),
            storage_class=item.get("StorageClass", "STANDARD"),
        )

    @classmethod
    def from_s3(cls, content: ObjectTypeDef) -> ListedObject:
        """Return an object of ListObjectsV2's answer."""
        return cls(
            key=content["Key"],
            etag=content["ETag"].strip('"'),
            last_modified=content["LastModified"].timestamp(),
            storage_class=content.get("StorageClass", "STANDARD"),
        )

    @property
    def image(self) -> ImageId:
        """What distinguishes this upload from others under its key."""
        return ImageId(self.key, self.etag)

    @property
    def is_archived(self) -> bool:
        """Whether the listing shows that nobody can read the object."""
        return self.storage_class in ARCHIVE_CLASSES


def _epoch_seconds(time: str | float) -> float:
    """Return a time that is epoch seconds or an ISO 8601 text, of UTC if it does not say."""
    try:
        return float(time)
    except ValueError:
        instant = datetime.fromisoformat(str(time))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class ImageId:
    """One image: the same bytes under the same key are one image, in whatever version."""

    key: str
    etag: str


@dataclass(frozen=True)
class Page:
    """One page of a listing; `next_token` asks for the next one, None: there are no more."""

    objects: list[ListedObject]
    next_token: str | None

    @property
    def is_all(self) -> bool:
        """Whether the listing ends with this page."""
        return self.next_token is None


def list_page(s3: S3Client, bucket: str, prefix: str, token: str | None = None) -> Page:
    """List up to 1,000 objects under `prefix`, after a page's `next_token`. Errors: ClientError, BotoCoreError."""
    place: ListObjectsV2RequestTypeDef = {"Bucket": bucket, "Prefix": prefix}
    if token is not None:
        place["ContinuationToken"] = token
    answer = s3.list_objects_v2(**place)
    objects = [ListedObject.from_s3(content) for content in answer.get("Contents", [])]
    return Page(objects, answer["NextContinuationToken"] if answer["IsTruncated"] else None)


def images_in(body: str, bucket: str) -> Iterator[ImageId]:
    """Yield the images of `bucket` that a message is about; none for an unexpected message."""
    try:
        uploads = uploads_anywhere(body)
    except UnexpectedMessage:
        return
    yield from (ImageId(upload.key, upload.etag) for upload in uploads if upload.bucket == bucket)
