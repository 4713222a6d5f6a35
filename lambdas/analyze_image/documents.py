"""The JSON that is written beside an image: a result, or a failure with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.s3_events import Upload
from shared.timestamps import format_rfc3339, now

SCHEMA = "2"


@dataclass(frozen=True)
class FailureReason:
    """Why an image can never succeed: Rekognition's error code, or ours in the same style, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Detection:
    """What Rekognition answered for an image: its labels, or why the image failed."""

    custom_labels: Sequence[Mapping[str, Any]] | None = None
    failure: FailureReason | None = None


@dataclass(frozen=True)
class InferenceSettings:
    """What an image is analyzed with; a confidence is a number from 0 to 100.

    `min_confidence` None: the thresholds learnt in training. Nobody can read those, so `label_thresholds` and
    `candidate_min_confidence` must be unset.
    """

    project_version_arn: str
    min_confidence: float | None
    # The threshold of a label in place of `min_confidence`, by the label's name.
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    # A label below its threshold is a candidate from here on. None: what is below its threshold is dropped.
    candidate_min_confidence: float | None = None

    @property
    def asked_confidence(self) -> float | None:
        """The lowest confidence that anything needs, for the one call; None: the learnt thresholds."""
        if self.min_confidence is None:
            return None
        candidates = [] if self.candidate_min_confidence is None else [self.candidate_min_confidence]
        return min([self.min_confidence, *self.label_thresholds.values(), *candidates])

    def passes(self, label: Mapping[str, Any]) -> bool:
        """Whether a label reaches its threshold, so that a call with this threshold returns it."""
        if self.min_confidence is None:
            return True
        return self._reaches(label, self.label_thresholds.get(label["Name"], self.min_confidence))

    def is_candidate(self, label: Mapping[str, Any]) -> bool:
        """Whether a label is below its threshold, but not below `candidate_min_confidence`."""
        least = self.candidate_min_confidence
        return least is not None and not self.passes(label) and self._reaches(label, least)

    def _reaches(self, label: Mapping[str, Any], confidence: float) -> bool:
        # Rekognition has compared with the lowest one already.
        return confidence == self.asked_confidence or label["Confidence"] >= confidence


def result_document(
    upload: Upload,
    detection: Detection,
    settings: InferenceSettings,
    final_bucket: str,
    image_key: str,
    run_id: str | None,
) -> dict[str, Any]:
    """Return the result or the failure as it is stored. `run_id` None: the batch could not read its run."""
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "source": upload.provenance(),
        "image": {"bucket": final_bucket, "key": image_key},
        "model": {"project_version_arn": settings.project_version_arn},
        "min_confidence": settings.min_confidence,
        "thresholds": settings.label_thresholds,
        "candidate_min_confidence": settings.candidate_min_confidence,
        "analyzed_at": format_rfc3339(now()),
        **({"error": asdict(detection.failure)} if detection.failure else _labels(detection, settings)),
    }


def _labels(detection: Detection, settings: InferenceSettings) -> dict[str, Any]:
    labels = detection.custom_labels or []
    kept = {"CustomLabels": [label for label in labels if settings.passes(label)]}
    if settings.candidate_min_confidence is not None:
        kept["BelowThreshold"] = [label for label in labels if settings.is_candidate(label)]
    return kept
