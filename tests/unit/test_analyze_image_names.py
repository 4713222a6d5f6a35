"""Names in the final bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze_image.names import MAX_KEY_BYTES, candidates, json_key
from shared.s3_events import Upload
from tests.unit.conftest import SOURCE


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


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.sampled_from(
    ["a.json", "a.JSON", "a.json.jpg", "x/.json", ".jpg", "a.", "a/", "k" * MAX_KEY_BYTES]
)
# Whatever can be printed, as S3's are opaque.
version_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=1024)


@given(keys, st.none() | version_ids | st.sampled_from(["v.json", "../x", "/"]))
def test_no_name_ends_like_a_result_leaves_the_folder_of_its_key_or_is_too_long(
    key: str, version_id: str | None
) -> None:
    for name in candidates("processed", upload_of(key, version_id=version_id)):
        assert not name.lower().endswith(".json")
        assert len(json_key(name).encode()) <= MAX_KEY_BYTES
        assert name.count("/") == f"processed/{key}".count("/")


@pytest.mark.parametrize("letter", ["a", "é", "写"])
def test_a_key_at_s3s_limit_still_finds_a_name_within_it(letter: str) -> None:
    stem = letter * ((MAX_KEY_BYTES - 4) // len(letter.encode()))
    upload = upload_of(stem + ".jpg", version_id="v" * 32)
    for prefix in ("processed", "failed"):
        names = candidates(prefix, upload)
        assert names
        assert all(len(json_key(name).encode()) <= MAX_KEY_BYTES for name in names)
        assert all(name.endswith(".jpg") for name in names)
