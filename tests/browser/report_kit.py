"""A final bucket to report about: real pictures with what the emulator finds in them, and hostile names."""

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from PIL.ExifTags import Base

from tests.rig.emulator import images, vision
from tools.report import FinalBucket

BUCKET = "results"
MODEL_ARN = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000002"
RUN_ID = "run-of-a-schedule-4f1c2b1e-9a55-4c2e-8b9d-0f6c1d2e3a4b_77c0a1f2-5d3e-4e8b-9c1a-2b3c4d5e6f70"
STARTED_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

HOSTILE = (
    "<script>document.title='owned'</script>.jpg",
    '"><img src=x onerror=document.title=1>.jpg',
    "</script><!--<script>.jpg",
    "quotes ' \" ` & &amp; &lt;.jpg",
    "line\nbreak\r\n\ttab.jpg",
    "100%25 a+b %s {0} ${x} $& %{y}.jpg",
    "تقرير الصور العربية.jpg",
    "\u202egpj.exe\u202c \u2066left\u2069.jpg",
    "🎯 emoji 👩\u200d🚀.jpg",
    "separators \u2028 \u2029 \x00 \x1b[31m.jpg",
    "up/../and/./down.jpg",
    "long-" + "x" * 900 + ".jpg",
)
HOSTILE_LABELS = ("<b>bold</b>", "a\"b'c", "שלום", "new\nline", "🎯", "100%", "__proto__", "constructor", "L" * 250)


def at(seconds: float) -> str:
    """A moment of the run as results have it."""
    return (STARTED_AT + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def label(name: str, confidence: float, box: tuple[float, float, float, float] | None = None) -> dict[str, Any]:
    """A label as Rekognition answers it; `box` is left, top, width, height as ratios."""
    geometry = {"BoundingBox": dict(zip(("Left", "Top", "Width", "Height"), box, strict=True))} if box else None
    return {"Name": name, "Confidence": confidence, **({"Geometry": geometry} if geometry else {})}


def result(key: str, labels: list[dict[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A result of schema "2"."""
    return {
        "schema": "2",
        "run_id": RUN_ID,
        "source": {"bucket": "photos", "key": key, "etag": "9b2c", "version_id": None, "size": 1000},
        "image": {"bucket": BUCKET, "key": f"processed/{key}"},
        "model": {"project_version_arn": MODEL_ARN},
        "min_confidence": None,
        "thresholds": None,
        "analyzed_at": at(610),
        "CustomLabels": labels,
        **more,
    }


def failure(key: str, code: str, message: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A failure of schema "2"."""
    found = result(key, [], error={"code": code, "message": message}, **more)
    del found["CustomLabels"]
    return found


def receipt(processed: int, failed: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """The receipt of an ordinary run."""
    return {
        "schema": "1",
        "run_id": RUN_ID,
        "outcome": "completed",
        "started_at": at(0),
        "finished_at": at(871),
        "images": {"processed": processed, "failed": failed, "dead_lettered": 0},
        "model": {
            "project_version_arn": MODEL_ARN,
            "inference_units": 1,
            "running_seconds": 150.0,
            "cost_usd": 0.166667,
            "unit_seconds": 150.0,
            "idle_share": 0.4667,
            "usd_per_1000_images": 3.47,
        },
        "phases": {
            "starting_seconds": 600.0,
            "to_first_image_seconds": 5.0,
            "labelling_seconds": 80.0,
            "to_stop_seconds": 65.0,
            "stopping_seconds": 120.0,
        },
        "calls_throttled": 0,
        "sizing": {"backlog": 48, "reason": "48 images in time with 1 inference unit"},
        "reason": None,
        "error": None,
        **more,
    }


@dataclass
class Upload:
    """An image with its document; `body` None: the image is gone."""

    document: dict[str, Any]
    body: bytes | None

    @property
    def key(self) -> str:
        """The key of the image in the final bucket."""
        return ("failed/" if "error" in self.document else "processed/") + self.document["source"]["key"]


@dataclass
class Contents:
    """What is put into a bucket."""

    uploads: list[Upload] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)

    def put(self, s3: Any, prefix: str = "") -> FinalBucket:  # noqa: ANN401
        """Create the bucket with all of it."""
        s3.create_bucket(Bucket=BUCKET)
        for upload in self.uploads:
            key = prefix + upload.key
            if upload.body is not None:
                s3.put_object(Bucket=BUCKET, Key=key, Body=upload.body)
            s3.put_object(Bucket=BUCKET, Key=f"{key}.json", Body=json.dumps(upload.document).encode())
        for each in self.receipts:
            s3.put_object(Bucket=BUCKET, Key=f"{prefix}runs/{each['run_id']}.json", Body=json.dumps(each).encode())
        return FinalBucket(s3, BUCKET, prefix)


def jpeg(image: Image.Image, orientation: int = 1) -> bytes:
    """A JPEG that looks like `image` when it is turned by its EXIF orientation."""
    back = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    buffer = io.BytesIO()
    (image.transpose(back[orientation]) if orientation in back else image).save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()


def detected(body: bytes) -> list[dict[str, Any]]:
    """What the emulator answers about a picture."""
    return vision.detect(images.decode(body, vision.WORKING_SIDE_PIXELS))
