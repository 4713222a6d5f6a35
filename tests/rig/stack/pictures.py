"""The pictures that the demo and the end-to-end tests upload, or a user's own folder of them.

The default set is the same bytes on every run: real photographs that lie in the scikit-image wheel (nothing
is downloaded), drawn pictures of which it is known what is in them and where, and two files that can never
be labelled. The keys are those that break careless code: blanks, ``+``, ``%20`` taken literally, letters
outside ASCII, composed and decomposed, and a suffix in either case.
"""

from __future__ import annotations

import io
import math
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import skimage.data
from PIL import Image, ImageDraw

SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
"""What the bucket notifies about (terraform: ``image_suffixes``); S3 compares it case by case."""

KEY_BYTES_AT_MOST = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

Box = tuple[float, float, float, float]
"""Left, top, width and height as ratios of the picture's width and height."""


def boxes(custom_labels: list[dict[str, Any]], name: str) -> list[Box]:
    """Where a label was found."""
    return [
        tuple(label["Geometry"]["BoundingBox"][side] for side in ("Left", "Top", "Width", "Height"))
        for label in custom_labels
        if label["Name"] == name
    ]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


@dataclass(frozen=True)
class Picture:
    """One file of a set: its key below the folder, and the (label, box) of each object drawn in it."""

    key: str
    kind: Literal["drawn", "photo", "broken"]
    objects: tuple[tuple[str, Box], ...] = ()


@dataclass(frozen=True)
class Photo:
    """A crop (left, top, right, bottom in pixels; None: all) of a photograph in the wheel."""

    key: str
    source: str
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Drawing:
    """Objects (label, left, top, side in pixels) on a plain ground."""

    key: str
    size: tuple[int, int]
    ground: str
    objects: tuple[tuple[str, int, int, int], ...]


COLOURS = {
    "red": (214, 40, 40),
    "orange": (247, 127, 0),
    "yellow": (250, 204, 21),
    "green": (34, 150, 70),
    "blue": (37, 82, 220),
    "purple": (142, 42, 190),
}

PHOTOS = (
    Photo("photos/astronaut.jpg", "astronaut.png"),
    Photo("photos/astronaut portrait (crop).png", "astronaut.png", (120, 0, 376, 256)),
    Photo("photos/shuttle+model.JPG", "astronaut.png", (330, 30, 512, 340)),
    Photo("photos/coffee.png", "coffee.png"),
    Photo("photos/coffee, spoon & saucer.jpeg", "coffee.png", (330, 60, 600, 360)),
    Photo("photos/Chelsea (the cat).jpg", "chelsea.png"),
    Photo("photos/100%20cat.PNG", "chelsea.png", (90, 40, 300, 220)),
    Photo("photos/rocket.JPEG", "rocket.jpg"),
    Photo("photos/rocket=launch.jpg", "rocket.jpg", (230, 0, 430, 427)),
    Photo("photos/hubble deep field.jpg", "hubble_deep_field.jpg"),
    Photo("photos/motor/cycle left.jpg", "motorcycle_left.png"),
    Photo("photos/motor/cycle+wheel.jpg", "motorcycle_left.png", (60, 220, 360, 490)),
    Photo("photos/retina's.JPG", "retina.jpg", (100, 100, 1300, 1300)),
    Photo("photos/ihc stain.png", "ihc.png"),
    Photo("photos/grey/camera.png", "camera.png"),
    Photo("photos/grey/coins.jpg", "coins.png"),
    Photo("photos/grey/moon.PNG", "moon.png"),
    Photo("photos/grey/brick.jpeg", "brick.png"),
    Photo("photos/grey/gravel.jpg", "gravel.png"),
    Photo("photos/grey/clock.png", "clock_motion.png"),
)

