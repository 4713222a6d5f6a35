"""The call to the model.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from analyze_image.documents import ImageFault, ModelUse, Verdict
from analyze_image.faults import DETECT, Fault, fault_of, is_request_refused
from shared.clients import calling, error_code, error_message
from shared.s3_events import Upload

# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
IMAGE_BYTES_AT_MOST = 15 * 1024 * 1024


class ImageUnreadableError(Exception):
    """Rekognition could not read the object: it is gone, was replaced, or may not be read."""


class NoAnswerError(Exception):
    """Rekognition took the call and did not answer it."""


def is_plain(key: str) -> bool:
    """Whether a key holds nothing that a validator could mind: no line break, no control character, no outer space.

    Rekognition answers ValidationException for a line break; AWS documents no pattern that says for what else.
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_S3Object.html
    """
    return key == key.strip() and key.isprintable()


def size_fault(size: int) -> ImageFault | None:
    """Return what is wrong with an image of so many bytes, which Rekognition would not look at; None: nothing."""
    if size == 0:
        return ImageFault("InvalidImageFormatException", "the object is empty: it has 0 bytes")
    if size > IMAGE_BYTES_AT_MOST:
        return ImageFault(
            "ImageTooLargeException",
            f"the image has {size} bytes; Rekognition takes at most {IMAGE_BYTES_AT_MOST} from S3",
        )
    return None


class Detector:
    """One model, ready to look at images in S3."""

    def __init__(self, rekognition: Any, model: ModelUse) -> None:  # noqa: ANN401
        self._rekognition = rekognition
        self.model = model

    def detect(self, upload: Upload, others_pass: Callable[[], bool] = lambda: False) -> Verdict:
        """Label one image, or find it at fault; an empty image and one over 15 MB are at fault without a call.

        `others_pass` says whether the model labels other images now. Errors: ImageUnreadableError, NoAnswerError; a
        ClientError for throttles, server errors and refusals; botocore's ConnectionError.
        """
        if fault := size_fault(upload.size):
            return Verdict(fault=fault)
        s3_object = {"Bucket": upload.bucket, "Name": upload.key}
        if upload.version_id is not None:
            s3_object["Version"] = upload.version_id
        confidence = {} if self.model.min_confidence is None else {"MinConfidence": self.model.min_confidence}
        try:
            with calling(DETECT, str(upload)):
                answer = self._rekognition.detect_custom_labels(
                    ProjectVersionArn=self.model.project_version_arn,
                    Image={"S3Object": s3_object},
                    **confidence,
                )
        except ClientError as error:
            if error_code(error) == "InvalidS3ObjectException":
                raise ImageUnreadableError(error_message(error)) from error
            if fault_of(error) is Fault.IMAGE or (
                is_request_refused(error) and (not is_plain(upload.key) or others_pass())
            ):
                return Verdict(fault=ImageFault(error_code(error), error_message(error)))
            raise
        except HTTPClientError as error:
            raise NoAnswerError(f"{error} ({DETECT} {upload})") from error
        return Verdict(custom_labels=answer["CustomLabels"])
