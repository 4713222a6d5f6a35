"""What a reconcile writes to the final bucket: its report, and the dead-lettered images, which it does not queue."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.source_listing import ImageId

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ReportStore:
    """The objects under reconcile/ in the final bucket, below its prefix."""

    def __init__(self, s3: S3Client, final_bucket: str, final_prefix: str = "") -> None:
        self._s3 = s3
        self._final_bucket = final_bucket
        self._folder = f"{final_prefix}reconcile"
        # Every batch of a reconcile reads the same object.
        self.dead_lettered = lru_cache(maxsize=1)(self._read_dead_lettered)

    def write(self, reconcile_id: str, document: dict[str, Any]) -> None:
        """Write the report to `reconcile/<reconcile ID>.json`."""
        self._put(f"{self._folder}/{reconcile_id}.json", document, indent=2)

    def write_dead_lettered(self, reconcile_id: str, images: frozenset[ImageId]) -> str:
        """Write the images in the dead-letter queue, for the batches to read, and return the object's key."""
        key = f"{self._folder}/{reconcile_id}/dead_lettered.json"
        self._put(key, {"schema": "1", "images": [[image.key, image.etag] for image in sorted(images, key=str)]})
        return key

    def _read_dead_lettered(self, key: str) -> frozenset[ImageId]:
        stored = json.loads(self._s3.get_object(Bucket=self._final_bucket, Key=key)["Body"].read())
        return frozenset(ImageId(key, etag) for key, etag in stored["images"])

    def _put(self, key: str, document: dict[str, Any], indent: int | None = None) -> None:
        self._s3.put_object(
            Bucket=self._final_bucket,
            Key=key,
            # An input or an error may quote half of a surrogate pair, which becomes JSON's escape for it.
            Body=json.dumps(document, ensure_ascii=False, indent=indent).encode(errors="backslashreplace"),
            ContentType="application/json",
        )
