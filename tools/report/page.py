"""The page: one HTML file with its data, its style and its script, from the files in `page/`.

The data is JSON that no HTML parser can take for markup. The content policy lets in this style and this script by their
hashes, and images beside the page, and nothing else. https://www.w3.org/TR/CSP3/
"""

import base64
import hashlib
import html as markup
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any

from tools.report import documents
from tools.report.documents import Detection, Document, Json
from tools.report.images import Thumbnail
from tools.report.reading import Found

PARTS = Path(__file__).parent / "page"
# In the order in which they need each other.
SCRIPTS = ("dom.js", "model.js", "tiles.js", "viewer.js", "filters.js", "run.js", "main.js")
MARK = '<meta name="generator" content="custom-labels-batch report">'
MARK_BYTES = 2048
# 10,000 steps over an image are finer than its pixels; confidences keep three decimals.
BOX_STEPS = 10_000
CONFIDENCE_STEPS = 1000


@dataclass(frozen=True)
class Head:
    """What the page says of itself."""

    title: str
    selection: str
    made_at: datetime
    final_uri: str
    notes: tuple[str, ...]


def is_ours(index: Path) -> bool:
    """Whether a file is a page that was written here."""
    try:
        with index.open("rb") as file:
            return MARK.encode() in file.read(MARK_BYTES)
    except OSError:
        return False


def html(head: Head, found: Found, copies: Mapping[str, Thumbnail | None]) -> bytes:
    """Return the page."""
    style = _part("page.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_part, SCRIPTS)) + "})();\n"
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src 'self' file:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = Template(_part("page.html")).substitute(
        mark=MARK,
        policy=policy,
        title=markup.escape(f"{head.title}: {head.selection}"),
        style=style,
        script=script,
        data=as_data(data(head, found, copies)),
    )
    # Half a surrogate pair, which only a JSON text can hold, is written as JSON's own escape.
    return page.encode("utf-8", "backslashreplace")


def as_data(content: object) -> str:
    """Return JSON in which nothing can end its <script>, or begin a comment in it.

    https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _part(name: str) -> str:
    return (PARTS / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data(head: Head, found: Found, copies: Mapping[str, Thumbnail | None]) -> Json:
    """Return what the page is drawn from. Names, settings and codes come once; a row is a list, for there are many."""
    # The most frequent first.
    frequency = Counter(detection.name for document in found.results for detection in document.detections)
    names = {name: number for number, name in enumerate(sorted(frequency, key=lambda name: (-frequency[name], name)))}
    settings = _Numbers()
    results = [[*_row(document, copies, settings), _detections(document, names)] for document in found.results]
    failures = [
        [*_row(document, copies, settings), document.failure.code, document.failure.message]
        for document in found.failures
        if document.failure
    ]
    return {
        "title": head.title,
        "selection": head.selection,
        "made_at": head.made_at.isoformat(timespec="seconds"),
        "final": head.final_uri,
        "notes": list(head.notes),
        "labels": list(names),
        "min_confidence": _same(document.min_confidence for document in found.results),
        "settings": [_setting(setting, list(names)) for setting in settings.known],
        "results": results,
        "failures": failures,
        "runs": [_run(receipt) for receipt in found.receipts if not _is_idle(receipt)],
        "idle_runs": sum(_is_idle(receipt) for receipt in found.receipts),
    }


class _Numbers:
    """A number for each different thing, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def of(self, thing: Any) -> int:  # noqa: ANN401
        return self._numbers.setdefault(thing, len(self._numbers))

    @property
    def known(self) -> list[Any]:
        return list(self._numbers)


def _row(document: Document, copies: Mapping[str, Thumbnail | None], settings: _Numbers) -> list[Any]:
    copy = copies[document.image_key]
    setting = settings.of((document.min_confidence, tuple(sorted(document.thresholds.items()))))
    sides = [copy.file, copy.width, copy.height] if copy else [None, 0, 0]
    return [document.source_key, document.image_key, *sides, int(document.analyzed_at.timestamp()), setting]


def _detections(document: Document, names: Mapping[str, int]) -> list[list[int]]:
    return [_detection(detection, names) for detection in document.detections]


def _detection(detection: Detection, names: Mapping[str, int]) -> list[int]:
    # Rounded down, so that it reaches a threshold of three decimals exactly if the confidence does.
    confidence = math.floor(round(detection.confidence * CONFIDENCE_STEPS, 6))
    row = [names[detection.name], confidence, int(detection.is_below)]
    if detection.box:
        box = detection.box
        row += [round(side * BOX_STEPS) for side in (box.left, box.top, box.width, box.height)]
    return row


def _setting(setting: tuple[float | None, Iterable[tuple[str, float]]], names: list[str]) -> list[int | None]:
    """Return the threshold of each label by its number; None: the model's own, which no result tells."""
    least, thresholds = setting[0], dict(setting[1])
    found = [thresholds.get(name, least) for name in names]
    return [None if threshold is None else round(threshold * CONFIDENCE_STEPS) for threshold in found]


def _same(values: Iterable[float | None]) -> float | None:
    """Return the value that all share; None if they share none."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _is_idle(receipt: Json) -> bool:
    """Whether a run finished no image, paid for no model and met no error: most scheduled runs are so."""
    images, model = receipt["images"], receipt["model"]
    return not any((images.get("processed"), images.get("failed"), model.get("running_seconds"), receipt.get("error")))


def _run(receipt: Json) -> Json:
    """Return what the page tells of a run; whatever an older receipt does not have is None."""
    images, model, error = receipt["images"], receipt["model"], receipt.get("error")
    sizing = receipt.get("sizing")
    phases = receipt.get("phases")
    return {
        "run_id": receipt["run_id"],
        "outcome": receipt["outcome"],
        "started_at": int(documents.moment(receipt, "started_at").timestamp()),
        "finished_at": int(documents.moment(receipt, "finished_at").timestamp()),
        **{name: _number(images.get(name)) for name in ("processed", "failed", "dead_lettered")},
        **{
            name: _number(model.get(name))
            for name in ("inference_units", "running_seconds", "cost_usd", "idle_share", "usd_per_1000_images")
        },
        "calls_throttled": _number(receipt.get("calls_throttled")),
        "phases": {name: _number(value) for name, value in phases.items()} if isinstance(phases, dict) else {},
        "sizing": _text(sizing.get("reason")) if isinstance(sizing, dict) else None,
        "reason": _text(receipt.get("reason")),
        "error": f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else None,
    }


def _number(found: object) -> float | None:
    return found if isinstance(found, int | float) and math.isfinite(found) else None


def _text(found: object) -> str | None:
    return found if isinstance(found, str) else None
