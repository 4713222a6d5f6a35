"""The emulator's labels come from the pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from tests.rig.emulator.images import decode
from tests.rig.emulator.vision import HUES, SHAPES, WORKING_SIDE_PIXELS, detect, learnt_threshold
from tests.rig.stack.pictures import DRAWINGS, PHOTOS, Box, draw, overlap

DRAWN_LABELS = {f"{colour}-{shape}" for colour in HUES for shape in SHAPES}
SHIPPED = sorted(path for path in Path(skimage.data.__file__).parent.iterdir() if path.suffix in (".png", ".jpg"))


def labels_of(image: Image.Image, kind: str = "PNG") -> list[dict]:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return detect(decode(buffer.getvalue(), WORKING_SIDE_PIXELS))


def box_of(label: dict) -> Box:
    box = label["Geometry"]["BoundingBox"]
    return box["Left"], box["Top"], box["Width"], box["Height"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.key)
def test_a_drawn_picture_gives_each_of_its_objects_and_nothing_else(drawing: object, kind: str) -> None:
    image, objects = draw(drawing)
    found = labels_of(image, kind)
    assert sorted(item["Name"] for item in found) == sorted(name for name, _ in objects)
    for name, box in objects:
        best = max(overlap(box, box_of(item)) for item in found if item["Name"] == name)
        assert best >= 0.8, name
    for item in found:
        assert learnt_threshold(item["Name"]) <= item["Confidence"] <= 100


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_photograph_gives_no_drawn_shape_by_accident(path: Path) -> None:
    names = {item["Name"] for item in detect(decode(path.read_bytes(), WORKING_SIDE_PIXELS))}
    assert not names & DRAWN_LABELS


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.key)
def test_the_photographs_of_the_set_have_a_face_only_where_there_is_one(photo: object) -> None:
    with Image.open(Path(skimage.data.__file__).parent / photo.source) as image:
        found = labels_of(image.convert("RGB").crop(photo.crop or (0, 0, *image.size)), "JPEG")
    assert ("face" in {item["Name"] for item in found}) == ("astronaut" in photo.key)


def test_the_astronauts_face_is_where_it_is() -> None:
    path = Path(skimage.data.__file__).parent / "astronaut.png"
    [face] = [item for item in detect(decode(path.read_bytes(), 512)) if item["Name"] == "face"]
    # By eye: hair line to chin and ear to ear, in a picture of 512 by 512 pixels.
    by_eye = (176 / 512, 66 / 512, 96 / 512, 110 / 512)
    assert overlap(box_of(face), by_eye) > 0.6


def test_a_grey_photograph_is_monochrome_as_a_whole_without_geometry() -> None:
    path = Path(skimage.data.__file__).parent / "camera.png"
    [label] = detect(decode(path.read_bytes(), WORKING_SIDE_PIXELS))
    assert label == {"Name": "monochrome", "Confidence": 100.0}


def test_a_photograph_with_nothing_known_in_it_gives_an_empty_list() -> None:
    path = Path(skimage.data.__file__).parent / "coffee.png"
    assert detect(decode(path.read_bytes(), WORKING_SIDE_PIXELS)) == []


@pytest.mark.parametrize("degrees", [10, 33, 45, 70])
@pytest.mark.parametrize("shape", ["square", "triangle", "star"])
def test_a_turned_shape_is_still_that_shape(shape: str, degrees: int) -> None:
    image = Image.new("RGB", (400, 400), "white")
    corners = {"square": 4, "triangle": 3, "star": 10}[shape]
    points = []
    for i in range(corners):
        angle = np.radians(degrees) + 2 * np.pi * i / corners
        radius = 120 * (0.382 if shape == "star" and i % 2 else 1)
        points.append((200 + radius * np.cos(angle), 200 + radius * np.sin(angle)))
    ImageDraw.Draw(image).polygon(points, fill=(37, 82, 220))
    assert [item["Name"] for item in labels_of(image)] == [f"blue-{shape}"]


@pytest.mark.parametrize("box", [(50, 50, 350, 120), (50, 50, 350, 200)], ids=["a long bar", "a flat rectangle"])
def test_a_shape_that_is_not_known_is_not_named(box: tuple[int, int, int, int]) -> None:
    for pen in (ImageDraw.ImageDraw.rectangle, ImageDraw.ImageDraw.ellipse):
        image = Image.new("RGB", (400, 400), "white")
        pen(ImageDraw.Draw(image), box, fill=(214, 40, 40))
        assert labels_of(image) == []


def test_a_shape_on_dark_ground_is_not_a_drawing() -> None:
    image = Image.new("RGB", (400, 400), (40, 40, 60))
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), fill=(214, 40, 40))
    assert labels_of(image) == []


def test_a_shape_on_patterned_ground_is_not_a_drawing() -> None:
    rows, columns = np.indices((400, 400)) // 5
    ground = np.where((rows + columns) % 2, 255, 200).astype(np.uint8)
    image = Image.fromarray(ground).convert("RGB")
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), fill=(214, 40, 40))
    assert labels_of(image) == []


def test_a_face_in_colours_that_no_skin_has_is_not_a_face() -> None:
    with Image.open(Path(skimage.data.__file__).parent / "astronaut.png") as image:
        light, blue, red = image.convert("YCbCr").split()
    negative = Image.merge("YCbCr", (light, blue.point(lambda v: 255 - v), red.point(lambda v: 255 - v)))
    assert "face" not in {item["Name"] for item in labels_of(negative.convert("RGB"))}
    grey = Image.merge("RGB", (light, light, light))
    assert "face" in {item["Name"] for item in labels_of(grey)}


def test_a_ring_is_not_a_disc() -> None:
    image = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), outline=(214, 40, 40), width=40)
    assert labels_of(image) == []


def test_the_same_pixels_give_the_same_labels() -> None:
    image, _ = draw(max(DRAWINGS, key=lambda drawing: len(drawing.objects)))
    assert labels_of(image, "JPEG") == labels_of(image, "JPEG")


def test_labels_come_the_most_confident_first() -> None:
    image, _ = draw(max(DRAWINGS, key=lambda drawing: len(drawing.objects)))
    confidences = [item["Confidence"] for item in labels_of(image)]
    assert len(confidences) > 3
    assert confidences == sorted(confidences, reverse=True)
