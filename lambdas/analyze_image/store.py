"""The two buckets: what is read, claimed, copied and deleted, and under which conditions.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from analyze_image.names import json_key
from analyze_image.upload import Upload
from shared.clients import error_code

# S3 answers 409 when two conditional writes meet; the next attempt sees who won.
CLAIM_ATTEMPTS = 4
# One call may copy 5 GB, and answers when it is done: longer than we wait for an answer. What is larger than this is no
# image that Rekognition takes, and is copied to failed/ in parts of this size.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
SINGLE_COPY_BYTES_AT_MOST = 64 * 1024**2

IN_PARTS = TransferConfig(multipart_threshold=SINGLE_COPY_BYTES_AT_MOST, multipart_chunksize=SINGLE_COPY_BYTES_AT_MOST)

NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
CONDITION_FAILED = frozenset({"412", "PreconditionFailed"})
CONFLICT = frozenset({"409", "ConditionalRequestConflict"})


class SourceGoneError(Exception):
    """The upload is no longer in the source bucket."""


class SourceReplacedError(Exception):
    """Another upload took the place of this one; the event of the newer one speaks for it."""


class Store:
    """Source and final bucket. What is written to the final bucket begins with `final_prefix`."""

    def __init__(self, s3: Any, source_bucket: str, final_bucket: str, final_prefix: str = "") -> None:  # noqa: ANN401
        self._s3 = s3
        self.source_bucket = source_bucket
        self.final_bucket = final_bucket
        self.final_prefix = final_prefix

    def claim(self, image_key: str, document: dict[str, Any]) -> bool:
        """Write the JSON of `image_key` if nobody has; return whether it was written."""
        for attempt in range(1, CLAIM_ATTEMPTS + 1):
            try:
                self._s3.put_object(
                    Bucket=self.final_bucket,
                    Key=json_key(image_key),
                    Body=json.dumps(document, ensure_ascii=False).encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if error_code(error) in CONDITION_FAILED:
                    return False
                if error_code(error) not in CONFLICT or attempt == CLAIM_ATTEMPTS:
                    raise
            else:
                return True
        raise AssertionError("unreachable: the last attempt returns or raises")

    def provenance(self, image_key: str) -> dict[str, Any] | None:
        """Return the `source` of the JSON that claims `image_key`; None when nobody does.

        A JSON that is not ours has the provenance {}, which is no upload's.
        """
        try:
            answer = self._s3.get_object(Bucket=self.final_bucket, Key=json_key(image_key))
            claimed = json.loads(answer["Body"].read())
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            raise
        except ValueError:
            return {}
        source = claimed.get("source") if isinstance(claimed, dict) else None
        return source if isinstance(source, dict) else {}

    def withdraw_claim(self, image_key: str) -> None:
        """Delete the JSON of an image that cannot follow."""
        self._s3.delete_object(Bucket=self.final_bucket, Key=json_key(image_key))

    def copy_image(self, upload: Upload, image_key: str) -> None:
        """Copy the upload to the final bucket. Errors: SourceGoneError, SourceReplacedError."""
        source = {"Bucket": upload.bucket, "Key": upload.key}
        if upload.version_id is not None:
            source["VersionId"] = upload.version_id
        condition = {"CopySourceIfMatch": upload.etag}
        try:
            if upload.size > SINGLE_COPY_BYTES_AT_MOST:
                self._s3.copy(source, self.final_bucket, image_key, ExtraArgs=condition, Config=IN_PARTS)
            else:
                self._s3.copy_object(Bucket=self.final_bucket, Key=image_key, CopySource=source, **condition)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                raise SourceGoneError from error
            if error_code(error) in CONDITION_FAILED:
                raise SourceReplacedError from error
            raise

    def has_image(self, image_key: str) -> bool:
        """Whether the final bucket holds the image."""
        return self._head(self.final_bucket, image_key, None) is not None

    def source_etag(self, upload: Upload) -> str | None:
        """Return the etag of what is in the upload's place now; None when nothing is."""
        found = self._head(upload.bucket, upload.key, upload.version_id)
        return None if found is None else found["ETag"].strip('"')

    def source_size(self, upload: Upload) -> int | None:
        """Return the bytes of what is in the upload's place now; None when nothing is."""
        found = self._head(upload.bucket, upload.key, upload.version_id)
        return None if found is None else found["ContentLength"]

    def delete_source(self, upload: Upload) -> None:
        """Delete exactly this upload; a newer one in its place stays."""
        exact = {"VersionId": upload.version_id} if upload.version_id is not None else {"IfMatch": f'"{upload.etag}"'}
        try:
            self._s3.delete_object(Bucket=upload.bucket, Key=upload.key, **exact)
        except ClientError as error:
            if error_code(error) not in NOT_FOUND | CONDITION_FAILED:
                raise

    def _head(self, bucket: str, key: str, version_id: str | None) -> dict[str, Any] | None:
        version = {} if version_id is None else {"VersionId": version_id}
        try:
            return self._s3.head_object(Bucket=bucket, Key=key, **version)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            raise
