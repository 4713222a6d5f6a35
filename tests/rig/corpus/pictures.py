"""The table of odd pictures, each with the end that it has to come to.

What is assumed of Rekognition is in tests/rig/emulator/metadata.py, its limits are in tests/rig/emulator/images.py, and
the suffixes that S3 tells of are in tests/rig/stack/pictures.py.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.rig.corpus import parts
from tests.rig.corpus.parts import Entry, chunk, exif, segment, with_chunks, with_segments
from tests.rig.stack.pictures import Drawing, draw

PROCESSED = "processed"
NOT_NOTIFIED = "not notified"
"""S3 does not tell of it, because of its suffix: it stays where it is."""
BAD_FORMAT = "InvalidImageFormatException"
BAD_SIDES = "InvalidParameterException"
TOO_LARGE = "ImageTooLargeException"

MEBIBYTE = 1024 * 1024

# Not in the middle, so that a turn is seen.
DRAWN, [(LABEL, BOX)] = draw(Drawing("", (160, 120), "#ffffff", (("red-circle", 30, 20, 70),)))
PIXELS = np.asarray(DRAWN)
OPAQUE = np.full((*PIXELS.shape[:2], 1), 255, dtype=np.uint8)
# How it lies in a file that says "orientation n", n from 1 to 8.
LYING: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


@dataclass(frozen=True)
class Odd:
    """One picture: its key, what makes its bytes, its end, and whether LABEL is seen in BOX if it is processed."""

    key: str
    make: Callable[[], bytes]
    end: str = PROCESSED
    is_seen: bool = True


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as Pillow writes it."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def jpeg(image: Image.Image = DRAWN, **options: object) -> bytes:
    """The drawing, or another image, as a JPEG."""
    return saved(image, "JPEG", **{"quality": 90} | options)


def plain(width: int, height: int, kind: str, mode: str = "RGB") -> bytes:
    """An image of one colour."""
    return saved(Image.new(mode, (width, height), 0), kind)


def turned(number: int, *others: Entry) -> bytes:
    """The drawing as a camera stores it, with further entries in its EXIF."""
    entries = sorted([Entry.short(parts.ORIENTATION, number), *others], key=lambda entry: entry.tag)
    return with_segments(jpeg(LYING[number](DRAWN)), exif(entries))


def with_entry(*entries: Entry, following: int = 0) -> bytes:
    """The drawing, upright, with these entries in its EXIF."""
    return with_segments(jpeg(), exif(entries, following=following))


def several(kind: str) -> bytes:
    """Two images in one file: the drawing, and its negative."""
    negative = Image.fromarray(255 - PIXELS)
    return saved(DRAWN, kind, save_all=True, append_images=[negative])


def of_colours(count: int, **options: object) -> bytes:
    """The drawing as a PNG with a palette."""
    return saved(DRAWN.quantize(count), "PNG", **options)


def padded(whole: bytes, size_bytes: int) -> bytes:
    """The file filled up to a size."""
    return whole + bytes(size_bytes - len(whole))


def cut(whole: bytes, share: float) -> bytes:
    """The beginning of a file."""
    return whole[: int(len(whole) * share)]


def bomb(side: int) -> bytes:
    """A PNG of one bit a pixel, a thousandth of its size when it is packed."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return parts.SIGNATURE + parts.header(side, side, 1, parts.GREY) + chunk(b"IDAT", packed) + chunk(b"IEND")


def scanned_again(times: int) -> bytes:
    """A progressive JPEG whose last scan is there so many times more."""
    whole = jpeg(progressive=True)
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * times + whole[-2:]


