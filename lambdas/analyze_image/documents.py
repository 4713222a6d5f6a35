"""The JSON that is written beside an image: a result, or a failure with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.s3_events import Upload
from shared.timestamps import format_rfc3339, now


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
    """What an image is analyzed with. `min_confidence` None: the thresholds that the model learnt in training."""

    project_version_arn: str
    min_confidence: float | None


def result_document(
    upload: Upload, detection: Detection, settings: InferenceSettings, final_bucket: str, image_key: str
) -> dict[str, Any]:
    """Return the result or the failure as it is stored."""
    return {
        "schema": "1",
        "source": upload.provenance(),
        "image": {"bucket": final_bucket, "key": image_key},
        "model": {"project_version_arn": settings.project_version_arn},
        "min_confidence": settings.min_confidence,
        "analyzed_at": format_rfc3339(now()),
        **({"error": asdict(detection.failure)} if detection.failure else {"CustomLabels": detection.custom_labels}),
    }
