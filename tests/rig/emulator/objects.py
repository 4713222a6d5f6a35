"""Where the service reads images: an S3 bucket, through the SDK's standard settings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.images import check_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOG = logging.getLogger(__name__)


class StoredImage(Protocol):
    """An object whose size is known and whose bytes are still to be read."""

    @property
    def digest(self) -> str:
        """Equal for equal bytes."""
        ...

    def read(self) -> bytes:
        """The bytes."""
        ...


class ImageStore(Protocol):
    """What the service needs of S3."""

    def find(self, bucket: str, key: str, version: str | None, limit_bytes: int) -> StoredImage:
        """The object, its size checked before anything of its body is read."""
        ...


class _Request(TypedDict):
    Bucket: str
    Key: str
    VersionId: NotRequired[str]


class _S3Image:
    def __init__(self, client: S3Client, request: _Request, etag: str) -> None:
        self._client = client
        self._request = request
        self._etag = etag

    @property
    def digest(self) -> str:
        return self._etag

    def read(self) -> bytes:
        # If-Match: an object that was replaced since HeadObject must not be labelled as the old one.
        try:
            return self._client.get_object(**self._request, IfMatch=self._etag)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise _service_error(error, self._request) from error


class S3ImageStore:
    """Images in S3."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def find(self, bucket: str, key: str, version: str | None, limit_bytes: int) -> StoredImage:
        """Look an object up.

        InvalidS3ObjectException: S3 refuses or does not know it. ImageTooLargeException: over
        ``limit_bytes``. InternalServerError: S3 cannot be reached, which says nothing about the image.
        """
        request: _Request = {"Bucket": bucket, "Key": key}
        if version is not None:
            request["VersionId"] = version
        try:
            head = self._client.head_object(**request)
        except (ClientError, BotoCoreError) as error:
            raise _service_error(error, request) from error
        check_size(head["ContentLength"], limit_bytes)
        return _S3Image(self._client, request, head["ETag"])


def _service_error(error: Exception, request: _Request) -> ServiceError:
    if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
        LOG.info("S3 does not give %s: %s", request, error)
        return ServiceError("InvalidS3ObjectException")
    LOG.error("S3 cannot be asked for %s: %s", request, error)
    return ServiceError("InternalServerError")
