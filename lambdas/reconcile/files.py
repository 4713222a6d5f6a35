"""What a reconcile writes to the final bucket: its report, and the images that it leaves alone."""

import json
from functools import lru_cache
from typing import Any

from reconcile.listing import ImageId


class Files:
    """The objects under reconcile/ in the final bucket, below its prefix."""

    def __init__(self, s3: Any, final_bucket: str, final_prefix: str = "") -> None:  # noqa: ANN401
        self._s3 = s3
        self._final_bucket = final_bucket
        self._folder = f"{final_prefix}reconcile"
        # Every batch of a reconcile asks for the same one.
        self.set_aside = lru_cache(maxsize=1)(self._read_set_aside)

    def write(self, run_id: str, document: dict[str, Any]) -> None:
        """Write the report to `reconcile/<run id>.json`."""
        self._put(f"{self._folder}/{run_id}.json", document, indent=2)

    def write_set_aside(self, run_id: str, images: frozenset[ImageId]) -> str:
        """Write what is in the dead-letter queue for the batches to read, and return its key."""
        key = f"{self._folder}/{run_id}/set_aside.json"
        self._put(key, {"schema": "1", "images": [[image.key, image.etag] for image in sorted(images, key=str)]})
        return key

    def _read_set_aside(self, key: str) -> frozenset[ImageId]:
        stored = json.loads(self._s3.get_object(Bucket=self._final_bucket, Key=key)["Body"].read())
        return frozenset(ImageId(key, etag) for key, etag in stored["images"])

    def _put(self, key: str, document: dict[str, Any], indent: int | None = None) -> None:
        self._s3.put_object(
            Bucket=self._final_bucket,
            Key=key,
            # Half of a surrogate pair, which an input or an error may quote, becomes the escape that JSON has for it.
            Body=json.dumps(document, ensure_ascii=False, indent=indent).encode(errors="backslashreplace"),
            ContentType="application/json",
        )