def of_sides(whole: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame says that it has other sides."""
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 :]


def sixteen_bits(pixels: np.ndarray) -> np.ndarray:
    """Samples of 16 bits."""
    return pixels.astype(np.uint16) * 257


def drawn_png() -> bytes:
    """The drawing as a plain PNG."""
    return parts.png(PIXELS, parts.RGB)


RGBA = np.concatenate([PIXELS, OPAQUE], axis=2)
HIDDEN = np.concatenate([PIXELS, OPAQUE * 0], axis=2)
WHITE_ON_CLEAR = chunk(b"tRNS", struct.pack(">HHH", 255, 255, 255))
EMPTY_EXIF = exif([])

FORMATS = (
    Odd("formats/plain.png", drawn_png),
    Odd("formats/plain.jpg", jpeg),
    Odd("formats/fine colours (4-4-4).jpeg", lambda: jpeg(subsampling=0)),
    Odd("formats/coarse.JPG", lambda: jpeg(quality=5), is_seen=False),
    Odd("formats/progressive.jpg", lambda: jpeg(progressive=True)),
    Odd("formats/restart markers.JPEG", lambda: jpeg(restart_marker_blocks=2)),
    Odd("formats/grey.jpg", lambda: jpeg(DRAWN.convert("L")), is_seen=False),
    Odd("formats/cmyk.jpg", lambda: jpeg(DRAWN.convert("CMYK"), quality=95)),
    Odd("formats/rgb without transform.jpg", lambda: jpeg(keep_rgb=True)),
    Odd("formats/no jfif.jpg", lambda: parts.without_segments(jpeg(), 0xE0)),
    Odd("formats/interlaced.png", lambda: parts.png(PIXELS, parts.RGB, is_interlaced=True)),
    Odd("formats/grey.png", lambda: saved(DRAWN.convert("L"), "PNG"), is_seen=False),
    Odd("formats/black and white.PNG", lambda: saved(DRAWN.convert("1"), "PNG"), is_seen=False),
    Odd("formats/two bits.png", lambda: saved(DRAWN.quantize(4), "PNG", bits=2)),
    Odd("formats/sixteen bits grey.png", lambda: parts.png(sixteen_bits(PIXELS[:, :, 1:2]), parts.GREY), is_seen=False),
    Odd("formats/sixteen bits.png", lambda: parts.png(sixteen_bits(PIXELS), parts.RGB)),
    Odd(
        "formats/sixteen bits, alpha, interlaced.png",
        lambda: parts.png(sixteen_bits(RGBA), parts.RGBA, is_interlaced=True),
    ),
    Odd("formats/alpha.png", lambda: parts.png(RGBA, parts.RGBA)),
    Odd("formats/all transparent.png", lambda: parts.png(HIDDEN, parts.RGBA), is_seen=False),
    Odd("formats/grey with alpha.png", lambda: parts.png(RGBA[:, :, [1, 3]], parts.GREY_ALPHA), is_seen=False),
    Odd("formats/white is transparent.png", lambda: parts.png(PIXELS, parts.RGB, WHITE_ON_CLEAR)),
    Odd("formats/palette.png", lambda: of_colours(64)),
    Odd("formats/palette, transparent.png", lambda: of_colours(64, transparency=0)),
    Odd("formats/animated.png", lambda: several("PNG")),
    Odd("formats/two views (mpo).jpg", lambda: several("MPO")),
)

TURNS = tuple(Odd(f"turned/{number}.jpg", partial(turned, number)) for number in LYING)

METADATA = (
    # As a known camera writes it: a resolution unit of -1, in a type that it must not have.
    Odd(
        "metadata/resolution unit -1, turned.jpg",
        lambda: turned(6, Entry(parts.RESOLUTION_UNIT, parts.SLONG, 1, struct.pack(">i", -1))),
    ),
    Odd("metadata/orientation 0.jpg", lambda: with_entry(Entry.short(parts.ORIENTATION, 0))),
    Odd("metadata/orientation 9.jpg", lambda: with_entry(Entry.short(parts.ORIENTATION, 9))),
    Odd(
        "metadata/orientation as text.jpg",
        lambda: with_entry(Entry(parts.ORIENTATION, parts.ASCII, 4, b"top\0")),
    ),
    Odd("metadata/two orientations.jpg", lambda: with_entry(Entry(parts.ORIENTATION, parts.SHORT, 2, b"\0\1\0\6"))),
    Odd(
        "metadata/unknown type of entry.jpg",
        lambda: turned(8, Entry(parts.RESOLUTION_UNIT, 99, 1, bytes(4))),
    ),
    Odd(
        "metadata/an entry of 4 GB.jpg",
        lambda: turned(3, Entry(parts.MAKE, parts.ASCII, 2**32 - 1, struct.pack(">I", 26))),
    ),
    Odd(
        "metadata/a thousand entries.jpg",
        lambda: with_entry(*[Entry.short(0xC000 + number, number) for number in range(1000)]),
    ),
    Odd(
        "metadata/directory in itself.jpg",
        lambda: with_entry(Entry.long(parts.EXIF_IFD, parts.FIRST_IFD), following=parts.FIRST_IFD),
    ),
    Odd("metadata/directory nowhere.jpg", lambda: with_entry(Entry.long(parts.EXIF_IFD, 2**32 - 1))),
    Odd("metadata/exif cut off.jpg", lambda: with_segments(jpeg(), segment(0xE1, EMPTY_EXIF[4:14]))),
    Odd("metadata/exif is noise.jpg", lambda: with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + b"\xfe" * 50))),
    Odd("metadata/exif twice.jpg", lambda: with_segments(turned(1), EMPTY_EXIF)),
    Odd(
        "metadata/orientation in a png.png",
        lambda: with_chunks(drawn_png(), chunk(b"eXIf", exif([Entry.short(parts.ORIENTATION, 6)])[10:])),
    ),
    Odd("metadata/colour profile is noise.jpg", lambda: jpeg(icc_profile=b"no profile" * 20)),
    Odd("metadata/colour profile of no bytes.jpg", lambda: with_segments(jpeg(), segment(0xE2, b"ICC_PROFILE\0"))),
    Odd("metadata/colour profile in noise.png", lambda: with_chunks(drawn_png(), chunk(b"iCCP", b"p\0\0noise"))),
    Odd(
        "metadata/colour profile bomb.png",
        lambda: with_chunks(drawn_png(), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(64 * MEBIBYTE), 9))),
    ),
    Odd(
        "metadata/xmp is broken.jpg", lambda: with_segments(jpeg(), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"))
    ),
    Odd("metadata/photoshop cut off.jpg", lambda: with_segments(jpeg(), segment(0xED, b"Photoshop 3.0\08BIM\3\xed"))),
    Odd("metadata/jfif cut off.jpg", lambda: with_segments(jpeg(), segment(0xE0, b"JFIF\0"))),
    Odd("metadata/adobe cut off.jpg", lambda: with_segments(jpeg(), segment(0xEE, b"Adobe"))),
    Odd("metadata/index of views is noise.jpg", lambda: with_segments(jpeg(), segment(0xE2, b"MPF\0" + b"\xff" * 60))),
    Odd("metadata/comment with escapes.jpg", lambda: jpeg(comment=b"\x1b[31m\x07\0\xff\xfe")),
    Odd("metadata/segment without length.jpg", lambda: with_segments(jpeg(), segment(0xFE, b"", length=0))),
    Odd("metadata/bytes between segments.jpg", lambda: with_segments(jpeg(), b"\xff\xff\0\0\0")),
    Odd("metadata/text bomb (itxt).png", lambda: with_chunks(drawn_png(), parts.text_bomb(b"iTXt"))),
    Odd("metadata/text bomb (ztxt).png", lambda: with_chunks(drawn_png(), parts.text_bomb(b"zTXt"))),
    Odd(
        "metadata/text with a wrong checksum.png",
        lambda: with_chunks(drawn_png(), chunk(b"tEXt", b"Comment\0x", is_damaged=True)),
    ),
    Odd(
        "metadata/unknown chunk with a wrong checksum.png",
        lambda: with_chunks(drawn_png(), chunk(b"miSc", b"x", is_damaged=True)),
    ),
    Odd("metadata/transparency of one byte.png", lambda: with_chunks(drawn_png(), chunk(b"tRNS", b"\0"))),
    Odd("metadata/resolution of no bytes.png", lambda: with_chunks(drawn_png(), chunk(b"pHYs"))),
    Odd("metadata/gamma 0.png", lambda: with_chunks(drawn_png(), chunk(b"gAMA", bytes(4)))),
)

ENDS = (
    Odd("ends/more behind it.jpg", lambda: jpeg() + b"PK\3\4 and a whole archive"),
    Odd("ends/more behind it.png", lambda: drawn_png() + b"<?php"),
    Odd("ends/another picture behind it.jpg", lambda: jpeg() + plain(64, 64, "JPEG")),
    Odd("ends/no end chunk.png", lambda: drawn_png()[:-12]),
    Odd("ends/no end marker.jpg", lambda: jpeg()[:-2], BAD_FORMAT),
    Odd("ends/cut in half.png", lambda: cut(drawn_png(), 0.5), BAD_FORMAT),
    Odd("ends/cut in half.jpg", lambda: cut(jpeg(), 0.5), BAD_FORMAT),
    Odd("ends/cut in half, progressive.jpg", lambda: cut(jpeg(progressive=True), 0.5), BAD_FORMAT),
    Odd("ends/first bytes only.png", lambda: parts.SIGNATURE, BAD_FORMAT),
    Odd("ends/first bytes only.jpg", lambda: b"\xff\xd8\xff\xe0", BAD_FORMAT),
    Odd("ends/one byte.jpg", lambda: b"\xff", BAD_FORMAT),
    Odd("ends/empty.png", lambda: b"", BAD_FORMAT),
    Odd(
        "ends/no pixels.png",
        lambda: with_chunks(parts.SIGNATURE + parts.header(64, 64, 8, parts.RGB), chunk(b"IEND")),
        BAD_FORMAT,
    ),
    Odd(
        "ends/pixels with a wrong checksum.png",
        lambda: drawn_png().replace(chunk(b"IEND"), b"")[:-1] + b"\0" + chunk(b"IEND"),
        BAD_FORMAT,
    ),
    Odd("ends/zeros.jpg", lambda: bytes(4096), BAD_FORMAT),
)

RENAMED = (
    Odd("renamed/a png.jpg", lambda: parts.png(PIXELS, parts.RGB, chunk(b"tEXt", b"Title\0a png"))),
    Odd("renamed/a jpeg.png", lambda: jpeg(quality=91)),
    Odd("renamed/a gif.jpg", lambda: plain(80, 80, "GIF", "P"), BAD_FORMAT),
    Odd("renamed/a webp.png", lambda: plain(80, 80, "WEBP"), BAD_FORMAT),
    Odd("renamed/a tiff.JPG", lambda: plain(80, 80, "TIFF"), BAD_FORMAT),
    Odd("renamed/a bmp.PNG", lambda: plain(80, 80, "BMP"), BAD_FORMAT),
    Odd("renamed/a heic.jpeg", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), BAD_FORMAT),
    Odd("renamed/a page.JPEG", lambda: b"<!DOCTYPE html><title>404 Not Found</title>", BAD_FORMAT),
    Odd("renamed/a result.png", lambda: b'{"schema": "1", "CustomLabels": []}', BAD_FORMAT),
    Odd("renamed/text before a picture.jpg", lambda: b"\r\n" + jpeg(), BAD_FORMAT),
)

SIZES = (
    Odd("sizes/64 x 64.png", lambda: plain(64, 64, "PNG"), is_seen=False),
    Odd("sizes/63 x 64.png", lambda: plain(63, 64, "PNG"), BAD_SIDES),
    Odd("sizes/1 x 1.jpg", lambda: plain(1, 1, "JPEG"), BAD_SIDES),
    Odd("sizes/1280 x 64.jpg", lambda: plain(1280, 64, "JPEG"), is_seen=False),
    Odd("sizes/64 x 1281.png", lambda: plain(64, 1281, "PNG"), BAD_SIDES),
    Odd("sizes/4096 x 4096.png", lambda: plain(4096, 4096, "PNG", "1"), is_seen=False),
    Odd("sizes/4097 x 300.png", lambda: plain(4097, 300, "PNG", "1"), TOO_LARGE),
    Odd("sizes/15 MiB.jpg", lambda: padded(jpeg(), 15 * MEBIBYTE)),
    Odd("sizes/15 MiB and a byte.jpg", lambda: padded(jpeg(), 15 * MEBIBYTE + 1), TOO_LARGE),
    Odd("sizes/bomb of 20,000 pixels a side.png", lambda: bomb(20_000), TOO_LARGE),
    Odd(
        "sizes/says 2 billion pixels a side.png",
        lambda: (
            parts.SIGNATURE
            + parts.header(2**31 - 1, 2**31 - 1, 16, parts.RGBA)
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND")
        ),
        TOO_LARGE,
    ),
    Odd("sizes/says 65,500 pixels a side.jpg", lambda: of_sides(jpeg(), 65_500, 65_500), TOO_LARGE),
    Odd("sizes/50 scans.jpg", lambda: scanned_again(40)),
    Odd("sizes/bomb of 5,000 scans.jpg", lambda: scanned_again(5_000), BAD_FORMAT),
    Odd("sizes/says 4,096 pixels a side.jpg", lambda: of_sides(jpeg(), 4096, 4096), is_seen=False),
    Odd(
        "sizes/more pixels than its sides.png",
        lambda: parts.png(PIXELS, parts.RGB, more=bytes(64 * MEBIBYTE)),
    ),
)

NEIGHBOURS = (
    Odd("neighbours/mixed case.Jpg", jpeg, NOT_NOTIFIED),
    Odd("neighbours/photo.gif", lambda: plain(80, 80, "GIF", "P"), NOT_NOTIFIED),
    Odd("neighbours/photo.webp", lambda: plain(80, 80, "WEBP"), NOT_NOTIFIED),
    Odd("neighbours/photo.jpg.part", lambda: cut(jpeg(), 0.5), NOT_NOTIFIED),
    Odd("neighbours/photo", jpeg, NOT_NOTIFIED),
    Odd("neighbours/Thumbs.db", lambda: b"\xd0\xcf\x11\xe0", NOT_NOTIFIED),
)

ODD_PICTURES = (*FORMATS, *TURNS, *METADATA, *ENDS, *RENAMED, *SIZES, *NEIGHBOURS)


def write(folder: Path) -> None:
    """Write all of them below a folder, which is made if need be: the same bytes each time."""
    for odd in ODD_PICTURES:
        path = folder / odd.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(odd.make())
