"""The errors that the emulated service answers with.

Codes, texts and statuses: https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
"""

from __future__ import annotations

MESSAGES = {
    "AccessDeniedException": "User is not authorized to perform the operation on the resource.",
    "ImageTooLargeException": "Image size is too large.",
    "InternalServerError": "Internal server error",
    "InvalidImageFormatException": "Request has invalid image format.",
    "InvalidPaginationTokenException": "Invalid Pagination Token",
    "InvalidParameterException": "Request has invalid parameters.",
    "InvalidS3ObjectException": (
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    ),
    "LimitExceededException": "A service limit was exceeded.",
    "ProvisionedThroughputExceededException": "Provisioned Rate exceeded.",
    "ResourceInUseException": "Specified resource is in use.",
    "ResourceNotFoundException": "The specified resource doesn't exist.",
    "ServiceQuotaExceededException": "The size of the collection or tag list exceeds the allowed limit.",
    "ResourceNotReadyException": "The requested resource isn't ready.",
    # AWS also has this one with status 500 and the text "Service Unavailable".
    "ThrottlingException": "Slow down; sudden increase in rate of requests.",
}
"""A text per code: AWS's, except where AWS's names a user, a resource or a limit."""


class ServiceError(Exception):
    """An error that the service documents, as opposed to a defect of the emulator."""

    def __init__(self, code: str, message: str | None = None, http_status: int | None = None) -> None:
        self.code = code
        self.message = MESSAGES[code] if message is None else message
        self.http_status = http_status or (500 if code == "InternalServerError" else 400)
        super().__init__(f"{self.code}: {self.message}")