DRAWINGS = (
    Drawing("drawn/red-circle.png", (400, 300), "#ffffff", (("red-circle", 120, 70, 150),)),
    Drawing("drawn/red-circle.jpg", (400, 300), "#ffffff", (("red-circle", 120, 70, 150),)),
    Drawing("drawn/blue square.png", (320, 320), "#f4f1ea", (("blue-square", 60, 90, 160),)),
    Drawing("drawn/blue square.JPG", (320, 320), "#f4f1ea", (("blue-square", 60, 90, 160),)),
    Drawing("drawn/green+triangle.PNG", (360, 300), "#eef3f7", (("green-triangle", 90, 60, 180),)),
    Drawing("drawn/green+triangle.jpeg", (360, 300), "#eef3f7", (("green-triangle", 90, 60, 180),)),
    Drawing("drawn/50%.png", (500, 350), "#fffdf5", (("orange-square", 40, 40, 100),)),
    Drawing("drawn/a%20b.jpg", (500, 350), "#fffdf5", (("orange-circle", 300, 160, 120),)),
    Drawing("drawn/a b.jpg", (500, 350), "#f0f0f0", (("purple-circle", 60, 160, 120),)),
    Drawing("drawn/tom & jerry's (1).JPEG", (480, 360), "#ffffff", (("yellow-star", 150, 80, 200),)),
    Drawing("drawn/key=value&x=1.png", (480, 360), "#ffffff", (("purple-star", 200, 100, 180),)),
    Drawing("drawn/Käfer.jpg", (420, 280), "#f7f7f2", (("red-star", 110, 40, 190),)),
    # The same name to a reader, another key to S3: the letters' dots are characters of their own.
    Drawing(
        unicodedata.normalize("NFD", "drawn/Käfer.png"),
        (420, 280),
        "#f7f7f2",
        (("green-circle", 230, 60, 140),),
    ),
    Drawing("drawn/写真/青い四角.png", (600, 400), "#e9eef5", (("blue-square", 330, 150, 170),)),
    Drawing("drawn/写真/黄色い丸.jpg", (600, 400), "#fafafa", (("yellow-circle", 80, 150, 170),)),
    Drawing("drawn/emoji 🎯/🚀.png", (300, 300), "#ffffff", (("orange-triangle", 60, 70, 170),)),
    Drawing("drawn/éclair/naïve façade.jpeg", (300, 400), "#fff8f0", (("purple-triangle", 60, 120, 180),)),
    Drawing(
        "drawn/several/two.png",
        (640, 400),
        "#ffffff",
        (("red-circle", 60, 80, 180), ("blue-square", 380, 140, 160)),
    ),
    Drawing(
        "drawn/several/two.jpg",
        (640, 400),
        "#f5f5f5",
        (("yellow-triangle", 70, 80, 200), ("purple-circle", 400, 160, 150)),
    ),
    Drawing(
        "drawn/several/three.png",
        (800, 500),
        "#f9f6ef",
        (("green-square", 60, 60, 160), ("red-triangle", 320, 200, 200), ("yellow-star", 570, 60, 180)),
    ),
    Drawing(
        "drawn/several/same twice.jpg",
        (800, 400),
        "#ffffff",
        (("red-circle", 80, 90, 200), ("red-circle", 500, 130, 120)),
    ),
    Drawing(
        "drawn/several/all four shapes.JPEG",
        (900, 700),
        "#f2f5f2",
        (
            ("blue-circle", 70, 60, 200),
            ("orange-square", 600, 80, 180),
            ("green-triangle", 80, 400, 220),
            ("purple-star", 560, 390, 230),
        ),
    ),
    Drawing("drawn/sizes/smallest side.png", (200, 64), "#ffffff", (("red-square", 20, 12, 40),)),
    Drawing("drawn/sizes/wide (4000 x 1500).jpg", (4000, 1500), "#ffffff", (("blue-star", 900, 300, 900),)),
    Drawing(
        "drawn/deep/er/and/deep.er/yellow.square.PNG",
        (350, 350),
        "#ffffff",
        (("yellow-square", 90, 90, 170),),
    ),
    Drawing("drawn/no-reserved_chars~here!.jpg", (350, 350), "#f8f8ff", (("blue-triangle", 80, 90, 190),)),
)

BROKEN = (Picture("broken/notes (not a picture).jpg", "broken"), Picture("broken/cut+off.png", "broken"))

# Soft edges, as a drawing program makes them.
_OVERSAMPLING = 4


