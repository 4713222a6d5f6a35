"""Labels from pixels, by classical means: the stand-in for what a trained model has learnt.

It knows drawn objects (a shape in a saturated colour on plain light ground, such as ``red-circle``), the
frontal ``face`` in a photograph, and whether a picture as a whole is ``monochrome``. Same pixels, same
labels. Nothing is downloaded: the face cascade is a file of the scikit-image wheel.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import numpy as np
import skimage.data
from PIL import Image
from scipy import ndimage
from skimage.feature import Cascade
from skimage.measure import find_contours, label, regionprops
from skimage.measure._regionprops import RegionProperties

WORKING_SIDE_PIXELS = 512
"""Images are looked at in this size at most: the labels do not need more, the processor does."""

FACE_SIDE_PIXELS = 240

LEARNT_THRESHOLDS = {"face": 55.0, "monochrome": 99.5}
"""Per-label thresholds as "learnt in training": they apply when a request leaves MinConfidence out."""

LEARNT_THRESHOLD_OF_OTHERS = 70.0

HUES = {
    "red": (345, 12),
    "orange": (20, 38),
    "yellow": (42, 66),
    "green": (85, 165),
    "blue": (200, 255),
    "purple": (265, 315),
}
"""Degrees on the colour wheel, from and to."""

PROFILE_ANGLES = 180


def learnt_threshold(name: str) -> float:
    """The confidence (0 to 100) from which a label counts when the request does not say."""
    return LEARNT_THRESHOLDS.get(name, LEARNT_THRESHOLD_OF_OTHERS)


def detect(pixels: np.ndarray) -> list[dict[str, Any]]:
    """Every label found in RGB pixels (height, width, 3), as CustomLabels, the most confident first."""
    found = _drawn_objects(pixels)
    grey = _share_of_grey(pixels)
    found += _faces(pixels, is_grey=grey >= 0.99)
    if grey >= 0.99:
        # About the picture as a whole, so it has no Geometry.
        found.append({"Name": "monochrome", "Confidence": round(100 * grey, 4)})
    return sorted(found, key=lambda item: (-item["Confidence"], item["Name"], str(item.get("Geometry"))))


def _labelled(name: str, confidence: float, box: tuple[float, ...], shape: tuple[int, ...]) -> dict[str, Any]:
    """A custom label; ``box`` is top, left, bottom, right in pixels of an image of ``shape``."""
    top, left, bottom, right = box
    height, width = shape[:2]
    return {
        "Name": name,
        "Confidence": round(float(confidence), 4),
        "Geometry": {
            "BoundingBox": {
                "Width": float((right - left) / width),
                "Height": float((bottom - top) / height),
                "Left": float(left / width),
                "Top": float(top / height),
            }
        },
    }


def _drawn_objects(pixels: np.ndarray) -> list[dict[str, Any]]:
    values = pixels.astype(np.int16)
    largest = values.max(axis=2)
    chroma = largest - values.min(axis=2)
    # About half of a saturated colour's chroma: that puts the outline in the middle of a soft edge.
    vivid = (chroma > 100) & (chroma > largest * 0.45)
    hue = np.full(vivid.shape, -1.0)
    hue[vivid] = _hue(values[vivid], largest[vivid], chroma[vivid])
    smallest_area = max(120, vivid.size // 2000)
    found = []
    for colour, (begin, end) in HUES.items():
        inside = (hue >= begin) & (hue < end) if begin < end else (hue >= begin) | ((hue >= 0) & (hue < end))
        if np.count_nonzero(inside) < smallest_area:
            continue
        parts = label(inside, connectivity=1)
        # A photograph has hundreds of specks, and regionprops takes its time over each.
        parts[np.bincount(parts.ravel())[parts] < smallest_area] = 0
        for region in regionprops(parts):
            if region.area_filled > 1.03 * region.area or not _is_drawn(values, region):
                continue
            shape, fit = _best_shape(region.image)
            if fit > 0.6:
                found.append(_labelled(f"{colour}-{shape}", 100 * fit, region.bbox, pixels.shape))
    return found


def _hue(rgb: np.ndarray, largest: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    sextant: np.ndarray = np.select(
        [largest == red, largest == green],
        [((green - blue) / chroma) % 6, (blue - red) / chroma + 2],
        (red - green) / chroma + 4,
    )
    return sextant * 60


def _is_drawn(values: np.ndarray, region: RegionProperties) -> bool:
    """Whether a region is one flat colour and the ground around it is plain and light.

    This is what no coloured patch of a photograph is.
    """
    margin = 7
    top, left, bottom, right = region.bbox
    window = (
        slice(max(0, top - margin), bottom + margin),
        slice(max(0, left - margin), right + margin),
    )
    around = values[window]
    mask = np.zeros(around.shape[:2], dtype=bool)
    row, column = top - window[0].start, left - window[1].start
    mask[row : row + region.image.shape[0], column : column + region.image.shape[1]] = region.image
    core = around[ndimage.binary_erosion(mask, iterations=2)]
    # Soft edges and JPEG's colour blocks reach 2 to 3 pixels beyond the outline.
    ring = around[ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(mask, iterations=3)]
    if len(core) < 40 or len(ring) < 40:
        return False
    ground = np.median(ring, axis=0)
    plain = np.mean(np.abs(ring - ground).max(axis=1) < 24)
    return bool(
        core.std(axis=0).max() < 16 and plain > 0.8 and ground.mean() > 175 and ground.max() - ground.min() < 50
    )


def _best_shape(mask: np.ndarray) -> tuple[str, float]:
    """The known shape that a mask fits best, and how well: 1 is perfect, 0 not at all."""
    profile = _profile_of_mask(mask)
    fits = {name: max(_fit(profile, template) for template in templates) for name, templates in SHAPES.items()}
    best = max(fits, key=lambda name: fits[name])
    return best, fits[best]


def _fit(profile: np.ndarray, template: np.ndarray) -> float:
    """Compare two outlines at every turn of the one against the other."""
    turned = template[(np.arange(PROFILE_ANGLES)[:, None] + np.arange(PROFILE_ANGLES)) % PROFILE_ANGLES]
    distance = np.sqrt(((turned - profile) ** 2).mean(axis=1)).min()
    return max(0.0, 1 - 5 * float(distance))


def _profile_of_mask(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(ndimage.binary_fill_holes(mask), 1)
    outline = max(find_contours(padded.astype(float), 0.5), key=len)
    return _profile(outline - np.argwhere(padded).mean(axis=0))


def _profile(outline: np.ndarray) -> np.ndarray:
    """The distance from the centre to a closed outline (row, column), by angle; its mean is 1."""
    angles = np.arctan2(outline[:, 0], outline[:, 1])
    order = np.argsort(angles, kind="stable")
    at = np.linspace(-np.pi, np.pi, PROFILE_ANGLES, endpoint=False)
    radii = np.interp(at, angles[order], np.hypot(*outline.T)[order], period=2 * np.pi)
    profile: np.ndarray = radii / radii.mean()
    return profile


def _regular(corners: int, inner: float | None = None) -> np.ndarray:
    """The profile of a regular polygon, or of a star whose inner corners lie at ``inner`` of the outer."""
    count = corners if inner is None else 2 * corners
    turns = 2 * np.pi * np.arange(count + 1) / count
    radii = np.ones(count + 1)
    if inner is not None:
        radii[1::2] = inner
    vertices = np.stack([radii * np.sin(turns), radii * np.cos(turns)], axis=1)
    steps = np.linspace(0, 1, 400, endpoint=False)[:, None]
    sides = [a + steps * (b - a) for a, b in pairwise(vertices)]
    return _profile(np.concatenate(sides))


SHAPES = {
    "circle": (np.ones(PROFILE_ANGLES),),
    "square": (_regular(4),),
    "triangle": (_regular(3),),
    "star": (_regular(5, 0.382), _regular(5, 0.5)),
}

_CASCADE = Cascade(skimage.data.lbp_frontal_face_cascade_filename())
# One cascade object keeps state while it scans.
_CASCADE_LOCK = threading.Lock()


def _faces(pixels: np.ndarray, *, is_grey: bool) -> list[dict[str, Any]]:
    small = Image.fromarray(pixels)
    small.thumbnail((FACE_SIDE_PIXELS, FACE_SIDE_PIXELS), Image.Resampling.BILINEAR)
    ycc = np.asarray(small.convert("YCbCr"))
    if min(ycc.shape[:2]) < 32:
        return []
    with _CASCADE_LOCK:
        hits = _CASCADE.detect_multi_scale(
            img=np.ascontiguousarray(ycc[:, :, 0]),
            scale_factor=1.2,
            step_ratio=1.3,
            min_size=(30, 30),
            max_size=(FACE_SIDE_PIXELS, FACE_SIDE_PIXELS),
            min_neighbor_number=3,
        )
    found = []
    for hit in hits:
        top, left = hit["r"], hit["c"]
        bottom = min(top + hit["height"], ycc.shape[0])
        right = min(left + hit["width"], ycc.shape[1])
        skin = 0.0 if is_grey else _share_of_skin(ycc[top:bottom, left:right])
        # The cascade sees light and dark only; in a colour picture the colours must agree.
        if is_grey or skin > 0.4:
            found.append(_labelled("face", 60 + 40 * skin, (top, left, bottom, right), ycc.shape))
    return found


def _share_of_skin(ycc: np.ndarray) -> float:
    """The share of pixels in the range of human skin in YCbCr (Chai and Ngan, 1999)."""
    blue, red = ycc[:, :, 1], ycc[:, :, 2]
    return float(np.mean((blue >= 77) & (blue <= 127) & (red >= 133) & (red <= 173)))


def _share_of_grey(pixels: np.ndarray) -> float:
    spread = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
    return float(np.mean(spread <= 10))
