"""What can go wrong with one image, and what follows from it: the one table of it.

https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from enum import Enum, auto

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)

from analyze_image.upload import ForeignMessageError
from shared.clients import error_code, error_message


class Fault(Enum):
    """Whose fault it is, and so what becomes of the image, of its message, and of the rest of the batch."""

    # The image's own, whoever sends it and however often: it ends under failed/ after one call.
    IMAGE = auto()
    # Nothing can be labelled now, whatever the image: the whole batch goes back, and the run is told why.
    BLOCKED = auto()
    # Too much is asked of a service, or it is out of reach: the whole batch goes back, so that calls become fewer.
    CONGESTED = auto()
    # A passing trouble of S3 with this object: the image goes back.
    BUSY = auto()
    # Perhaps the image's own, perhaps the service's: the image goes back, and `Suspects` judges in the end.
    SUSPECT = auto()
    # No image at all: the dead-letter queue keeps the message.
    FOREIGN = auto()
    # Not begun: it goes back at once.
    NO_TIME = auto()


class NotEnoughTimeError(Exception):
    """The function would be cut off in the middle of this image."""


_DETECT = {
    "ImageTooLargeException": Fault.IMAGE,
    "InvalidImageFormatException": Fault.IMAGE,
    "InvalidParameterException": Fault.IMAGE,
    "ResourceNotReadyException": Fault.BLOCKED,
    "ResourceNotFoundException": Fault.BLOCKED,
    "AccessDeniedException": Fault.BLOCKED,
    "ProvisionedThroughputExceededException": Fault.CONGESTED,
    "ThrottlingException": Fault.CONGESTED,
    "Throttling": Fault.CONGESTED,
    "TooManyRequestsException": Fault.CONGESTED,
    "LimitExceededException": Fault.CONGESTED,
    "ServiceUnavailable": Fault.CONGESTED,
    "ServiceUnavailableException": Fault.CONGESTED,
    # InvalidS3ObjectException means one of three things: Labelling looks which.
    "InternalServerError": Fault.SUSPECT,
}

# Codes by which the model answers that an image is at fault.
IMAGE_FAULTS = frozenset(code for code, fault in _DETECT.items() if fault is Fault.IMAGE)

# These two operations go to the final bucket alone. A copy or a delete may be refused for the source's sake.
_FINAL_BUCKET = {"AccessDenied": Fault.BLOCKED, "NoSuchBucket": Fault.BLOCKED}

_OF_OPERATION = {"DetectCustomLabels": _DETECT, "PutObject": _FINAL_BUCKET, "GetObject": _FINAL_BUCKET}

_OF_ANY_OPERATION = {
    "SlowDown": Fault.BUSY,
    "ServiceUnavailable": Fault.BUSY,
    "InternalError": Fault.BUSY,
    "OperationAborted": Fault.BUSY,
    "ConditionalRequestConflict": Fault.BUSY,
    "RequestTimeout": Fault.BUSY,
    # KMS is asked too often on behalf of S3.
    "ThrottlingException": Fault.BUSY,
    "KMS.ThrottlingException": Fault.BUSY,
    # HeadObject has no body: its code is the HTTP status. 5xx are all BUSY, see fault_of.
    "409": Fault.BUSY,
    # Our own credentials.
    "ExpiredToken": Fault.BLOCKED,
    "ExpiredTokenException": Fault.BLOCKED,
    "InvalidAccessKeyId": Fault.BLOCKED,
    "InvalidSignatureException": Fault.BLOCKED,
    "SignatureDoesNotMatch": Fault.BLOCKED,
    "UnrecognizedClientException": Fault.BLOCKED,
    # The account, not one object.
    "AccountProblem": Fault.BLOCKED,
    "AllAccessDisabled": Fault.BLOCKED,
}

_OF_EXCEPTION: dict[type[Exception], Fault] = {
    ForeignMessageError: Fault.FOREIGN,
    NotEnoughTimeError: Fault.NO_TIME,
    NoCredentialsError: Fault.BLOCKED,
    CredentialRetrievalError: Fault.BLOCKED,
    # No connection, whosever; and time-outs of S3, for Detector gives those of the model a name of their own.
    ConnectionError: Fault.CONGESTED,
    HTTPClientError: Fault.CONGESTED,
    IncompleteReadError: Fault.CONGESTED,
}


def fault_of(error: Exception) -> Fault:
    """Return what kind of fault an error is; one that nobody foresaw is SUSPECT."""
    if isinstance(error, ClientError):
        return _fault_of_answer(error)
    return next((fault for kind, fault in _OF_EXCEPTION.items() if isinstance(error, kind)), Fault.SUSPECT)


def _fault_of_answer(error: ClientError) -> Fault:
    code, of_operation = error_code(error), _OF_OPERATION.get(error.operation_name, {})
    known = of_operation.get(code) or _OF_ANY_OPERATION.get(code)
    if known:
        return known
    if of_operation is _FINAL_BUCKET and code.startswith("KMS."):
        # The final bucket's key is disabled, gone or denied.
        return Fault.BLOCKED
    if of_operation is not _DETECT and _http_status(error) >= 500:
        return Fault.BUSY
    return Fault.SUSPECT


def _http_status(error: ClientError) -> int:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status or (int(error_code(error)) if error_code(error).isdecimal() else 0)


def code_of(error: Exception) -> str:
    """Return AWS's code of an error, or what we call it."""
    if isinstance(error, ClientError):
        return error_code(error)
    return "ForeignMessage" if isinstance(error, ForeignMessageError) else type(error).__name__


def reason_of(error: Exception) -> str:
    """Return an error as one readable sentence, "code: message"."""
    return f"{code_of(error)}: {error_message(error) if isinstance(error, ClientError) else error}"
