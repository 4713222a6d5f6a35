"""Small copies of the images, upright as Rekognition sees them."""

import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from tools.report.reading import WORKERS, FinalBucket, body

# Ten thousand of them take about 300 MB.
SIDE_PIXELS = 640
QUALITY = 80
# Rekognition takes JPEG and PNG. What else people upload under their suffixes has failed, and is worth a look too.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# Rekognition's limit is 4096 pixels a side; a small file may unpack to more memory than there is.
PIXELS_AT_MOST = 64_000_000


@dataclass(frozen=True)
class Thumbnail:
    """A copy's file below the report's folder, and its sides in pixels."""

    file: str
    width: int
    height: int


def copy_images(
    final: FinalBucket, keys: list[str], folder: Path, on_progress: Callable[[int, int], None]
) -> dict[str, Thumbnail | None]:
    """Write a small copy of each image into `images/` of the report's folder; None for one that is gone or unreadable.

    Errors: botocore's, and OSError of the folder.
    """
    (folder / "images").mkdir()

    def copy(numbered: tuple[int, str]) -> Thumbnail | None:
        number, key = numbered
        data = body(final, key)
        small = None if data is None else _shrunk(data)
        if small is None:
            return None
        # A number, because keys are no file names.
        file = f"images/{number}.webp"
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=QUALITY, method=2)
        (folder / file).write_bytes(buffer.getvalue())
        return Thumbnail(file, *small.size)

    found: dict[str, Thumbnail | None] = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        # Of a picture with many pixels, which is refused below.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for key, thumbnail in zip(keys, pool.map(copy, enumerate(keys)), strict=True):
            found[key] = thumbnail
            on_progress(len(found), len(keys))
    return found


def _shrunk(data: bytes) -> Image.Image | None:
    """Return the image as pixels, or None if it cannot be shown.

    Upright by its EXIF orientation if it is a JPEG, and as it is otherwise, because Rekognition's boxes are.
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectFaces.html says so of other operations. The
    pages of Custom Labels say nothing; the same is assumed.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > PIXELS_AT_MOST:
                return None
            image.draft("RGB", (SIDE_PIXELS, SIDE_PIXELS))
            upright = ImageOps.exif_transpose(image) if image.format == "JPEG" else image.copy()
            small = _on_white(upright)
            small.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
            return small
    # Whatever Pillow raises is about the picture, for it is given nothing else.
    except Exception:
        return None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # A plain convert() clips samples of 16 bits instead of scaling them.
        return image.point(lambda sample: sample / 256).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
