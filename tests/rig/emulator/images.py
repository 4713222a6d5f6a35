"""What Rekognition accepts as an image, and the image as pixels.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from tests.rig.emulator import metadata
from tests.rig.emulator.errors import ServiceError

MAX_S3_BYTES = 15 * 1024 * 1024
MAX_INLINE_BYTES = 4 * 1024 * 1024
MIN_SIDE_PIXELS = 64
MAX_SIDE_PIXELS = 4096
MAX_ASPECT = 20
# A limit of ours: at 4096 pixels a side these take two seconds.
MAX_SCANS = 100

# EXIF's numbers, and what turns the picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuse an image of more than ``limit_bytes`` with ImageTooLargeException."""
    if size_bytes > limit_bytes:
        raise ServiceError("ImageTooLargeException")


def decode(data: bytes, max_side: int) -> np.ndarray:
    """The image as RGB pixels (height, width, 3), shrunk to at most ``max_side`` pixels a side.

    Upright by its EXIF orientation, because Rekognition's boxes are; transparent parts on white. What is assumed of odd
    pictures, metadata.py says.
    InvalidImageFormatException: not a whole PNG or JPEG. ImageTooLargeException: a side over 4096 pixels.
    InvalidParameterException: a side under 64 pixels, or one side more than 20 times the other.
    """
    if not data.startswith((metadata.PNG, metadata.JPEG)):
        raise ServiceError("InvalidImageFormatException")
    try:
        pixels = _pixels(metadata.without_metadata(data), max_side)
    except ServiceError:
        raise
    # Whatever Pillow raises is about the picture, for it is given nothing else.
    except Exception as error:
        raise ServiceError("InvalidImageFormatException") from error
    turn = TURNS.get(metadata.orientation(data))
    return np.asarray(pixels if turn is None else pixels.transpose(turn))


def _pixels(data: bytes, max_side: int) -> Image.Image:
    """The picture in RGB, shrunk but not turned. Errors: a ServiceError for its sides, anything for its damage."""
    # Not Image.open, which warns or raises at a size of its own.
    kind = PngImageFile if data.startswith(metadata.PNG) else JpegImageFile
    if kind is JpegImageFile and metadata.scans(data) > MAX_SCANS:
        raise ServiceError("InvalidImageFormatException")
    with kind(io.BytesIO(data)) as image:
        # From the header alone: a small file may unpack to more memory than the machine has.
        _check_sides(*image.size)
        image.draft("RGB", (max_side, max_side))
        image.load()
        flat = _on_white(image)
    flat.thumbnail((max_side, max_side), Image.Resampling.BILINEAR)
    return flat


def _check_sides(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE_PIXELS:
        raise ServiceError("ImageTooLargeException")
    if min(width, height) < MIN_SIDE_PIXELS or max(width, height) > MAX_ASPECT * min(width, height):
        raise ServiceError("InvalidParameterException")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # A plain convert() clips 16-bit samples to 255 instead of scaling them.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")
