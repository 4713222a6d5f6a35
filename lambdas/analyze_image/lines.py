"""A result as one flat line for SQL, and the stream of such lines.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared import outbox
from shared.clients import CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_firehose.type_defs import RecordTypeDef

# A call takes 4 MiB. A batch has ten messages.
MAX_LINES_PER_CALL = 10
MAX_LINE_BYTES = 400 * 1024
# How long `Stream.send` may take with a client of one attempt that reads for 2 s.
SEND_LINES_SECONDS = outbox.ROUNDS * (CONNECT_TIMEOUT_SECONDS + 2) + outbox.MAX_PAUSE_SECONDS


def line_of(upload_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a result or a failure, of either schema. `upload_id` tells it from all others."""
    source, image, error = document["source"], document["image"], document.get("error") or {}
    return {
        "id": upload_id,
        "analyzed_at": document["analyzed_at"],
        "run_id": document.get("run_id"),
        "outcome": "failed" if error else "processed",
        "bucket": source["bucket"],
        "key": source["key"],
        "version_id": source["version_id"],
        "etag": source["etag"],
        "size_bytes": source["size"],
        "image_bucket": image["bucket"],
        "image_key": image["key"],
        "model": document["model"]["project_version_arn"],
        "min_confidence": document["min_confidence"],
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "labels": list(_labels(document)),
    }


def _labels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    thresholds = document.get("thresholds", {})
    for name, passes in (("CustomLabels", True), ("BelowThreshold", False)):
        for label in document.get(name, []):
            box = label.get("Geometry", {}).get("BoundingBox", {})
            yield {
                "name": label["Name"],
                "confidence": label["Confidence"],
                "passes": passes,
                "threshold": thresholds.get(label["Name"], document["min_confidence"]),
                "box_left": box.get("Left"),
                "box_top": box.get("Top"),
                "box_width": box.get("Width"),
                "box_height": box.get("Height"),
            }


class Stream:
    """Sends lines to Data Firehose, which writes them to S3 at least once."""

    def __init__(self, firehose: FirehoseClient, name: str) -> None:
        self._firehose = firehose
        self._name = name

    def send(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Send lines. What Firehose refuses twice is logged, and no error is raised."""
        outbox.send("a line of the stream", lines, self._put, MAX_LINES_PER_CALL)

    def _put(self, lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
        records: list[RecordTypeDef] = [{"Data": _encoded(line)} for line in lines]
        answer = self._firehose.put_record_batch(DeliveryStreamName=self._name, Records=records)
        return [response.get("ErrorCode") for response in answer["RequestResponses"]]


def _encoded(line: Mapping[str, Any]) -> bytes:
    encoded = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    if len(encoded) <= MAX_LINE_BYTES or not line["labels"]:
        return encoded
    # Thousands of labels, as with candidates from 0 on: the surest of them. The result beside the image has all.
    labels = sorted(line["labels"], key=lambda label: -label["confidence"])
    return _encoded({**line, "labels": labels[: len(labels) * 3 // 4]})
