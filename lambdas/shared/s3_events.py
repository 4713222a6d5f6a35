"""Uploads, as S3's event messages describe them: in S3's own notification format, or in EventBridge's.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

Whoever may send to the queue can write anything. What is not plainly one of the two raises UnexpectedMessage.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

from shared.readable import shortened

TEST_EVENT = "s3:TestEvent"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
# Both go into headers of requests, where a line break would be refused later and less clearly.
ETAG = re.compile(r"[A-Za-z0-9._-]{1,128}")
# S3 calls its version ids opaque.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
VERSION_ID = re.compile(r"[ -~]{1,1024}")

# An image with this suffix, in whatever case, would take the place of another image's result. Terraform refuses it in
# image_suffixes too. Picture services write a JSON with such a name beside each picture.
RESULT_SUFFIX = ".json"

# Room for the longest key. The reason ends up in logs and message attributes.
MAX_REASON_CHARACTERS = 1500


class UnexpectedMessage(Exception):  # noqa: N818 - the name is the dead letter's error_code
    """Not an S3 event about an upload to this pipeline. The text says why, and quotes the message within bounds."""

    def __init__(self, reason: str) -> None:
        super().__init__(shortened(reason, MAX_REASON_CHARACTERS).encode(errors="backslashreplace").decode())


@dataclass(frozen=True)
class Source:
    """Where images are uploaded to: a bucket, the prefix of their keys, and the suffixes of which they have one."""

    bucket: str
    prefix: str = ""
    # Without any, a key may end in whatever it likes, except for the suffix of results.
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upload:
    """One upload: its identity is the bucket, the key and the version, or the etag in a bucket without versions."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size: int

    def same_as(self, source: Mapping[str, Any]) -> bool:
        """Whether `source`, the provenance in a result, is this upload."""
        if source.get("bucket") != self.bucket or source.get("key") != self.key:
            return False
        if self.version_id is not None and source.get("version_id") is not None:
            return bool(source["version_id"] == self.version_id)
        return bool(source.get("etag") == self.etag)

    def provenance(self) -> dict[str, Any]:
        """Return the `source` of a result."""
        return asdict(self)

    def __str__(self) -> str:
        version = f" version {self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version} (etag {self.etag})"


def uploads_anywhere(body: str) -> list[Upload]:
    """Return the uploads of one message, to any bucket; none for S3's test event. Error: UnexpectedMessage."""
    try:
        document = json.loads(body)
        if wrapper := _wrapper_of(document):
            raise UnexpectedMessage(f"not an S3 event message: {wrapper}")
        if document.get("Event") == TEST_EVENT:
            return []
        if "detail-type" in document:
            return [_from_eventbridge(document)]
        records = document["Records"]
        if not isinstance(records, list) or not records:
            raise UnexpectedMessage("the message has no records")
        return [_from_record(record) for record in records]
    except KeyError as error:
        raise UnexpectedMessage(f"not an S3 event message: it has no member {error}") from error
    # RecursionError: JSON nested too deep; OverflowError: a size without end.
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UnexpectedMessage(f"not an S3 event message ({type(error).__name__}: {error})") from error


def uploads_in(body: str, source: Source) -> list[Upload]:
    """Return the uploads of one message to `source`; none for S3's test event.

    Error: UnexpectedMessage, for an upload to another bucket or prefix too, and for one without an image's suffix. S3
    chooses by suffix itself, but whoever may send to the queue could name any object there.
    """
    uploads = uploads_anywhere(body)
    for upload in uploads:
        if upload.bucket != source.bucket:
            raise UnexpectedMessage(f"the event is about bucket {upload.bucket}, not the source bucket {source.bucket}")
        # The bucket may also hold what this pipeline writes, and another pipeline's images.
        if not upload.key.startswith(source.prefix):
            raise UnexpectedMessage(f"the key is outside source_prefix {source.prefix}: {upload.key}")
        if upload.key.lower().endswith(RESULT_SUFFIX):
            raise UnexpectedMessage(
                f"the key ends with {RESULT_SUFFIX}, the suffix of results; give the image another name: {upload.key}"
            )
        if source.suffixes and not upload.key.endswith(source.suffixes):
            raise UnexpectedMessage(f"the key ends with none of image_suffixes: {upload.key}")
    return uploads


