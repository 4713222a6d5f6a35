"""The two buckets: what is read, claimed, copied and deleted, and under which conditions.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore
from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.errors import ErrorClass, classify
from analyze_image.large_copies import Place, carry_annotations, check_annotations_readable, copy_in_parts
from analyze_image.names import json_key
from analyze_image.picture_sides import HEAD_BYTES
from shared.clients import NOT_FOUND, calling, error_code
from shared.s3_events import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopyObjectRequestTypeDef, DeleteObjectRequestTypeDef, GetObjectRequestTypeDef

# S3 answers 409 when two conditional writes meet; the next attempt sees who won.
CLAIM_ATTEMPTS = 4
# CopyObject answers when it is done, which for more than this takes longer than the read time-out. Such an object is
# too large for Rekognition as well, and is copied to failed/ in parts.
MAX_QUICK_COPY_BYTES = 64 * 1024**2
# It takes too long to read all of a larger object. So these bytes at both ends tell whether another one is its copy.
# Not every object has a checksum, and S3 does not tell one under a KMS key to whoever may only read.
END_BYTES = 1024**2
# The most that one CopyObject copies. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_COPY_BYTES = 5 * 1024**3

# A result has a few kilobytes. A larger JSON is not ours, and may not fit into the function's memory.
MAX_RESULT_BYTES = 5 * 1024**2

# S3 refuses to overwrite an object under this condition. It closes the gap of some milliseconds between the check of a
# name and the copy to it. Older botocores do not know CopyObject's parameter, but S3 only sees the header.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
BOTOCORE = tuple(int(part) for part in botocore.__version__.split(".")[:3])
KNOWS_CONDITION = BOTOCORE >= (1, 40, 61)
# A botocore that does not know annotations cannot copy them to an object in parts. S3 can, within one CopyObject.
KNOWS_ANNOTATIONS = BOTOCORE >= (1, 43, 31)

CONDITION_FAILED = frozenset({"412", "PreconditionFailed"})
ARCHIVED = "InvalidObjectState"
CONFLICT = frozenset({"409", "ConditionalRequestConflict"})

# The member of a result's metadata that names the invocation whose batch claimed the name.
BATCH_ID = "batch-id"


class SourceGoneError(Exception):
    """The upload is no longer in the source bucket."""


class SourceReplacedError(Exception):
    """A newer upload replaced this one, and has a message of its own."""


class NameTakenError(Exception):
    """The final bucket has an object under the image's name that is not a copy of this upload."""


@dataclass(frozen=True)
class Stored:
    """An object as HeadObject describes it; the etag without quotes."""

    etag: str
    size: int


@dataclass(frozen=True)
class Claim:
    """A name in the final bucket with its JSON, which is {} when it is not ours, and the batch that wrote it.

    `is_new`: this attempt claimed it. The JSON's etag, with quotes, is that of an earlier claim.
    """

    image_key: str
    document: dict[str, Any]
    batch_id: str = ""
    is_new: bool = False
    etag: str = ""


def send_condition(s3: S3Client) -> None:
    """Let a client of an older botocore send the condition of CopyObject too."""

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"]["If-None-Match"] = "*"

    if not KNOWS_CONDITION:
        s3.meta.events.register("before-call.s3.CopyObject", add)


