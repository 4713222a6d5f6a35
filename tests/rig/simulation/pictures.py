"""The smallest images that Rekognition takes, each with an etag of its own, and one that it does not take."""

import io
from typing import Self

from PIL import Image


class Body(bytes):
    """The bytes of an image, which print as a name: Hypothesis prints the steps to what it found."""

    name: str

    @classmethod
    def named(cls, name: str, content: bytes) -> Self:
        """Return the bytes under a name of this module."""
        body = cls(content)
        body.name = name
        return body

    def __repr__(self) -> str:
        return self.name


def _png(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(target, "PNG")
    return target.getvalue()


PICTURES = tuple(
    Body.named(f"PICTURES[{number}]", _png(colour)) for number, colour in enumerate(("red", "green", "blue"))
)
BROKEN = Body.named("BROKEN", b"not an image")
