"""The source bucket, as far as a reconcile looks into it: the current version of each key and no other.

A version that another upload replaced is not in the listing. If its event was lost, it is not found here.
A bucket holds objects that S3 refuses to show us, such as those encrypted with a key of their uploader's (SSE-C).
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from reconcile.listing import Listed, Refused
from reconcile.message import Version
from shared.clients import error_code, error_message
from shared.telemetry import logger

NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})

# HeadObject's answer has no body, so that the code is the status and the message its name: what lies behind most.
USUAL_CAUSES = {
    "400": "the object is encrypted with a key of its uploader's (SSE-C)",
    "403": "the object belongs to another account, or its bucket's policy or its KMS key refuses this function",
}
REASON_CHARACTERS_AT_MOST = 300


@dataclass(frozen=True)
class Page:
    """The first page of a listing; `is_all` when there is no other."""

    objects: list[Listed]
    is_all: bool


class SourceBucket:
    """The bucket that images are uploaded to, below `prefix`."""

    def __init__(self, s3: Any, name: str, prefix: str = "") -> None:  # noqa: ANN401
        self._s3 = s3
        self._name = name
        self.prefix = prefix

    def first_page(self, prefix: str) -> Page:
        """List up to 1,000 objects under `prefix`."""
        answer = self._s3.list_objects_v2(Bucket=self._name, Prefix=prefix)
        return Page([Listed.from_s3(content) for content in answer.get("Contents", [])], not answer["IsTruncated"])

    def version(self, key: str) -> Version | Refused | None:
        """Return what is under `key` now; None when it is gone. No object is an error: it would end all others."""
        try:
            return self._version(key)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            return _refused(key, _reason(error))
        except Exception as error:  # whatever botocore makes of an answer that nobody has foreseen
            logger.exception("an answer of S3 that nobody has foreseen", key=key)
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
            # Only Intelligent-Tiering has a status: its archives cannot be read either.
            is_archived="ArchiveStatus" in head,
        )


def _refused(key: str, reason: str) -> Refused:
    logger.warning("S3 refuses to show an image, which is left out", key=key, reason=reason)
    return Refused(key, reason[:REASON_CHARACTERS_AT_MOST])


def _reason(error: ClientError) -> str:
    code = error_code(error)
    said = f"{code} {error_message(error)} (HeadObject)"
    return f"{said}: {USUAL_CAUSES[code]}" if code in USUAL_CAUSES else said
