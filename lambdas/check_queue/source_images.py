"""Which uploads still exist, and the one that is known to wait while the model cannot be started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import NOT_FOUND, error_code
from shared.items import Items, Update
from shared.s3_events import Upload
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KNOWN_IMAGE_ITEM = "known_image"


class SourceImages:
    """The source bucket, as far as the check before a start needs it."""

    def __init__(self, s3: S3Client, items: Items) -> None:
        self._s3 = s3
        self._items = items

    def exists(self, upload: Upload) -> bool:
        """Whether the upload is still in its bucket; True as well when S3 does not tell.

        A version under a delete marker is deleted, as for the analysis.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        try:
            current = self._s3.head_object(Bucket=upload.bucket, Key=upload.key)
            if upload.version_id not in (None, current.get("VersionId")):
                self._s3.head_object(Bucket=upload.bucket, Key=upload.key, VersionId=upload.version_id)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return False
            logger.warning("S3 does not tell whether an image exists; it counts as waiting", upload=str(upload))
        except BotoCoreError:
            logger.exception("S3 does not tell whether an image exists; it counts as waiting", upload=str(upload))
        return True

    def remember(self, upload: Upload) -> None:
        """Remember an image that waits, so that later runs need no receive to find it."""
        self._items.update(Update(KNOWN_IMAGE_ITEM, "SET upload = :upload", {"upload": upload.provenance()}))

    def known_image_exists(self) -> bool:
        """Whether the image that was remembered last is still there."""
        known = self._items.read(KNOWN_IMAGE_ITEM)
        return bool(known) and self.exists(Upload(**known["upload"]))
