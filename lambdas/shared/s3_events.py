"""What the messages of the image queue say: S3 tells of an object in one of two shapes, itself or through EventBridge.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

Whoever may send to the queue can write anything: what is not plainly one of the two shapes is refused in one way.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from shared.readable import shortened

TEST_EVENT = "s3:TestEvent"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
KEY_BYTES_AT_MOST = 1024
# Both go into headers of requests, where a line break would be refused later and less clearly.
ETAG = re.compile(r"[A-Za-z0-9._-]{1,128}")
VERSION_ID = re.compile(r"[A-Za-z0-9._-]{1,1024}")

# How the names of results end, in whatever case, as Terraform refuses it in image_suffixes: an image of such a name
# would have the place of another image's result. Picture services write a JSON beside each picture that is named so.
RESULT_SUFFIX = ".json"

# Room for the longest key; what is said here ends up in logs and attributes of messages.
REASON_CHARACTERS_AT_MOST = 1500


class NotAnS3EventError(Exception):
    """The message is none of S3's, or about another place; its text says what is wrong, and quotes it in bounds."""

    def __init__(self, reason: str) -> None:
        super().__init__(shortened(reason, REASON_CHARACTERS_AT_MOST).encode(errors="backslashreplace").decode())


@dataclass(frozen=True)
class Source:
    """Where images are uploaded to: a bucket, and how their keys begin in it."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True)
class CreatedObject:
    """One object that S3 tells of; `version_id` is None where the bucket keeps no versions."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size: int


def created_objects(body: str) -> list[CreatedObject]:
    """Return the objects that one message tells of; none for S3's test event. Error: NotAnS3EventError."""
    try:
        document = json.loads(body)
        if wrapper := _wrapper_of(document):
            raise NotAnS3EventError(f"not an S3 event message: {wrapper}")
        if document.get("Event") == TEST_EVENT:
            return []
        if "detail-type" in document:
            return [_from_eventbridge(document)]
        records = document["Records"]
        if not isinstance(records, list) or not records:
            raise NotAnS3EventError("the message holds no records")
        return [_from_record(record) for record in records]
    except KeyError as error:
        raise NotAnS3EventError(f"not an S3 event message: it has no member {error}") from error
    # RecursionError: JSON nested too deep; OverflowError: a size without end.
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise NotAnS3EventError(f"not an S3 event message ({type(error).__name__}: {error})") from error


def uploaded_objects(body: str, source: Source) -> list[CreatedObject]:
    """Return what `created_objects` does. Error: NotAnS3EventError for an object of another bucket or prefix too.

    Of suffixes only that of results is refused: what S3 tells of was chosen by suffix, and a suffix that is no longer
    wanted may have images waiting.
    """
    objects = created_objects(body)
    for created in objects:
        if created.bucket != source.bucket:
            raise NotAnS3EventError(
                f"the event is about bucket {created.bucket}, and this system reads {source.bucket}"
            )
        # What this system itself writes may lie in the same bucket, and so may another model's images.
        if not created.key.startswith(source.prefix):
            raise NotAnS3EventError(f"the key does not begin with {source.prefix}, as this system's do: {created.key}")
        if created.key.lower().endswith(RESULT_SUFFIX):
            raise NotAnS3EventError(
                f"the key ends with {RESULT_SUFFIX}, as results do; an image needs another name: {created.key}"
            )
    return objects


def _wrapper_of(document: Any) -> str | None:  # noqa: ANN401
    """Return what an event seems to be wrapped in, and how to unwrap it; None: it is not.

    Nothing is unwrapped here, for each service has a switch for that where it is wired up, and only whoever wired it up
    knows whom it lets send. An unwrapped text would also have to be unwrapped by everybody who reads dead letters.
    Once the switch is set, the daily reconcile queues the images of such messages: it takes them for lost.
    """
    match document:
        case {"Type": "Notification", "TopicArn": topic}:
            # https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
            how = "turn on raw message delivery (RawMessageDelivery) for the queue's subscription to"
            return f"SNS wrapped it; {how} {topic}"
        case {"Type": "SubscriptionConfirmation" | "UnsubscribeConfirmation" as kind, "TopicArn": topic}:
            return f"it is SNS's {kind} for {topic}: whoever subscribed the queue has to confirm it"
        case {"Records": [{"EventSource": "aws:sns"} | {"eventSource": "aws:sns"}, *_]}:
            return "it is SNS's event for a Lambda function; send on Sns.Message alone"
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            return "it is SQS's event for a Lambda function; send on the body of each record alone"
        case {"body": _, "messageId": _} | [{"body": _, "messageId": _}, *_]:
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
            return "an EventBridge pipe wrapped it; set the input template of the pipe's target to <$.body>"
        case {"requestContext": _, "requestPayload": _}:
            return "a Lambda destination wrapped it; send on requestPayload alone"
        case [{"Records": _} | {"detail-type": _}, *_]:
            return "it is a list of events; send each in a message of its own"
        case str() if document.lstrip().startswith(("{", "[")):
            return "it was made to JSON twice; send the event's own JSON"
    return None


def _from_record(record: dict[str, Any]) -> CreatedObject:
    if record["eventSource"] != "aws:s3" or not record["eventName"].startswith("ObjectCreated:"):
        raise NotAnS3EventError(
            f"{record['eventSource']} {record['eventName']} is not about an object that was created"
        )
    entity = record["s3"]["object"]
    # Keys are form-encoded in these events: a space comes as a plus.
    key = unquote_plus(entity["key"])
    return _created(record["s3"]["bucket"]["name"], key, entity["eTag"], entity.get("versionId"), entity["size"])


def _from_eventbridge(document: dict[str, Any]) -> CreatedObject:
    if document["source"] != "aws.s3" or document["detail-type"] != "Object Created":
        raise NotAnS3EventError(
            f"{document['source']} {document['detail-type']} is not about an object that was created"
        )
    # Keys are as they are in these events.
    entity = document["detail"]["object"]
    return _created(
        document["detail"]["bucket"]["name"], entity["key"], entity["etag"], entity.get("version-id"), entity["size"]
    )


def _created(bucket: Any, key: Any, etag: Any, version_id: Any, size: Any) -> CreatedObject:  # noqa: ANN401
    etag, size = etag.strip('"'), int(size)
    if not isinstance(bucket, str) or not isinstance(key, str) or not isinstance(version_id, str | None):
        raise NotAnS3EventError("bucket, key and version must be text")
    # encode() also refuses half of a surrogate pair, which JSON can spell and no key can hold.
    if not 1 <= len(key.encode()) <= KEY_BYTES_AT_MOST:
        raise NotAnS3EventError(f"a key has 1 to {KEY_BYTES_AT_MOST} bytes, and this one has {len(key.encode())}")
    if not ETAG.fullmatch(etag) or not VERSION_ID.fullmatch(version_id or "null"):
        raise NotAnS3EventError("etag and version must be letters, digits, dots, hyphens and underscores")
    if size < 0:
        raise NotAnS3EventError(f"a size of {size} bytes")
    # "null" is the version of objects from before versioning, or while it is suspended: it can be overwritten like an
    # object without versions, so the etag has to tell uploads apart.
    return CreatedObject(bucket, key, etag, version_id if version_id not in (None, "", "null") else None, size)
