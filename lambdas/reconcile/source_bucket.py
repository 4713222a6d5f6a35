"""The source bucket as S3 lists it: only the current version of each key.

A version that another upload replaced is not in the listing until the newer version was moved. If its event was lost,
a reconcile finds it only then.
S3 refuses to describe some objects, such as those encrypted with their uploader's own key (SSE-C).
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from reconcile.listing import Refused
from reconcile.message import Version
from shared.clients import NOT_FOUND, error_code, error_message
from shared.source_listing import Page, list_page
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# HeadObject's answer has no body, so the code is the HTTP status. These are the usual causes of it.
USUAL_CAUSES = {
    "400": "the object is encrypted with its uploader's own key (SSE-C)",
    "403": "the object belongs to another account, or its bucket's policy or its KMS key refuses this function",
}
MAX_REASON_CHARACTERS = 300


class SourceBucket:
    """The bucket that images are uploaded to, below `prefix`."""

    def __init__(self, s3: S3Client, name: str, prefix: str = "") -> None:
        self._s3 = s3
        self._name = name
        self.prefix = prefix

    def first_page(self, prefix: str) -> Page:
        """List up to 1,000 objects under `prefix`."""
        return list_page(self._s3, self._name, prefix)

    def version(self, key: str) -> Version | Refused | None:
        """Return what is under `key` now; None when it was deleted. Never raises, because that would end the batch."""
        try:
            return self._version(key)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            return _refused(key, _reason(error))
        except Exception as error:  # whatever botocore makes of an unforeseen answer
            logger.exception("unforeseen answer of S3; leaving this image out", key=key)
            return _refused(key, f"{type(error).__name__} (HeadObject): {error}")

    def _version(self, key: str) -> Version:
        head = self._s3.head_object(Bucket=self._name, Key=key)
        version_id = head.get("VersionId")
        return Version(
            key=key,
            etag=head["ETag"].strip('"'),
            version_id=version_id if version_id != "null" else None,
            size=head["ContentLength"],
            last_modified=head["LastModified"],
            # Only Intelligent-Tiering's archives have a status. They cannot be read either.
            is_archived="ArchiveStatus" in head,
        )


def _refused(key: str, reason: str) -> Refused:
    logger.warning("S3 refuses to describe an image; leaving it out", key=key, reason=reason)
    return Refused(key, reason[:MAX_REASON_CHARACTERS])


def _reason(error: ClientError) -> str:
    code = error_code(error)
    said = f"{code} {error_message(error)} (HeadObject)"
    return f"{said}: {USUAL_CAUSES[code]}" if code in USUAL_CAUSES else said
