"""The errors that the emulated service answers with.

Codes, texts and statuses: https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
"""

from __future__ import annotations

MESSAGES = {
    "ImageTooLargeException": "Image size is too large.",
    "InternalServerError": "Internal server error",
    "InvalidImageFormatException": "Request has invalid image format.",
    "InvalidPaginationTokenException": "Invalid Pagination Token",
    "InvalidParameterException": "Request has invalid parameters.",
    "InvalidS3ObjectException": (
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    ),
    "ProvisionedThroughputExceededException": "Provisioned Rate exceeded.",
    "ResourceInUseException": "Specified resource is in use.",
    "ResourceNotFoundException": "The specified resource doesn't exist.",
    "ResourceNotReadyException": "The requested resource isn't ready.",
}
"""AWS's text per code, for the errors that need no more than that."""


class ServiceError(Exception):
    """An error that the service documents, as opposed to a defect of the emulator."""

    def __init__(self, code: str, message: str | None = None, http_status: int | None = None) -> None:
        self.code = code
        self.message = MESSAGES[code] if message is None else message
        self.http_status = http_status or (500 if code == "InternalServerError" else 400)
        super().__init__(f"{self.code}: {self.message}")
