"""A picture without its metadata, and the way up that its metadata tells.

Rekognition's answer to a picture whose metadata is broken is in no document. Assumed here, as cameras and editors write
such pictures every day: it decodes the pixels, and metadata changes nothing but the way up. So a decoder of ours must
not see what it could stumble over: it gets the parts that the pixels hang on, and nothing else.

Assumed to be refused: a file that ends before its pixels do, and a PNG with a wrong checksum of them, as libpng has it.
So is a JPEG with more scans than any encoder writes, which could take hours.
A JPEG without its end marker is refused too, because Pillow cannot tell it from one without its last pixels; a PNG
without its end chunk is whole.
"""

from __future__ import annotations

import zlib

from PIL import Image
from PIL.ExifTags import Base

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"

# https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_START_OF_IMAGE = b"\xff\xd8"
_END_OF_IMAGE, _START_OF_SCAN, _APP0, _APP1, _APP14, _APP15, _COMMENT = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
# Markers that no length follows: RST0 to RST7, another start of an image, TEM, and 0xFF as a stuffed byte.
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD9)}
# The two that tell how the colours are meant, with the bytes that a decoder reads of them.
_OF_COLOURS = {_APP0: (b"JFIF\0", 14), _APP14: (b"Adobe", 12)}
_EXIF = b"Exif\0\0"

# The bytes of tRNS by the colour type that IHDR tells: https://www.w3.org/TR/png-3/#11tRNS
_TRANSPARENCY_BYTES: dict[int | None, set[int]] = {0: {2}, 2: {6}, 3: set(range(1, 257))}


def without_metadata(data: bytes) -> bytes:
    """The PNG or JPEG with what its pixels need, and with nothing behind its end or behind damage of that."""
    return _bare_png(data) if data.startswith(PNG) else _bare_jpeg(data)[0]


def scans(data: bytes) -> int:
    """How often a JPEG goes over its pixels: progressive ones do so some ten times, each finer than the one before."""
    pixels = data[: data.find(bytes((0xFF, _END_OF_IMAGE)))]
    return pixels.count(bytes((0xFF, _START_OF_SCAN)))


def orientation(data: bytes) -> int:
    """How the picture is turned, by EXIF's numbers 1 to 8; 1, upright, where it does not say that plainly.

    Of a JPEG alone: "Amazon Rekognition doesn't perform image correction for images in .png format".
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectFaces.html
    Custom Labels' own pages do not say; the same is assumed.
    """
    if data.startswith(PNG):
        return 1
    exif = Image.Exif()
    try:
        exif.load(_bare_jpeg(data)[1])
        found = exif.get(Base.Orientation)
    # What Pillow raises depends on where the damage is.
    except Exception:
        return 1
    return next((number for number in range(1, 9) if number == found), 1)


def _bare_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """The JPEG without metadata, and its EXIF (empty: none)."""
    kept, exif = bytearray(_START_OF_IMAGE), b""
    position = len(_START_OF_IMAGE)
    # Bytes between segments are passed over, as libjpeg does.
    while (position := data.find(b"\xff", position)) >= 0:
        if data[position + 1 : position + 2] in (b"", b"\xff"):
            position += 1
            continue
        marker = data[position + 1]
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            kept += data[position:]
            break
        end = position + 2 + max(2, int.from_bytes(data[position + 2 : position + 4]))
        segment, content = data[position:end], data[position + 4 : end]
        position = end
        if marker in _OF_COLOURS:
            name, least_bytes = _OF_COLOURS[marker]
            if content.startswith(name) and len(content) >= least_bytes:
                kept += segment
        elif marker == _APP1 and content.startswith(_EXIF):
            exif = exif or content
        elif not (_APP0 <= marker <= _APP15 or marker == _COMMENT):
            kept += segment
    return bytes(kept), exif


def _bare_png(data: bytes) -> bytes:
    kept, position, colour_type = bytearray(PNG), len(PNG), None
    while name := data[position + 4 : position + 8]:
        end = position + 12 + int.from_bytes(data[position : position + 4])
        chunk, content = data[position:end], data[position + 8 : end - 4]
        position = end
        if name == b"IHDR":
            colour_type = content[9] if len(content) > 9 else None
        is_whole = chunk[-4:] == zlib.crc32(name + content).to_bytes(4)
        is_critical = name[:1].isupper()
        if name == b"IEND" or (is_critical and not is_whole):
            break
        is_transparency = name == b"tRNS" and len(content) in _TRANSPARENCY_BYTES.get(colour_type, ())
        if is_whole and (is_critical or is_transparency):
            kept += chunk
    return bytes(kept)
