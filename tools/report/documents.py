"""Results, failures and receipts as the final bucket holds them, checked before anything hangs on them.

The bucket may be shared, so an object at one of our names may be anybody's. docs/how-it-works.md has the fields; result
schemas "1" and "2" are read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Box:
    """Where a label was found, as ratios of the width and the height of the upright image."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Detection:
    """One label of an image. `is_below`: under its threshold, kept apart. `box` None: about the image as a whole."""

    name: str
    confidence: float
    is_below: bool
    box: Box | None


@dataclass(frozen=True)
class Failure:
    """Why an image can never be labelled."""

    code: str
    message: str


@dataclass(frozen=True)
class Document:
    """The JSON beside an image: a result, or a failure. `content` is what is stored."""

    image_key: str
    source_key: str
    analyzed_at: datetime
    run_id: str | None
    min_confidence: float | None
    thresholds: Mapping[str, float]
    detections: tuple[Detection, ...]
    failure: Failure | None
    content: Json


def document(image_key: str, body: bytes) -> Document:
    """Return the result or failure that `body` holds. ValueError: it holds neither, and why."""
    content = _object(_parsed(body), "it")
    error = content.get("error")
    return Document(
        image_key=image_key,
        source_key=_text(_object(content.get("source"), "source").get("key"), "source.key"),
        analyzed_at=_moment(content.get("analyzed_at"), "analyzed_at"),
        run_id=None if content.get("run_id") is None else _text(content["run_id"], "run_id"),
        min_confidence=_optional_number(content.get("min_confidence"), "min_confidence"),
        thresholds=_thresholds(content.get("thresholds")),
        detections=() if error is not None else _detections(content),
        failure=None if error is None else _failure(error),
        content=content,
    )


def receipt(body: bytes) -> Json:
    """Return the receipt that `body` holds. ValueError: it holds none, and why."""
    content = _object(_parsed(body), "it")
    for name in ("run_id", "outcome"):
        if not _text(content.get(name), name):
            raise ValueError(f"{name} is empty")
    for name in ("started_at", "finished_at"):
        _moment(content.get(name), name)
    for name in ("images", "model"):
        _object(content.get(name), name)
    return content


def moment(content: Json, name: str) -> datetime:
    """Return a moment of a document that was checked."""
    return _moment(content[name], name)


def _parsed(body: bytes) -> object:
    try:
        # NaN and Infinity are Python's, not JSON's.
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _detections(content: Json) -> tuple[Detection, ...]:
    below = content.get("BelowThreshold")
    return (
        *(_detection(label, is_below=False) for label in _list(content.get("CustomLabels"), "CustomLabels")),
        *(_detection(label, is_below=True) for label in ([] if below is None else _list(below, "BelowThreshold"))),
    )


def _detection(label: object, *, is_below: bool) -> Detection:
    fields = _object(label, "a label")
    geometry = fields.get("Geometry")
    found = None if geometry is None else _object(geometry, "Geometry").get("BoundingBox")
    box = None
    if found is not None:
        sides = _object(found, "BoundingBox")
        box = Box(*(_number(sides.get(side), f"BoundingBox.{side}") for side in ("Left", "Top", "Width", "Height")))
    return Detection(
        name=_text(fields.get("Name"), "a label's Name"),
        confidence=_number(fields.get("Confidence"), "a label's Confidence"),
        is_below=is_below,
        box=box,
    )


def _failure(error: object) -> Failure:
    fields = _object(error, "error")
    return Failure(_text(fields.get("code"), "error.code"), _text(fields.get("message"), "error.message"))


def _thresholds(found: object) -> Mapping[str, float]:
    if found is None:
        return {}
    return {name: _number(value, "a threshold") for name, value in _object(found, "thresholds").items()}


def _object(found: object, name: str) -> Json:
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found


def _list(found: object, name: str) -> list[object]:
    if not isinstance(found, list):
        raise ValueError(f"{name} is not a list")
    return found


def _text(found: object, name: str) -> str:
    if not isinstance(found, str):
        raise ValueError(f"{name} is not a text")
    return found


def _number(found: object, name: str) -> float:
    # A number such as 1e999 is JSON, and infinite.
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"{name} is not a number")
    return found


def _optional_number(found: object, name: str) -> float | None:
    return None if found is None else _number(found, name)


def _moment(found: object, name: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(_text(found, name))
    except ValueError as error:
        raise ValueError(f"{name} is not a time") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
