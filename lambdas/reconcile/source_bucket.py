"""The source bucket, as far as a reconcile looks into it: the current version of each key and no other.

A version that another upload replaced is not in the listing. If its event was lost, it is not found here.
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from reconcile.listing import Listed
from reconcile.message import Version
from shared.clients import error_code

NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})


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

    def version(self, key: str) -> Version | None:
        """Return what is under `key` now; None when it is gone."""
        try:
            head = self._s3.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            raise
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
