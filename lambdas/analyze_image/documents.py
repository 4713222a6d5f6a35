"""The JSON that is written beside an image: a result, or a failure with its reason."""

from dataclasses import dataclass
from typing import Any

from analyze_image.upload import Upload
from shared.timestamps import format_rfc3339, now


@dataclass(frozen=True)
class ImageFault:
    """Why an image can never succeed: Rekognition's error code, or ours in the same style, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What became of an image: the labels as Rekognition returned them, or a fault."""

    custom_labels: list[dict[str, Any]] | None = None
    fault: ImageFault | None = None


@dataclass(frozen=True)
class ModelUse:
    """With what an image was analyzed. `min_confidence` None: the thresholds that the model learnt in training."""

    project_version_arn: str
    min_confidence: float | None


def document(upload: Upload, verdict: Verdict, model: ModelUse, final_bucket: str, image_key: str) -> dict[str, Any]:
    """Return the result or the failure as it is stored."""
    outcome = (
        {"error": {"code": verdict.fault.code, "message": verdict.fault.message}}
        if verdict.fault
        else {"CustomLabels": verdict.custom_labels}
    )
    return {
        "schema": "1",
        "source": upload.provenance(),
        "image": {"bucket": final_bucket, "key": image_key},
        "model": {"project_version_arn": model.project_version_arn},
        "min_confidence": model.min_confidence,
        "analyzed_at": format_rfc3339(now()),
        **outcome,
    }
