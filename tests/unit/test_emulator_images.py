"""What the emulator accepts as an image."""

import io
import random
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.images import check_size, decode


def encoded(size: tuple[int, int], kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(kind: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(64, 64), (64, 1280), (1280, 64), (4096, 300)])
def test_images_up_to_the_limits_are_accepted(kind: str, size: tuple[int, int]) -> None:
    pixels = decode(encoded(size, kind), max_side=5000)
    assert pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "InvalidImageFormatException", id="empty"),
        pytest.param(b"minutes of a meeting", "InvalidImageFormatException", id="text"),
        pytest.param(encoded((200, 200), "GIF"), "InvalidImageFormatException", id="gif"),
        pytest.param(encoded((200, 200), "WEBP"), "InvalidImageFormatException", id="webp"),
        pytest.param(noise("PNG")[:3000], "InvalidImageFormatException", id="truncated png"),
        pytest.param(noise("JPEG")[:3000], "InvalidImageFormatException", id="truncated jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "InvalidImageFormatException", id="a png's first bytes only"),
        pytest.param(b"\xff\xd8\xff\xe0", "InvalidImageFormatException", id="a jpeg's first bytes only"),
        pytest.param(encoded((63, 200)), "InvalidParameterException", id="too narrow"),
        pytest.param(encoded((200, 63), "JPEG"), "InvalidParameterException", id="too low"),
        pytest.param(encoded((100, 2001)), "InvalidParameterException", id="too long for its width"),
        pytest.param(encoded((4097, 400)), "ImageTooLargeException", id="too wide"),
        pytest.param(encoded((400, 4097), "JPEG"), "ImageTooLargeException", id="too high"),
        pytest.param(encoded((20000, 20000), "PNG", "1"), "ImageTooLargeException", id="a bomb"),
    ],
)
def test_an_image_beyond_the_limits_gets_the_documented_error(data: bytes, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        decode(data, max_side=512)
    assert caught.value.code == code
    assert caught.value.http_status == 400


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_bytes_never_raise_anything_else(kind: str) -> None:
    whole, dice = noise(kind), random.Random(7)  # noqa: S311 (repeatable damage, no secret)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[dice.randrange(300)] = dice.randrange(256)
        # Anything but a ServiceError ends this test.
        with suppress(ServiceError):
            decode(bytes(damaged), max_side=512)


def test_the_limit_in_bytes_is_inclusive() -> None:
    check_size(1000, 1000)
    with pytest.raises(ServiceError) as caught:
        check_size(1001, 1000)
    assert caught.value.code == "ImageTooLargeException"


def test_a_large_image_is_shrunk_and_keeps_its_proportions() -> None:
    assert decode(encoded((2000, 1000), "JPEG"), max_side=512).shape == (256, 512, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "I;16"])
def test_every_png_mode_becomes_rgb(mode: str) -> None:
    pixels = decode(encoded((80, 70), "PNG", mode), max_side=512)
    assert pixels.shape == (70, 80, 3)
    assert pixels.dtype == np.uint8


def test_cmyk_jpeg_becomes_rgb() -> None:
    assert decode(encoded((80, 70), "JPEG", "CMYK"), max_side=512).shape == (70, 80, 3)


def test_transparent_parts_are_white() -> None:
    assert decode(encoded((80, 70), "PNG", "RGBA"), max_side=512).min() == 255


def test_sixteen_bit_greys_are_scaled_not_clipped() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((70, 80), 0x8000, dtype=np.uint16)).save(buffer, "PNG")
    assert set(np.unique(decode(buffer.getvalue(), max_side=512))) == {128}


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded((200, 100), "JPEG", exif=exif), max_side=512).shape == (200, 100, 3)
