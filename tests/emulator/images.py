"""What Rekognition accepts as an image, and the image as pixels.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from tests.emulator.errors import ServiceError

MAX_S3_BYTES = 15 * 1024 * 1024
MAX_INLINE_BYTES = 4 * 1024 * 1024
MIN_SIDE_PIXELS = 64
MAX_SIDE_PIXELS = 4096
MAX_ASPECT = 20

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuse an image of more than ``limit_bytes`` with ImageTooLargeException."""
    if size_bytes > limit_bytes:
        raise ServiceError("ImageTooLargeException")


def decode(data: bytes, max_side: int) -> np.ndarray:
    """The image as RGB pixels (height, width, 3), shrunk to at most ``max_side`` pixels a side.

    Upright by its EXIF orientation, because Rekognition's boxes are; transparent parts on white.
    InvalidImageFormatException: not a whole PNG or JPEG. ImageTooLargeException: a side over 4096 pixels.
    InvalidParameterException: a side under 64 pixels, or one side more than 20 times the other.
    """
    if not data.startswith(SIGNATURES):
        raise ServiceError("InvalidImageFormatException")
    try:
        with Image.open(io.BytesIO(data)) as image:
            # From the header alone: a small file may unpack to more memory than the machine has.
            _check_sides(*image.size)
            image.draft("RGB", (max_side, max_side))
            image.load()
            upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise ServiceError("ImageTooLargeException") from error
    # What Pillow raises for a damaged file depends on where the damage is.
    except (OSError, SyntaxError, ValueError) as error:
        raise ServiceError("InvalidImageFormatException") from error
    flat = _on_white(upright)
    flat.thumbnail((max_side, max_side), Image.Resampling.BILINEAR)
    return np.asarray(flat)


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