def photo(shade: int) -> bytes:
    """Return a small PNG of its own for each shade below 65,536."""
    target = io.BytesIO()
    Image.new("RGB", (80, 80), (shade % 256, shade // 256 % 256, 128)).save(target, "PNG")
    return target.getvalue()


def write_default_set(folder: Path) -> list[Picture]:
    """Write the default set below ``folder`` (made if need be) and describe it, sorted by key."""
    pictures = [*BROKEN]
    for photo in PHOTOS:
        with Image.open(Path(skimage.data.__file__).parent / photo.source) as image:
            _save(
                image.convert("RGB").crop(photo.crop) if photo.crop else image.convert("RGB"),
                folder / photo.key,
            )
        pictures.append(Picture(photo.key, "photo"))
    for drawing in DRAWINGS:
        drawn, objects = draw(drawing)
        _save(drawn, folder / drawing.key)
        pictures.append(Picture(drawing.key, "drawn", objects))
    notes, cut_off = (folder / picture.key for picture in BROKEN)
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text("These are minutes of a meeting that someone saved under the wrong name.\n", "utf-8")
    whole = (folder / "photos/coffee.png").read_bytes()
    cut_off.write_bytes(whole[: len(whole) // 3])
    return sorted(pictures, key=lambda picture: picture.key)


def collect(folder: Path) -> list[Picture]:
    """The pictures in a user's own folder, at any depth, sorted by key; `left_out` has the other files.

    ``ValueError``, in one sentence for the user, when there is no such folder or no picture in it.
    """
    wanted = f"set IMAGES to a folder with pictures that end in {', '.join(SUFFIXES)}"
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: {wanted}.")
    keys = [key for key in _files(folder) if _is_uploaded(key)]
    if not keys:
        raise ValueError(f"The folder {folder} has no pictures: {wanted}.")
    return [Picture(key, "photo") for key in keys]


def left_out(folder: Path) -> list[str]:
    """The files of a user's own folder that are not uploaded: S3 would not tell of them, or cannot hold their name."""
    return [key for key in _files(folder) if not _is_uploaded(key)]


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _is_uploaded(key: str) -> bool:
    # A file's name may be any bytes, which come as halves of surrogate pairs; a key is UTF-8.
    try:
        key_bytes = len(key.encode())
    except UnicodeEncodeError:
        return False
    return key_bytes <= KEY_BYTES_AT_MOST and key.endswith(SUFFIXES)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        image.save(path, "PNG")
    else:
        image.save(path, "JPEG", quality=90)


def draw(drawing: Drawing) -> tuple[Image.Image, tuple[tuple[str, Box], ...]]:
    """A drawing as an image, and the (label, box) of each of its objects."""
    width, height = drawing.size
    # 4000 pixels are smooth enough as they are, and four times that is 100 megapixels.
    factor = _OVERSAMPLING if width <= 1000 else 1
    image = Image.new("RGB", (width * factor, height * factor), drawing.ground)
    pen = ImageDraw.Draw(image)
    objects = []
    for name, left, top, side in drawing.objects:
        colour, shape = name.split("-")
        outline = _outline(shape, left, top, side)
        pen.polygon([(x * factor, y * factor) for x, y in outline], fill=COLOURS[colour])
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        box = (
            min(xs) / width,
            min(ys) / height,
            (max(xs) - min(xs)) / width,
            (max(ys) - min(ys)) / height,
        )
        objects.append((name, box))
    return image.resize(drawing.size, Image.Resampling.BOX) if factor > 1 else image, tuple(objects)


def _outline(shape: str, left: int, top: int, side: int) -> list[tuple[float, float]]:
    """The corners of a shape that fits a square of ``side`` pixels."""
    if shape == "square":
        return [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    # A circle is a polygon whose corners nobody sees; a star's inner corners are those of a pentagram.
    radii = {"circle": [1.0] * 360, "triangle": [1.0] * 3, "star": [1.0, 0.382] * 5}[shape]
    points = []
    for i, radius in enumerate(radii):
        angle = 2 * math.pi * i / len(radii) - math.pi / 2
        points.append(
            (
                left + side / 2 * (1 + radius * math.cos(angle)),
                top + side / 2 * (1 + radius * math.sin(angle)),
            )
        )
    return points