def part_of(body: str, records: slice) -> str:
    """Return a message that tells of some of the records of `body`. An EventBridge message has one, and stays whole."""
    document = json.loads(body)
    if "Records" not in document:
        return body
    return json.dumps({**document, "Records": document["Records"][records]}, ensure_ascii=False)


def _wrapper_of(document: Any) -> str | None:  # noqa: ANN401 - whatever somebody sent
    """Return what an event seems to be wrapped in, and how to send it unwrapped; None: it is not wrapped.

    Nothing is unwrapped here, because each service has a setting for that, and whoever reads dead letters would have to
    unwrap them too. Once the setting is changed, the daily reconcile queues the images of the wrapped messages.
    """
    match document:
        case {"Type": "Notification", "TopicArn": topic}:
            # https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
            how = "turn on raw message delivery (RawMessageDelivery) for the queue's subscription to"
            return f"SNS wrapped the event; {how} {topic}"
        case {"Type": "SubscriptionConfirmation" | "UnsubscribeConfirmation" as kind, "TopicArn": topic}:
            return f"it is SNS's {kind} for {topic}; whoever subscribed the queue has to confirm it"
        case {"Records": [{"EventSource": "aws:sns"} | {"eventSource": "aws:sns"}, *_]}:
            return "it is SNS's event for a Lambda function; forward only Sns.Message"
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            return "it is SQS's event for a Lambda function; forward only the body of each record"
        case {"body": _, "messageId": _} | [{"body": _, "messageId": _}, *_]:
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
            return "an EventBridge pipe wrapped the event; set the input template of the pipe's target to <$.body>"
        case {"requestContext": _, "requestPayload": _}:
            return "a Lambda destination wrapped the event; forward only requestPayload"
        case [{"Records": _} | {"detail-type": _}, *_]:
            return "it is a list of events; send each event as a separate message"
        case str() if document.lstrip().startswith(("{", "[")):
            return "it was encoded as JSON twice; encode the event once"
    return None


def _from_record(record: dict[str, Any]) -> Upload:
    if record["eventSource"] != "aws:s3" or not record["eventName"].startswith("ObjectCreated:"):
        raise UnexpectedMessage(f"{record['eventSource']} {record['eventName']} is not about a created object")
    entity = record["s3"]["object"]
    # Keys are form-encoded in these events: a space comes as a plus.
    key = unquote_plus(entity["key"])
    return _created(record["s3"]["bucket"]["name"], key, entity["eTag"], entity.get("versionId"), entity["size"])


def _from_eventbridge(document: dict[str, Any]) -> Upload:
    if document["source"] != "aws.s3" or document["detail-type"] != "Object Created":
        raise UnexpectedMessage(f"{document['source']} {document['detail-type']} is not about a created object")
    # Keys are not encoded in these events.
    entity = document["detail"]["object"]
    return _created(
        document["detail"]["bucket"]["name"], entity["key"], entity["etag"], entity.get("version-id"), entity["size"]
    )


def _created(bucket: Any, key: Any, etag: Any, version_id: Any, size: Any) -> Upload:  # noqa: ANN401 - whatever somebody sent
    etag, size = etag.strip('"'), int(size)
    if not isinstance(bucket, str) or not isinstance(key, str) or not isinstance(version_id, str | None):
        raise UnexpectedMessage("bucket, key and version must be strings")
    # encode() also refuses half of a surrogate pair, which JSON can spell and no key can hold.
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        raise UnexpectedMessage(f"a key has 1 to {MAX_KEY_BYTES} bytes, but this one has {len(key.encode())}")
    if not ETAG.fullmatch(etag) or not VERSION_ID.fullmatch(version_id or "null"):
        raise UnexpectedMessage(
            "the etag may have letters, digits, dots, hyphens and underscores, and the version printable ASCII"
        )
    if size < 0:
        raise UnexpectedMessage(f"the size must not be negative: {size} bytes")
    # "null" is the version of an object from before versioning, or while versioning is suspended. It can be overwritten
    # like an object without versions, so the etag has to distinguish uploads.
    return Upload(bucket, key, etag, version_id if version_id not in (None, "", "null") else None, size)
