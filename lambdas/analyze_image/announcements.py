"""Who is told of an image that has its result: the stream for SQL, and EventBridge when it has an alert label."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyze_image.lines import SEND_LINES_SECONDS, Stream, line_of
from shared.events import ALERT_LABEL_FOUND, SEND_EVENTS_SECONDS, EventBus
from shared.telemetry import logger


@dataclass(frozen=True)
class Told:
    """An image that has its result. `upload_id` stands for its upload, also when it is told of twice."""

    upload_id: str
    document: Mapping[str, Any]


class Announcements:
    """Tells of the images of a batch, in one call of each service. An image stays finished whatever becomes of it."""

    def __init__(self, alert_labels: Mapping[str, float], bus: EventBus | None, stream: Stream | None) -> None:
        """`alert_labels`: the confidence from which a label is an alert, by its name. Without any there is no bus."""
        self._alert_labels = alert_labels
        self._bus = bus
        self._stream = stream

    @property
    def seconds(self) -> int:
        """How long `tell` may take; 0 when nobody is to be told."""
        return (SEND_EVENTS_SECONDS if self._bus else 0) + (SEND_LINES_SECONDS if self._stream else 0)

    def tell(self, images: Sequence[Told]) -> None:
        """Tell of images. What cannot be sent is logged."""
        # Whatever goes wrong, the images have their results, which must be counted.
        if self._bus:
            try:
                alerts = _details(images, lambda image: alert_of(image, self._alert_labels))
                self._bus.send(ALERT_LABEL_FOUND, list(alerts))
            except Exception:
                logger.exception("could not tell of the alert labels of this batch")
        if self._stream:
            try:
                lines = _details(images, lambda image: line_of(image.upload_id, image.document))
                self._stream.send(list(lines))
            except Exception:
                logger.exception("could not send the lines of this batch")


def _details(images: Sequence[Told], detail_of: Callable[[Told], dict[str, Any] | None]) -> Iterator[dict[str, Any]]:
    """Yield what is told of each image, if anything is.

    A result that an earlier attempt claimed is read back from the bucket, where anybody may have changed it. An odd one
    loses its own detail, and not those of its batch.
    """
    for image in images:
        try:
            detail = detail_of(image)
            # Text that JSON can escape, and UTF-8 cannot hold.
            json.dumps(detail, ensure_ascii=False).encode()
        except Exception:
            logger.exception(
                "the result is not as this system writes it, so nobody is told", source=image.document.get("source")
            )
        else:
            if detail:
                yield detail


def alert_of(image: Told, alert_labels: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the detail of an image's event; None when no alert label has its confidence.

    The two maps hold one confidence per label, because EventBridge matches the members of an array one by one: a
    pattern over a list of labels would mix the name of one with the confidence of another.
    """
    document = image.document
    highest: dict[str, float] = {}
    for label in [*document.get("CustomLabels", []), *document.get("BelowThreshold", [])]:
        highest[label["Name"]] = max(label["Confidence"], highest.get(label["Name"], 0))
    alerts = {name: found for name, found in highest.items() if name in alert_labels and found >= alert_labels[name]}
    if not alerts:
        return None
    kept = {name: document.get(name) for name in ("run_id", "source", "image", "model", "analyzed_at")}
    return {"schema": "1", "id": image.upload_id, **kept, "alerts": alerts, "labels": highest}
