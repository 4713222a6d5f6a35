"""Copies an image that is too large for one call in parts, with all that it carries.

CopyObject takes along what an object carries. An object that is put together from parts has only what it is given.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from botocore.exceptions import BotoCoreError, ClientError

from analyze_image.errors import ErrorClass, classify
from shared.clients import error_code
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES = 64 * 1024**2
MAX_PARTS = 10_000
CALLS_AT_ONCE = 10

# What HeadObject answers and CreateMultipartUpload takes, under one name. As for CopyObject, storage class, redirects
# and access control lists are the final bucket's.
CARRIED = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)

# Of these S3 can check that the parts have the whole object's checksum. A whole object's SHA is no SHA of its parts.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
OF_WHOLE = ("CRC64NVME", "CRC32C", "CRC32")
OF_PARTS = ("SHA256", "SHA1", "CRC32C", "CRC32")


class AnnotationsUnreadableError(Exception):
    """The runtime's boto3 cannot read annotations."""


@dataclass(frozen=True)
class Place:
    """An object; `version_id` None: the current one. The etag is without quotes."""

    bucket: str
    key: str
    etag: str
    version_id: str | None = None

    @property
    def name(self) -> Any:  # noqa: ANN401 - parameters of many calls
        """How calls name it."""
        return {"Bucket": self.bucket, "Key": self.key} | ({"VersionId": self.version_id} if self.version_id else {})

    @property
    def as_source(self) -> Any:  # noqa: ANN401 - of two calls
        """How a copy names it. boto3 encodes the key of a source, and not its version."""
        return self.name | ({"VersionId": quote(self.version_id, safe="")} if self.version_id else {})

    @property
    def quoted(self) -> str:
        """The etag as headers have it."""
        return f'"{self.etag}"'


def copy_in_parts(s3: S3Client, source: Place, bucket: str, key: str) -> None:
    """Copy `source` to a name that is free, without its annotations.

    Errors: ClientErrors, of which 412 says that the source was replaced or the name is taken.
    """
    head = _head(s3, source)
    algorithm, is_whole = _checksum_of(head)
    asked: dict[str, Any] = {name: head[name] for name in CARRIED if name in head}  # type: ignore[literal-required]
    tags = [(tag["Key"], tag["Value"]) for tag in s3.get_object_tagging(**source.name)["TagSet"]]
    if tags:
        asked["Tagging"] = urlencode(tags)
    if algorithm:
        asked |= {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT" if is_whole else "COMPOSITE"}
    upload: Any = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload, **asked)["UploadId"]

    def copy(numbered: tuple[int, str]) -> Any:  # noqa: ANN401 - a part as CompleteMultipartUpload takes it
        number, range_of_bytes = numbered
        copied = s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource=source.as_source,
            CopySourceIfMatch=source.quoted,
            CopySourceRange=range_of_bytes,
        )["CopyPartResult"]
        sums = {name: value for name, value in copied.items() if name.startswith("Checksum")}
        return {"PartNumber": number, "ETag": copied["ETag"], **sums}

    try:
        with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
            parts = list(threads.map(copy, enumerate(_ranges(head["ContentLength"]), start=1)))
        whole: Any = {"ChecksumType": "FULL_OBJECT", f"Checksum{algorithm}": head.get(f"Checksum{algorithm}")}
        s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*", **(whole if is_whole else {})
        )
    except BaseException:
        # What stays all the same is the lifecycle rule's for broken uploads.
        with suppress(ClientError, BotoCoreError):
            s3.abort_multipart_upload(**upload)
        raise


def carry_annotations(s3: S3Client, source: Place, copy: Place) -> None:
    """Give a copy the annotations of its source; a repetition does no harm.

    Errors: ClientErrors, of which 412 says that `copy` is another object now; AnnotationsUnreadableError.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAnnotation.html
    """
    check_annotations_readable(s3)

    def carry(name: str) -> None:
        payload = s3.get_object_annotation(**source.name, AnnotationName=name)["AnnotationPayload"].read()
        s3.put_object_annotation(**copy.name, AnnotationName=name, AnnotationPayload=payload, ObjectIfMatch=copy.quoted)

    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        for _ in threads.map(carry, _annotations_of(s3, source)):
            pass


def check_annotations_readable(s3: S3Client) -> None:
    """Error: AnnotationsUnreadableError."""
    if not hasattr(s3, "list_object_annotations"):
        raise AnnotationsUnreadableError(
            "this image has to be copied in parts, and the runtime's boto3 does not know the annotations that the copy "
            "would lose. Wait for a runtime with boto3 1.43.31, or move the image by hand"
        )


def _annotations_of(s3: S3Client, source: Place) -> Iterator[str]:
    page: Any = {}
    while True:
        try:
            listed = s3.list_object_annotations(**source.name, **page)
        except ClientError as error:
            if error_code(error) == "NotImplemented":
                # A region that has no annotations yet, so the image has none.
                return
            raise
        yield from (each["AnnotationName"] for each in listed.get("Annotations", []))
        if not listed.get("NextContinuationToken"):
            return
        page = {"ContinuationToken": listed["NextContinuationToken"]}


def _head(s3: S3Client, source: Place) -> HeadObjectOutputTypeDef:
    try:
        return s3.head_object(**source.name, IfMatch=source.quoted, ChecksumMode="ENABLED")
    except ClientError as error:
        if classify(error) is not ErrorClass.REFUSED:
            raise
        # For the checksum of an object under a KMS key S3 asks for more than a reader has. It makes one of its own.
        logger.warning("S3 does not tell the checksum of a large image", key=source.key)
        return s3.head_object(**source.name, IfMatch=source.quoted)


def _checksum_of(head: HeadObjectOutputTypeDef) -> tuple[str, bool]:
    """Return the algorithm that the copy's checksum is to have, and whether it is the source's of the whole object."""
    if head.get("ChecksumType") == "FULL_OBJECT":
        for algorithm in OF_WHOLE:
            if f"Checksum{algorithm}" in head:
                return algorithm, True
    return next((algorithm for algorithm in OF_PARTS if f"Checksum{algorithm}" in head), ""), False


def _ranges(size: int) -> Iterator[str]:
    part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))
    for first in range(0, size, part_bytes):
        yield f"bytes={first}-{min(first + part_bytes, size) - 1}"
