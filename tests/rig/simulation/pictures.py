"""The smallest images that Rekognition takes, each with an etag of its own, and one that it does not take."""

import io

from PIL import Image


def _png(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(target, "PNG")
    return target.getvalue()


PICTURES = tuple(_png(colour) for colour in ("red", "green", "blue"))
BROKEN = b"not an image"
