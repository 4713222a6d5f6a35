"""What the messages of the image queue say, in both formats, and what somebody may write who says it wrong.

The folders of s3_events hold one message per file, and what it yields: uploads, or the reason why it is unexpected.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.readable import shortened
from shared.s3_events import (
    MAX_KEY_BYTES,
    MAX_REASON_CHARACTERS,
    Source,
    UnexpectedMessage,
    Upload,
    uploads_anywhere,
    uploads_in,
)
from shared.source_listing import ImageId, images_in

PHOTOS = Source("photos", "logos/incoming/")
FILES = Path(__file__).parent / "s3_events"


def cases(*folders: str) -> Any:  # noqa: ANN401 - pytest gives its marks no type of their own
    paths = [path for folder in folders for path in sorted((FILES / folder).glob("*.json"))]
    return pytest.mark.parametrize("case", paths, ids=lambda path: path.stem)


def message_in(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text())["message"]
    return message


@cases("uploads")
def test_a_message_is_the_uploads_that_it_tells_of(case: Path) -> None:
    document = json.loads(case.read_text())
    body = json.dumps(document["message"])
    uploads = [Upload(**upload) for upload in document["uploads"]]
    assert uploads_in(body, PHOTOS) == uploads
    assert list(images_in(body, PHOTOS.bucket)) == [ImageId(upload.key, upload.etag) for upload in uploads]


@cases("unexpected", "malformed")
def test_anything_else_is_refused_with_its_reason(case: Path) -> None:
    document = json.loads(case.read_text())
    body = json.dumps(document["message"])
    with pytest.raises(UnexpectedMessage) as refused:
        uploads_in(body, PHOTOS)
    reason, expected = str(refused.value), document["unexpected"]
    # Where the file does not say more, the reason goes on with Python's own words.
    assert reason.startswith(f"{expected} (") if expected == "not an S3 event message" else reason == expected
    # The reconcile queues an image whose message is unexpected, unless it can read in the message which image it is.
    assert [[image.key, image.etag] for image in images_in(body, PHOTOS.bucket)] == document.get("dead_lettered", [])


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "hello", "{", '"Records"', "\x00", "\ufeff{}"),
        *("[" * 200_000, '{"detail":' * 200_000, '{"Records": [' + "9" * 100_000 + "]}"),
        '{"Records": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_what_is_no_json_or_absurd_is_refused(body: str) -> None:
    with pytest.raises(UnexpectedMessage):
        uploads_in(body, PHOTOS)
    assert list(images_in(body, "photos")) == []


@pytest.mark.parametrize("key", ["a.jpg.json", "a.JSON", "a/.json"])
def test_the_suffix_of_results_is_refused_in_any_case(key: str) -> None:
    with pytest.raises(UnexpectedMessage, match="the suffix of results"):
        uploads_in(with_object("uploads/s3_put", key=f"logos/incoming/{key}"), PHOTOS)


@pytest.mark.parametrize(("key", "is_image"), [("a.jpg", True), ("a.JPG", False), ("a.gif", False), ("jpg", False)])
def test_only_a_key_with_one_of_the_suffixes_is_an_image(key: str, is_image: bool) -> None:
    body = with_object("uploads/s3_put", key=f"logos/incoming/{key}")
    source = replace(PHOTOS, suffixes=(".png", ".jpg"))
    if is_image:
        assert [upload.key for upload in uploads_in(body, source)] == [f"logos/incoming/{key}"]
        return
    with pytest.raises(UnexpectedMessage) as refused:
        uploads_in(body, source)
    assert str(refused.value) == f"the key ends with none of image_suffixes: logos/incoming/{key}"


def with_object(name: str, **changes: Any) -> str:  # noqa: ANN401 - of JSON
    """The message of a file with some members of its object changed."""
    message = message_in(name)
    entity = message["detail"]["object"] if "detail" in message else message["Records"][0]["s3"]["object"]
    entity |= changes
    return json.dumps(message)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(message_in("uploads/eventbridge_object_created") | {"detail-type": "x" * 200_000}),
        json.dumps({"Records": [message_in("uploads/s3_put")["Records"][0] | {"eventName": "\udfff" * 200_000}]}),
        json.dumps(message_in("unexpected/s3_another_bucket")).replace("another", "x" * 200_000),
        json.dumps(message_in("unexpected/s3_another_bucket")).replace("another", r"half a pair: \ud800"),
        with_object("uploads/eventbridge_object_created", size="9" * 4_000 + "x"),
        with_object("uploads/s3_put", key="logos/incoming/\ud800.jpg"),
        with_object("uploads/eventbridge_object_created", key="logos/incoming/\ud800.jpg"),
        with_object("uploads/s3_put", size=float("inf")),
        with_object("uploads/eventbridge_object_created", size=float("inf")),
    ],
)
def test_a_reason_quotes_what_somebody_wrote_in_bounds_and_can_be_logged(body: str) -> None:
    with pytest.raises(UnexpectedMessage) as refused:
        uploads_in(body, PHOTOS)
    assert 20 < len(str(refused.value).encode()) <= 6 * MAX_REASON_CHARACTERS


def test_the_reason_stays_whole_however_long_the_key_is() -> None:
    with pytest.raises(UnexpectedMessage) as refused:
        uploads_in(with_object("uploads/s3_put", key="k" * MAX_KEY_BYTES), PHOTOS)
    assert shortened(str(refused.value), 1000).startswith("the key is outside source_prefix logos/incoming/: k")


# --- whatever anybody may write

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
JUNK = (None, True, -1, 0, 1e400, "", "x", "\ud800", "%ff", "%", [], [[]], {}, {"key": {}}, "a" * 3000)
BOTH_FORMATS = [message_in("uploads/s3_put_versioned"), message_in("uploads/eventbridge_object_created")]


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


def assert_read_whole_or_refused(body: str) -> None:
    try:
        uploads = uploads_in(body, PHOTOS)
    except UnexpectedMessage:
        return
    for upload in uploads:
        assert upload.bucket == "photos"
        assert upload.key.startswith("logos/incoming/")
        assert 1 <= len(upload.key.encode()) <= MAX_KEY_BYTES
        assert upload.etag.isascii()
        assert upload.size >= 0
        assert hash(upload)
    assert list(images_in(body, "photos")) == [ImageId(upload.key, upload.etag) for upload in uploads]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:10])
@pytest.mark.parametrize("message", BOTH_FORMATS, ids=["s3", "eventbridge"])
def test_junk_in_any_member_is_read_whole_or_refused_in_one_way(message: dict[str, Any], junk: object) -> None:
    for path in leaves(message):
        assert_read_whole_or_refused(json.dumps(replaced(message, path, junk)))


@st.composite
def nearly_right(draw: st.DrawFn) -> str:
    """Draw an event of either format with up to three parts replaced by something else."""
    event = draw(st.sampled_from(BOTH_FORMATS))
    for _ in range(draw(st.integers(0, 3))):
        event = replaced(event, draw(st.sampled_from(leaves(event))), draw(json_values))
    return json.dumps(event)


@given(st.text(max_size=200) | st.builds(json.dumps, json_values) | nearly_right())
@settings(max_examples=400, deadline=None)
def test_a_message_is_read_whole_or_refused_in_one_way(body: str) -> None:
    assert_read_whole_or_refused(body)


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
    lambda key: len(key.encode()) <= MAX_KEY_BYTES
)


@given(keys)
def test_every_key_that_s3_allows_comes_back_from_eventbridge(key: str) -> None:
    [upload] = uploads_anywhere(with_object("uploads/eventbridge_object_created", key=key))
    assert upload.key == key
