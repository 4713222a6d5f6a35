"""The call to the model.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError

from analyze_image.documents import Detection, FailureReason, InferenceSettings
from analyze_image.errors import DETECT, ErrorClass, classify, is_request_refused
from shared.clients import calling, error_code, error_message
from shared.s3_events import Upload

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import DetectCustomLabelsRequestTypeDef, S3ObjectTypeDef

# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_IMAGE_BYTES = 15 * 1024 * 1024


class ImageUnreadableError(Exception):
    """Rekognition could not read the object: it was deleted or replaced, or access is denied."""


class NoAnswerError(Exception):
    """Rekognition received the call and did not answer in time."""


def is_plain(key: str) -> bool:
    """Whether a key has no line break, no control character, and no space at either end: nothing to refuse.

    Rekognition answers ValidationException for a line break. AWS documents no pattern that says what else it refuses.
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_S3Object.html
    """
    return key == key.strip() and key.isprintable()


def size_failure(size: int) -> FailureReason | None:
    """Return why Rekognition would refuse an image of this size in bytes; None: it would not."""
    if size == 0:
        return FailureReason("InvalidImageFormatException", "the object is empty: it has 0 bytes")
    if size > MAX_IMAGE_BYTES:
        return FailureReason(
            "ImageTooLargeException",
            f"the image has {size} bytes; Rekognition reads at most {MAX_IMAGE_BYTES} from S3",
        )
    return None


class Detector:
    """Calls one model for images in S3."""

    def __init__(self, rekognition: RekognitionClient, settings: InferenceSettings) -> None:
        self._rekognition = rekognition
        self.settings = settings

    def detect(
        self,
        upload: Upload,
        others_succeed: Callable[[], bool],
        breaks_limits: Callable[[], bool],
    ) -> Detection:
        """Label one image, or say why it failed; an empty image and one over 15 MB fail without a call.

        `others_succeed` says whether the model labels other images now, `breaks_limits` whether the picture has sides
        that Rekognition refuses: without either, a refused request is not the image's fault. Errors:
        ImageUnreadableError, NoAnswerError; a ClientError for throttles, server errors and refusals; botocore's
        ConnectionError.
        """
        if failure := size_failure(upload.size):
            return Detection(failure=failure)
        s3_object: S3ObjectTypeDef = {"Bucket": upload.bucket, "Name": upload.key}
        if upload.version_id is not None:
            s3_object["Version"] = upload.version_id
        request: DetectCustomLabelsRequestTypeDef = {
            "ProjectVersionArn": self.settings.project_version_arn,
            "Image": {"S3Object": s3_object},
        }
        if self.settings.asked_confidence is not None:
            request["MinConfidence"] = self.settings.asked_confidence
        try:
            with calling(DETECT, str(upload)):
                answer = self._rekognition.detect_custom_labels(**request)
        except ClientError as error:
            if error_code(error) == "InvalidS3ObjectException":
                raise ImageUnreadableError(error_message(error)) from error
            if classify(error) is ErrorClass.IMAGE or (
                is_request_refused(error) and (not is_plain(upload.key) or others_succeed() or breaks_limits())
            ):
                return Detection(failure=FailureReason(error_code(error), error_message(error)))
            raise
        except HTTPClientError as error:
            raise NoAnswerError(f"{error} ({DETECT} {upload})") from error
        return Detection(custom_labels=answer["CustomLabels"])
