"""Pictures byte by byte, where no encoder writes what is wanted.

https://www.w3.org/TR/png-3/ and https://www.w3.org/Graphics/JPEG/itu-t81.pdf; EXIF is a TIFF file in a JPEG's APP1.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The colour types of PNG.
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# The seven passes of Adam7: first column and row, and steps.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

# TIFF's types, and their bytes for one value.
SHORT, LONG, ASCII, UNDEFINED, SLONG = 3, 4, 2, 7, 9
ORIENTATION, RESOLUTION_UNIT, EXIF_IFD, MAKE = 0x0112, 0x0128, 0x8769, 0x010F


def chunk(name: bytes, content: bytes = b"", *, is_damaged: bool = False) -> bytes:
    """A chunk of a PNG; `is_damaged`: with a wrong checksum."""
    checksum = zlib.crc32(name + content) ^ is_damaged
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def header(width: int, height: int, bits: int, colour_type: int, *, is_interlaced: bool = False) -> bytes:
    """A PNG's first chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, is_interlaced))


def png(pixels: np.ndarray, colour_type: int, *others: bytes, is_interlaced: bool = False, more: bytes = b"") -> bytes:
    """A PNG of 8 or 16 bits, by the array's type (height, width, samples); with other chunks before its pixels.

    `more`: bytes that are packed behind the last pixel.
    """
    height, width = pixels.shape[:2]
    bits = pixels.dtype.itemsize * 8
    big_endian = pixels.astype(f">u{pixels.dtype.itemsize}")
    passes = [big_endian[y::dy, x::dx] for x, y, dx, dy in ADAM7] if is_interlaced else [big_endian]
    # Each row begins with the number of its filter.
    rows = b"".join(b"\0" + row.tobytes() for one in passes if one.size for row in one)
    first = header(width, height, bits, colour_type, is_interlaced=is_interlaced)
    return b"".join((SIGNATURE, first, *others, chunk(b"IDAT", zlib.compress(rows + more, 9)), chunk(b"IEND")))


def with_chunks(whole: bytes, *chunks: bytes) -> bytes:
    """A PNG with further chunks behind its first."""
    end = len(SIGNATURE) + 12 + 13
    return whole[:end] + b"".join(chunks) + whole[end:]


def text_bomb(name: bytes) -> bytes:
    """A chunk of text that unpacks to 64 MiB."""
    packed = zlib.compress(bytes(64 * 1024 * 1024), 9)
    head = b"Comment\0" + (b"\1\0\0\0" if name == b"iTXt" else b"\0")
    return chunk(name, head + packed)


def segment(marker: int, content: bytes, *, length: int | None = None) -> bytes:
    """A segment of a JPEG; `length`: what it says of itself, when that is not true."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2 if length is None else length) + content


def with_segments(whole: bytes, *segments: bytes) -> bytes:
    """A JPEG with further segments behind its first marker."""
    return whole[:2] + b"".join(segments) + whole[2:]


def without_segments(whole: bytes, marker: int) -> bytes:
    """A JPEG without the segments of this kind before its pixels."""
    kept, position = bytearray(whole[:2]), 2
    while whole[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(whole[position + 2 : position + 4])
        if whole[position + 1] != marker:
            kept += whole[position:end]
        position = end
    return bytes(kept + whole[position:])


@dataclass(frozen=True)
class Entry:
    """An entry of an IFD; `value` are four bytes, or what they say is their place."""

    tag: int
    kind: int
    count: int
    value: bytes

    @classmethod
    def short(cls, tag: int, value: int) -> "Entry":
        """A number as most are."""
        return cls(tag, SHORT, 1, struct.pack(">HH", value, 0))

    @classmethod
    def long(cls, tag: int, value: int) -> "Entry":
        """A larger number, or a place."""
        return cls(tag, LONG, 1, struct.pack(">I", value))


FIRST_IFD = 8


def exif(entries: Iterable[Entry], *, following: int = 0, more: bytes = b"") -> bytes:
    """A JPEG's EXIF segment; `following` is the place of the next IFD, and the first is at FIRST_IFD."""
    listed = list(entries)
    directory = struct.pack(">H", len(listed))
    directory += b"".join(struct.pack(">HHI", each.tag, each.kind, each.count) + each.value for each in listed)
    tiff = b"MM\0*" + struct.pack(">I", FIRST_IFD) + directory + struct.pack(">I", following) + more
    return segment(0xE1, b"Exif\0\0" + tiff)
