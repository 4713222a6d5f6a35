"""Whether a picture breaks Rekognition's limits is read from its first bytes, whatever a camera put before its size."""

import pytest

from analyze_image.picture_sides import HEAD_BYTES, breaks_limits, sides_of
from tests.rig.corpus.pictures import BAD_SIDES, ODD_PICTURES, PROCESSED, plain


def test_no_odd_picture_is_taken_for_one_that_breaks_the_limits_unless_it_does() -> None:
    heads = {odd: odd.make()[:HEAD_BYTES] for odd in ODD_PICTURES if odd.end in (PROCESSED, BAD_SIDES)}
    assert [odd.key for odd, head in heads.items() if breaks_limits(head)] == [
        odd.key for odd in heads if odd.end == BAD_SIDES
    ]
    assert [odd.key for odd, head in heads.items() if sides_of(head) is None] == [
        "metadata/segment without length.jpg",
        "metadata/bytes between segments.jpg",
    ]


@pytest.mark.parametrize(
    ("width", "height", "breaks"),
    [(64, 64, False), (63, 64, True), (1280, 64, False), (64, 1281, True), (4096, 300, False), (300, 4097, True)],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_each_limit_counts_for_both_sides(kind: str, width: int, height: int, *, breaks: bool) -> None:
    assert breaks_limits(plain(width, height, kind, "L")) is breaks


@pytest.mark.parametrize("end", range(0, 200, 7))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_cut_short_is_read_or_unknown(kind: str, end: int) -> None:
    assert sides_of(plain(80, 70, kind)[:end]) in (None, (80, 70))


def test_what_is_no_picture_has_no_sides() -> None:
    for odd in (b"", b"\xff\xd8", b"\xff\xd8" + bytes(40), b"\xff\xd8\xff\xe0\x00\x00" * 20, b"GIF89a" + bytes(40)):
        assert sides_of(odd) is None
        assert not breaks_limits(odd)
