"""The sides of a PNG or JPEG, from its first bytes: whether the picture itself breaks Rekognition's limits.

Rekognition answers InvalidParameterException for a picture that is too narrow, and for a request that no picture could
meet, such as a wrong MinConfidence. Only the picture tells which.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

MIN_SIDE_PIXELS = 64
MAX_SIDE_PIXELS = 4096
MAX_ASPECT = 20

# The size comes after a camera's metadata, which each takes at most 64 KiB: a preview, a colour profile, a location.
HEAD_BYTES = 512 * 1024

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Start of frame, of every kind of JPEG: 0xC4, 0xC8 and 0xCC are other segments.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def breaks_limits(head: bytes) -> bool:
    """Whether a picture that begins like this has sides that Rekognition refuses; False when they are not known."""
    sides = sides_of(head)
    if sides is None:
        return False
    least, most = min(sides), max(sides)
    return least < MIN_SIDE_PIXELS or most > MAX_SIDE_PIXELS or most > MAX_ASPECT * least


def sides_of(head: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, None when the bytes do not tell."""
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return _of_jpeg(head) if head.startswith(_JPEG) else None


def _of_jpeg(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in _START_OF_FRAME:
            height, width = head[place + 5 : place + 7], head[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        # A marker may be preceded by any number of fill bytes.
        is_fill = marker == 0xFF
        place += 1 if is_fill else 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None
