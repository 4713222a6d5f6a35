"""Names in the final bucket, and what the queue's messages say."""

import json

import pytest

from analyze_image.names import MAX_KEY_BYTES, candidates, json_key
from shared.s3_events import Source, UnexpectedMessage, Upload, uploads_in
from tests.unit.analyze_image_kit import body, event
from tests.unit.conftest import SOURCE

# --- names


def upload_of(key: str, etag: str = "0123456789abcdef", version_id: str | None = None) -> Upload:
    return Upload(SOURCE, key, etag, version_id, 1)


@pytest.mark.parametrize(
    ("key", "marked"),
    [
        ("a.jpg", "processed/a~01234567.jpg"),
        ("x/y/a.b.PNG", "processed/x/y/a.b~01234567.PNG"),
        ("x.d/noext", "processed/x.d/noext~01234567"),
        ("x/.jpg", "processed/x/.jpg~01234567"),
        ("写真 (1).jpeg", "processed/写真 (1)~01234567.jpeg"),
        ("/a.jpg", "processed//a~01234567.jpg"),
        ("a//b.jpg", "processed/a//b~01234567.jpg"),
    ],
)
def test_a_taken_name_is_marked_before_the_extension(key: str, marked: str) -> None:
    assert candidates("processed", upload_of(key))[:2] == [f"processed/{key}", marked]


def test_a_third_name_tells_versions_of_the_same_bytes_apart() -> None:
    one, two = upload_of("a.jpg", version_id="v1"), upload_of("a.jpg", version_id="v2")
    assert candidates("failed", one)[2] == "failed/a~0123456789abcdef-v1.jpg"
    assert candidates("failed", one)[2] != candidates("failed", two)[2]


@pytest.mark.parametrize("letter", ["a", "é", "写"])
def test_a_key_at_s3s_limit_still_finds_a_name_within_it(letter: str) -> None:
    stem = letter * ((MAX_KEY_BYTES - 4) // len(letter.encode()))
    upload = upload_of(stem + ".jpg", version_id="v" * 32)
    for prefix in ("processed", "failed"):
        names = candidates(prefix, upload)
        assert names
        assert all(len(json_key(name).encode()) <= MAX_KEY_BYTES for name in names)
        assert all(name.endswith(".jpg") for name in names)


# --- messages


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b.jpg", "a b.jpg"),
        ("a%2Bb.jpg", "a+b.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("a%2520b.jpg", "a%20b.jpg"),
        ("K%C3%A4fer+%281%29.jpg", "Käfer (1).jpg"),
    ],
)
def test_keys_are_decoded_once(encoded: str, key: str) -> None:
    assert uploads_in(body(event(encoded)), Source(SOURCE))[0].key == key


def test_every_record_of_a_message_is_an_upload() -> None:
    uploads = uploads_in(body(event("a.jpg"), event("b.jpg", versionId="v1")), Source(SOURCE))
    assert [(upload.key, upload.version_id) for upload in uploads] == [("a.jpg", None), ("b.jpg", "v1")]


def test_the_null_version_counts_as_no_version() -> None:
    assert uploads_in(body(event(versionId="null")), Source(SOURCE))[0].version_id is None


def test_a_test_event_holds_no_upload() -> None:
    assert uploads_in(json.dumps({"Event": "s3:TestEvent"}), Source(SOURCE)) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "hello",
        "null",
        "[]",
        "{}",
        '{"Records": null}',
        '{"Records": [1]}',
        body({"eventSource": "aws:sns", "eventName": "x"}),
        body({**event(), "eventName": "ObjectRemoved:Delete"}),
        body(event(bucket="another-bucket")),
        body({**event(), "s3": {}}),
        body(event(size="many")),
        body(event(size=-1)),
        body(event(size=None)),
        body(event(size=float("inf"))),
        body(event(key="")),
        body(event(key=7)),
        body(event(key="\ud800.jpg")),
        body(event(eTag="")),
        body(event(eTag=["e"])),
        body(event(versionId=["v"])),
        body(event(versionId=7)),
        body({**event(), "eventName": 7}),
        body({**event(), "s3": None}),
        body({**event(), "s3": {"bucket": SOURCE, "object": []}}),
        body(event(), {}),
        body(),
        "",
        "7",
        '"Records"',
        '{"Records": {}}',
        '{"Records": ""}',
        '{"Records": "abc"}',
        '{"Records": [[]]}',
        '{"Event": "s3:testevent"}',
        '{"Event": ["s3:TestEvent"]}',
        '{"Records": ' + "[" * 5000 + "]" * 5000 + "}",
        "[" * 100_000,
        "\x00",
        "\ufeff" + body(event()),
    ],
)
def test_anything_else_is_refused(foreign: str) -> None:
    with pytest.raises(UnexpectedMessage):
        uploads_in(foreign, Source(SOURCE))


JUNK = (None, True, -1, 0, 1e400, "", "x", "\ud800", "%ff", "%", [], [[]], {}, {"key": {}}, "a" * 3000)


@pytest.mark.parametrize(
    "path",
    [
        ("eventSource",),
        ("eventName",),
        ("s3",),
        ("s3", "bucket"),
        ("s3", "bucket", "name"),
        ("s3", "object"),
        ("s3", "object", "key"),
        ("s3", "object", "eTag"),
        ("s3", "object", "size"),
        ("s3", "object", "versionId"),
    ],
)
@pytest.mark.parametrize("missing", [False, True])
def test_junk_in_any_field_is_an_upload_or_foreign_and_nothing_else(path: tuple[str, ...], missing: bool) -> None:
    for junk in JUNK:
        record = event(versionId="v1")
        place = record
        for name in path[:-1]:
            place = place[name]
        if missing:
            del place[path[-1]]
        else:
            place[path[-1]] = junk
        try:
            [upload] = uploads_in(body(record), Source(SOURCE))
        except UnexpectedMessage:
            continue
        assert upload.bucket == SOURCE
        assert upload.key.encode()
        assert hash(upload)
        assert upload.size >= 0