class Store:
    """The source bucket and the final bucket, in which every key that we write begins with `final_prefix`."""

    def __init__(
        self,
        s3: S3Client,
        source_bucket: str,
        final_bucket: str,
        final_prefix: str = "",
        *,
        patient_s3: S3Client | None = None,
    ) -> None:
        """`patient_s3` waits longer for an answer, for large copies with a botocore that knows no annotations."""
        self._s3 = s3
        self._patient_s3 = patient_s3 or s3
        self.source_bucket = source_bucket
        self.final_bucket = final_bucket
        self.final_prefix = final_prefix

    def claim(self, image_key: str, document: dict[str, Any], batch_id: str) -> Claim | None:
        """Write the JSON of `image_key` unless it exists; None when it does."""
        key = json_key(image_key)
        for attempt in range(1, CLAIM_ATTEMPTS + 1):
            try:
                with calling("PutObject", self._final(key)):
                    self._s3.put_object(
                        Bucket=self.final_bucket,
                        Key=key,
                        Body=json.dumps(document, ensure_ascii=False).encode(),
                        ContentType="application/json",
                        Metadata={BATCH_ID: batch_id} if batch_id else {},
                        IfNoneMatch="*",
                    )
            except ClientError as error:
                if error_code(error) in CONDITION_FAILED:
                    return None
                if error_code(error) not in CONFLICT or attempt == CLAIM_ATTEMPTS:
                    raise
            else:
                return Claim(image_key, document, batch_id, is_new=True)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _read(self, image_key: str) -> Claim | None:
        """Return the JSON that claims `image_key`; None when there is none."""
        key, not_ours = json_key(image_key), Claim(image_key, {})
        try:
            with calling("GetObject", self._final(key)):
                answer = self._s3.get_object(Bucket=self.final_bucket, Key=key)
                if answer["ContentLength"] > MAX_RESULT_BYTES:
                    return not_ours
                document = json.loads(answer["Body"].read())
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            if error_code(error) == ARCHIVED:
                # No image waits until a lifecycle rule archives its result, so this is an older upload's.
                return not_ours
            raise
        except (ValueError, RecursionError):
            return not_ours
        is_ours = isinstance(document, dict) and isinstance(document.get("source"), dict)
        if not is_ours:
            return not_ours
        return Claim(image_key, document, answer.get("Metadata", {}).get(BATCH_ID, ""), etag=answer["ETag"])

    def head_of(self, upload: Upload) -> bytes:
        """Return the first HEAD_BYTES of an upload; no byte when S3 does not show them."""
        request: GetObjectRequestTypeDef = {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "Range": f"bytes=0-{HEAD_BYTES - 1}",
        }
        if upload.version_id is not None:
            request["VersionId"] = upload.version_id
        try:
            return self._s3.get_object(**request)["Body"].read()
        except (ClientError, BotoCoreError):
            return b""

    def claim_of(self, upload: Upload, image_key: str) -> Claim | None:
        """Return the JSON of `image_key` if this upload claimed it."""
        claimed = self._read(image_key)
        is_claimed = claimed is not None and upload.same_as(claimed.document.get("source", {}))
        return claimed if is_claimed else None

    def withdraw_claim(self, image_key: str, upload: Upload) -> dict[str, Any] | None:
        """Delete the JSON of an image that cannot be copied, and return it; None when it is no longer this upload's."""
        claimed = self.claim_of(upload, image_key)
        if claimed is None:
            return None
        key = json_key(image_key)
        try:
            with calling("DeleteObject", self._final(key)):
                self._s3.delete_object(Bucket=self.final_bucket, Key=key, IfMatch=claimed.etag)
        except ClientError as error:
            if error_code(error) not in NOT_FOUND | CONDITION_FAILED:
                raise
            return None
        return claimed.document

    def copy_image(self, upload: Upload, image_key: str) -> None:
        """Copy the upload to a name that `has_image` found free, with all that it carries; see `finish_copy`.

        Errors: SourceGoneError, SourceReplacedError, NameTakenError, AnnotationsUnreadableError.
        """
        request: CopyObjectRequestTypeDef = {
            "Bucket": self.final_bucket,
            "Key": image_key,
            "CopySource": _place(upload).as_source,
            "CopySourceIfMatch": upload.etag,
        }
        if KNOWS_CONDITION:
            request["IfNoneMatch"] = "*"
        try:
            with calling("CopyObject", f"{upload} to {self._final(image_key)}"):
                if _is_copied_in_parts(upload):
                    check_annotations_readable(self._s3)
                    copy_in_parts(self._s3, _place(upload), self.final_bucket, image_key)
                elif upload.size > MAX_QUICK_COPY_BYTES:
                    self._patient_s3.copy_object(**request)
                else:
                    self._s3.copy_object(**request)
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                raise SourceGoneError from error
            if error_code(error) in CONDITION_FAILED:
                # S3 does not say which condition failed: the source was replaced, or the name is taken.
                found = self.source(upload) if self.has_image(image_key) else None
                if found is not None and found.etag == upload.etag:
                    if self.is_copy(upload, image_key):
                        # Another attempt at this upload was faster.
                        return
                    raise NameTakenError from error
                raise SourceReplacedError from error
            raise

    def finish_copy(self, upload: Upload, image_key: str) -> None:
        """Give a copy in parts what only an existing object can get: its annotations. Any other copy has them.

        Done after each attempt's copy, before the source is deleted, because an attempt may have died in between.
        """
        if not _is_copied_in_parts(upload):
            return
        copy = self._head(self.final_bucket, image_key, None)
        if copy is not None:
            with calling("PutObjectAnnotation", self._final(image_key)):
                carry_annotations(self._s3, _place(upload), Place(self.final_bucket, image_key, copy.etag))

    def has_image(self, image_key: str) -> bool:
        """Whether the final bucket holds anything under the image's name."""
        try:
            return self._head(self.final_bucket, image_key, None) is not None
        except ClientError as error:
            if classify(error) is not ErrorClass.REFUSED:
                raise
            # Perhaps it is encrypted with a key that only its owner has; a listing shows whether it exists.
            return self._is_listed(image_key)

    def is_copy(self, upload: Upload, image_key: str) -> bool:
        """Whether the image under this name has the upload's bytes; see END_BYTES. Error: SourceGoneError."""
        source = self.source(upload)
        if source is None:
            raise SourceGoneError
        try:
            copy = self._head(self.final_bucket, image_key, None)
        except ClientError as error:
            if classify(error) is not ErrorClass.REFUSED:
                raise
            return False
        if copy is None or source.size != copy.size:
            return False
        # Equal bytes have different etags when they were copied in parts, or are encrypted with a KMS key.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        is_large = source.size > MAX_QUICK_COPY_BYTES
        return source.etag == copy.etag or (
            self._digest(upload.bucket, upload.key, upload.version_id, ends=is_large)
            == self._digest(self.final_bucket, image_key, None, ends=is_large)
        )

    def source(self, upload: Upload) -> Stored | None:
        """Return the object that is under the upload's key now; None when there is none."""
        return self._head(upload.bucket, upload.key, upload.version_id)

    def is_deleted(self, upload: Upload) -> bool:
        """Whether the owner deleted an upload of which a version is left. False as well when S3 does not tell.

        A delete without a version hides the versions of a key behind a delete marker.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html
        """
        if upload.version_id is None:
            # Without a version, every call means the current object, which is not there either.
            return False
        # Refused: there is a newer object that this function may not look at.
        return self._is_missing(upload, None)

    def is_gone(self, upload: Upload) -> bool:
        """Whether nothing is left of an upload. False as well when S3 does not tell."""
        return self._is_missing(upload, upload.version_id)

    def _is_missing(self, upload: Upload, version_id: str | None) -> bool:
        try:
            return self._head(upload.bucket, upload.key, version_id) is None
        except ClientError as error:
            if classify(error) is not ErrorClass.REFUSED:
                raise
            return False

    def delete_source(self, upload: Upload) -> None:
        """Delete exactly this upload; a newer one under its key stays."""
        request: DeleteObjectRequestTypeDef = {"Bucket": upload.bucket, "Key": upload.key}
        if upload.version_id is not None:
            request["VersionId"] = upload.version_id
        else:
            request["IfMatch"] = f'"{upload.etag}"'
        try:
            with calling("DeleteObject", str(upload)):
                answer = self._s3.delete_object(**request)
                if "IfMatch" in request and answer.get("DeleteMarker") and answer.get("VersionId") != "null":
                    # The bucket got versions after this upload, so it is the version "null", and only hidden now. S3
                    # checks conditions on current versions alone, hence two calls. No newer upload can be "null".
                    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
                    self._s3.delete_object(Bucket=upload.bucket, Key=upload.key, VersionId="null")
        except ClientError as error:
            if error_code(error) not in NOT_FOUND | CONDITION_FAILED:
                raise

    def _head(self, bucket: str, key: str, version_id: str | None) -> Stored | None:
        try:
            with calling("HeadObject", f"s3://{bucket}/{key}"):
                found = self._s3.head_object(**_object(bucket, key, version_id))
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            raise
        return Stored(found["ETag"].strip('"'), found["ContentLength"])

    def _is_listed(self, key: str) -> bool:
        with calling("ListObjectsV2", self._final(key)):
            found = self._s3.list_objects_v2(Bucket=self.final_bucket, Prefix=key, MaxKeys=1)
        return any(item["Key"] == key for item in found.get("Contents", []))

    def _digest(self, bucket: str, key: str, version_id: str | None, *, ends: bool) -> bytes:
        """Return a digest of an object's bytes; `ends`: of the first and the last END_BYTES alone."""
        ranges = [{"Range": f"bytes=0-{END_BYTES - 1}"}, {"Range": f"bytes=-{END_BYTES}"}] if ends else [{}]
        digest = hashlib.sha256()
        with calling("GetObject", f"s3://{bucket}/{key}"):
            for part in ranges:
                stored = self._s3.get_object(**(_object(bucket, key, version_id) | part))
                for chunk in stored["Body"].iter_chunks(1024**2):
                    digest.update(chunk)
        return digest.digest()

    def _final(self, key: str) -> str:
        return f"s3://{self.final_bucket}/{key}"


def _is_copied_in_parts(upload: Upload) -> bool:
    return upload.size > (MAX_QUICK_COPY_BYTES if KNOWS_ANNOTATIONS else MAX_COPY_BYTES)


def _place(upload: Upload) -> Place:
    return Place(upload.bucket, upload.key, upload.etag, upload.version_id)


def _object(bucket: str, key: str, version_id: str | None) -> Any:  # noqa: ANN401 - parameters of two calls
    return {"Bucket": bucket, "Key": key} | ({} if version_id is None else {"VersionId": version_id})
