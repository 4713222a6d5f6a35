"""What the messages of the image queue say, in both shapes, and what somebody may write who says it wrong."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyze_image.upload import ForeignMessageError, Upload, uploads_in
from check_queue.queue import kind_of
from reconcile.listing import ImageId
from reconcile.message import images_in
from shared.readable import shortened
from shared.s3_events import (
    KEY_BYTES_AT_MOST,
    REASON_CHARACTERS_AT_MOST,
    CreatedObject,
    NotAnS3EventError,
    Source,
    created_objects,
)

PHOTOS = Source("photos", "logos/incoming/")


def eventbridge(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """An event as EventBridge hands it on, with some members of its object changed; None: left out."""
    entity = {"key": "logos/incoming/a.jpg", "size": 5, "etag": "0123", "version-id": "v1", "sequencer": "00"} | changes
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-31T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::photos"],
        "detail": {
            "version": "0",
            "bucket": {"name": "photos"},
            "object": {name: value for name, value in entity.items() if value is not None},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    }


def record(key: str, bucket: str = "photos") -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "eTag": "0123"}},
    }


def test_an_event_through_eventbridge_is_an_upload_with_its_version() -> None:
    upload = Upload("photos", "logos/incoming/a.jpg", "0123", "v1", 5)
    assert uploads_in(json.dumps(eventbridge()), PHOTOS) == [upload]
    assert kind_of(json.dumps(eventbridge()), PHOTOS) == ("images", None)
    assert list(images_in(json.dumps(eventbridge()), "photos")) == [ImageId("logos/incoming/a.jpg", "0123")]


@pytest.mark.parametrize("key", ["a+b.jpg", "a%20b.jpg", "a b.jpg", "é/写真.jpg", "100%.jpg"])
def test_a_key_through_eventbridge_is_as_it_is(key: str) -> None:
    [created] = created_objects(json.dumps(eventbridge(key=key)))
    assert created.key == key


@pytest.mark.parametrize("version", [None, "", "null"])
def test_an_event_without_a_version_has_none(version: str | None) -> None:
    [created] = created_objects(json.dumps(eventbridge(**{"version-id": version})))
    assert created.version_id is None


@pytest.mark.parametrize(
    "event",
    [
        eventbridge() | {"detail-type": "Object Deleted"},
        eventbridge() | {"source": "somebody.else"},
        eventbridge() | {"detail": None},
        eventbridge(key=None),
        eventbridge(key=""),
        eventbridge(key="a" * (KEY_BYTES_AT_MOST + 1)),
        eventbridge(key=["a.jpg"]),
        eventbridge(key="\ud800.jpg"),
        eventbridge(etag=None),
        eventbridge(etag="line\r\nbreak"),
        eventbridge(**{"version-id": 7}),
        eventbridge(**{"version-id": "x\ny"}),
        eventbridge(size=-1),
        eventbridge(size="many"),
        eventbridge(size=float("inf")),
        {"Records": []},
        {"Records": {}},
        {"Records": [None]},
        {"Records": [record("a.jpg"), {}]},
        [],
        None,
    ],
)
def test_what_is_no_event_about_a_new_object_is_refused(event: Any) -> None:  # noqa: ANN401
    with pytest.raises(NotAnS3EventError):
        created_objects(json.dumps(event))
    assert list(images_in(json.dumps(event), "photos")) == []


@pytest.mark.parametrize(
    "body", ["[" * 200_000, '{"detail":' * 200_000, '{"Records": [' + "9" * 100_000 + "]}", "", "x"]
)
def test_absurd_messages_are_refused(body: str) -> None:
    with pytest.raises(ForeignMessageError):
        uploads_in(body, PHOTOS)
    assert list(images_in(body, "photos")) == []
    assert kind_of(body, PHOTOS)[0] == "unexpected"


def test_a_message_that_is_nested_too_deep_starts_no_model() -> None:
    assert kind_of("[" * (sys.getrecursionlimit() * 100), PHOTOS)[0] == "unexpected"


def test_an_event_about_something_deleted_starts_no_model() -> None:
    kind, reason = kind_of(json.dumps(eventbridge() | {"detail-type": "Object Deleted"}), PHOTOS)
    assert (kind, reason) == ("unexpected", "aws.s3 Object Deleted is not about an object that was created")


@pytest.mark.parametrize(
    "key", ["a.jpg", "logos/processed/logos/incoming/a.jpg", "logos/incoming", "plants/incoming/a.jpg"]
)
@pytest.mark.parametrize("wrap", [lambda key: eventbridge(key=key), lambda key: {"Records": [record(key)]}])
def test_an_image_outside_of_the_source_prefix_is_refused_with_its_reason(key: str, wrap: Any) -> None:  # noqa: ANN401
    with pytest.raises(ForeignMessageError, match="does not begin with logos/incoming/") as refused:
        uploads_in(json.dumps(wrap(key)), PHOTOS)
    assert kind_of(json.dumps(wrap(key)), PHOTOS) == ("unexpected", str(refused.value)), "it starts no model either"


def test_an_image_of_another_bucket_is_refused_with_its_reason() -> None:
    event = eventbridge()
    event["detail"]["bucket"]["name"] = "another"
    with pytest.raises(ForeignMessageError, match="about bucket another") as refused:
        uploads_in(json.dumps(event), PHOTOS)
    assert kind_of(json.dumps(event), PHOTOS) == ("unexpected", str(refused.value)), "it starts no model either"


@pytest.mark.parametrize(
    "event",
    [
        eventbridge() | {"detail-type": "x" * 200_000},
        {"Records": [record("logos/incoming/a.jpg", bucket="x" * 200_000)]},
        {"Records": [record("logos/incoming/a.jpg", bucket="half a pair: \ud800")]},
        {"Records": [record("logos/incoming/a.jpg") | {"eventName": "\udfff" * 200_000}]},
        eventbridge(size="9" * 4_000 + "x"),
    ],
)
def test_a_reason_quotes_what_somebody_wrote_in_bounds_and_can_be_logged(event: dict[str, Any]) -> None:
    with pytest.raises(ForeignMessageError) as refused:
        uploads_in(json.dumps(event), PHOTOS)
    assert 20 < len(str(refused.value).encode()) <= 6 * REASON_CHARACTERS_AT_MOST


# --- events that something wrapped

EVENT = json.dumps({"Records": [record("logos/incoming/a.jpg")]})
TOPIC = "arn:aws:sns:us-east-1:123456789012:photos"


@pytest.mark.parametrize(
    ("wrapped", "what_to_do"),
    [
        (
            {"Type": "Notification", "MessageId": "x", "TopicArn": TOPIC, "Subject": "S3", "Message": EVENT},
            f"turn on raw message delivery (RawMessageDelivery) for the queue's subscription to {TOPIC}",
        ),
        ({"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Token": "x"}, "whoever subscribed the queue has to"),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": EVENT}}]}, "send on Sns.Message alone"),
        ({"Records": [{"eventSource": "aws:sqs", "body": EVENT}]}, "send on the body of each record alone"),
        ({"messageId": "x", "receiptHandle": "y", "body": EVENT}, "set the input template of the pipe's target"),
        ([{"messageId": "x", "receiptHandle": "y", "body": EVENT}], "set the input template of the pipe's target"),
        ({"version": "1.0", "requestContext": {}, "requestPayload": {}}, "send on requestPayload alone"),
        ([json.loads(EVENT)], "send each in a message of its own"),
        ([eventbridge()], "send each in a message of its own"),
        (EVENT, "send the event's own JSON"),
    ],
)
def test_an_event_that_something_wrapped_is_refused_with_how_to_unwrap_it(wrapped: Any, what_to_do: str) -> None:  # noqa: ANN401
    with pytest.raises(ForeignMessageError) as refused:
        uploads_in(json.dumps(wrapped), PHOTOS)
    assert str(refused.value).startswith("not an S3 event message: ")
    assert what_to_do in str(refused.value)
    assert list(images_in(json.dumps(wrapped), "photos")) == [], "so that the daily reconcile queues its image again"


@pytest.mark.parametrize(
    ("event", "member"), [({}, "Records"), ({"Records": [{}]}, "eventSource"), ({"detail-type": "x"}, "source")]
)
def test_a_member_that_is_missing_is_named(event: dict[str, Any], member: str) -> None:
    with pytest.raises(ForeignMessageError, match=f"not an S3 event message: it has no member '{member}'"):
        uploads_in(json.dumps(event), PHOTOS)


@pytest.mark.parametrize("key", ["a.jpg.json", "a.JSON", "a/.json"])
@pytest.mark.parametrize("wrap", [lambda key: eventbridge(key=key), lambda key: {"Records": [record(key)]}])
def test_a_key_that_ends_as_results_do_is_refused_and_starts_no_model(key: str, wrap: Any) -> None:  # noqa: ANN401
    event = json.dumps(wrap(f"logos/incoming/{key}"))
    kind, reason = kind_of(event, PHOTOS)
    assert (kind, str(reason).split(":")[0]) == (
        "unexpected",
        "the key ends with .json, as results do; an image needs another name",
    )
    with pytest.raises(ForeignMessageError, match="as results do"):
        uploads_in(event, PHOTOS)


def test_the_reason_stays_whole_however_long_the_key_is() -> None:
    with pytest.raises(ForeignMessageError) as refused:
        uploads_in(json.dumps({"Records": [record("k" * KEY_BYTES_AT_MOST)]}), PHOTOS)
    assert shortened(str(refused.value), 1000).startswith("the key does not begin with logos/incoming/, as this")


# --- whatever anybody may write

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Return the path to everything in a document, itself included."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for name, value in inner for found in leaves(value, (*path, name)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401
    """Return the document with another value at a path."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


