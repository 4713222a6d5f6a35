"""Messages in S3's own format, written for each orphan.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote_plus

from shared.timestamps import format_rfc3339

# S3's own events are ObjectCreated:Put, Post, Copy and CompleteMultipartUpload. The analysis accepts every
# ObjectCreated event, and this name shows in the logs where the message came from.
EVENT_NAME = "ObjectCreated:Reconciled"


@dataclass(frozen=True)
class Origin:
    """Where the messages say that they come from: the source bucket, which is in the model's region."""

    bucket: str
    partition: str
    region: str

    @classmethod
    def of(cls, bucket: str, model_arn: str) -> "Origin":
        """Return the origin for `bucket`, with the partition and the region of the model."""
        _, partition, _, region, *_ = model_arn.split(":")
        return cls(bucket, partition, region)


@dataclass(frozen=True)
class Version:
    """What HeadObject says of an object; `version_id` is None in a bucket without versions, and for version "null"."""

    key: str
    etag: str
    version_id: str | None
    size: int
    last_modified: datetime
    is_archived: bool


def event_body(version: Version, origin: Origin) -> str:
    """Return the message that S3 would have sent for this upload."""
    entity: dict[str, str | int] = {
        "key": quote_plus(version.key, safe="/"),
        "size": version.size,
        "eTag": version.etag,
    }
    if version.version_id is not None:
        entity["versionId"] = version.version_id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": origin.region,
        "eventTime": format_rfc3339(version.last_modified),
        "eventName": EVENT_NAME,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "reconcile",
            "bucket": {"name": origin.bucket, "arn": f"arn:{origin.partition}:s3:::{origin.bucket}"},
            "object": entity,
        },
    }
    return json.dumps({"Records": [record]})