@st.composite
def nearly_right(draw: st.DrawFn) -> str:
    """Draw an event of either shape with up to three parts replaced by something else."""
    event = draw(st.sampled_from([eventbridge(), {"Records": [record("logos/incoming/a+b.jpg")]}]))
    for _ in range(draw(st.integers(0, 3))):
        event = replaced(event, draw(st.sampled_from(leaves(event))), draw(json_values))
    return json.dumps(event)


@given(st.text(max_size=200) | st.builds(json.dumps, json_values) | nearly_right())
@settings(max_examples=400, deadline=None)
def test_a_message_is_read_whole_or_refused_in_one_way(body: str) -> None:
    try:
        uploads = uploads_in(body, PHOTOS)
    except ForeignMessageError:
        uploads = None
    for upload in uploads or []:
        assert upload.bucket == "photos"
        assert upload.key.startswith("logos/incoming/")
        assert 1 <= len(upload.key.encode()) <= KEY_BYTES_AT_MOST
        assert upload.etag.isascii()
        assert upload.size >= 0
    expected = "unexpected" if uploads is None else "images" if uploads else "test_events"
    assert kind_of(body, PHOTOS)[0] == expected, "what the analysis labels, and nothing else, the model is started for"
    if uploads:
        assert set(images_in(body, "photos")) == {ImageId(upload.key, upload.etag) for upload in uploads}


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
    lambda key: len(key.encode()) <= 1024
)


@given(keys)
def test_every_key_that_s3_allows_comes_back_from_eventbridge(key: str) -> None:
    assert created_objects(json.dumps(eventbridge(key=key))) == [CreatedObject("photos", key, "0123", "v1", 5)]
