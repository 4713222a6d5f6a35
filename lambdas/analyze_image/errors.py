"""Which errors an image can meet, and what follows from each: this module is the only table of them.

https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html

A permanent refusal does not say what it concerns: a bucket's policy and one object's lock both answer AccessDenied. So
there are two classes. An error about the account, a bucket, a queue or our own credentials is BLOCKED, because it
concerns every image. Every other refusal is REFUSED, and `PoisonDetector` decides by what became of other images.
"""

import re
from enum import Enum, auto

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)

from shared.clients import call_of, error_code, error_message
from shared.s3_events import UnexpectedMessage


class ErrorClass(Enum):
    """What an error means for the image, for its message, and for the rest of the batch."""

    # The image itself is wrong: it ends under failed/ after one call.
    IMAGE = auto()
    # No image can be labelled: the whole batch is requeued, and the run learns why.
    BLOCKED = auto()
    # Refused until a person acts, this image or every image: requeued, and the run learns why unless others succeed.
    REFUSED = auto()
    # A service is overloaded or cannot be reached: the whole batch is requeued, so that fewer calls follow.
    THROTTLED = auto()
    # S3 has a passing problem with this object: the image is requeued.
    S3_TRANSIENT = auto()
    # Perhaps the image's error, perhaps the service's: requeued until `PoisonDetector` decides.
    UNCLASSIFIED = auto()
    # Not an upload: the message is dead-lettered.
    NOT_AN_UPLOAD = auto()
    # Not started for lack of time: requeued without delay.
    DEADLINE = auto()


class DeadlineError(Exception):
    """The function would time out in the middle of this image."""


class AccessMissingError(Exception):
    """The object exists, but Rekognition may not read it: its KMS key, its owner, or a permission is the cause."""


# Codes as `_plain` writes them: in lower case, without the "Exception" or "Error" that only some protocols add.

_IMAGE = frozenset({"imagetoolarge", "invalidimageformat"})

_PARAMETER = "invalidparameter"

# Rekognition refuses the request itself. The requests of two images differ only in key and version. Only the first of
# these codes is in DetectCustomLabels' own list of errors: a picture that is too narrow, or anything that the model or
# this system gets wrong for all of them.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/CommonErrors.html
_REQUEST = frozenset(
    {
        _PARAMETER,
        *("validation", "serialization", "badrequest", "invalidrequest", "malformedrequest", "requestentitytoolarge"),
        *("invalidparametervalue", "invalidparametercombination", "malformedquerystring", "400", "413"),
    }
)

_DETECT = {
    **dict.fromkeys(_IMAGE, ErrorClass.IMAGE),
    **dict.fromkeys(_REQUEST, ErrorClass.REFUSED),
    **dict.fromkeys(("resourcenotready", "resourcenotfound", "unknownoperation"), ErrorClass.BLOCKED),
    **dict.fromkeys(("accessdenied", "notauthorized", "unauthorized", "forbidden", "401", "403"), ErrorClass.BLOCKED),
    **dict.fromkeys(("provisionedthroughputexceeded", "throttling", "throttled"), ErrorClass.THROTTLED),
    **dict.fromkeys(("toomanyrequests", "requestlimitexceeded", "limitexceeded"), ErrorClass.THROTTLED),
    **dict.fromkeys(("serviceunavailable", "429", "503"), ErrorClass.THROTTLED),
    # InvalidS3ObjectException has three possible causes: Labelling finds out which.
    **dict.fromkeys(("internalserver", "internal", "internalfailure"), ErrorClass.UNCLASSIFIED),
}

_TRANSIENT = frozenset(
    {
        *("slowdown", "serviceunavailable", "internal", "internalfailure", "internalserver", "operationaborted"),
        *("conditionalrequestconflict", "requesttimeout", "requesttimedout", "transactioninprogress"),
        *("throttling", "throttled", "requestthrottled", "toomanyrequests", "requestlimitexceeded", "limitexceeded"),
        *("provisionedthroughputexceeded", "bandwidthlimitexceeded", "priorrequestnotcomplete", "overlimit"),
        # A part of a large copy was lost or damaged.
        *("nosuchupload", "invalidpart", "baddigest", "incompletebody"),
        # HeadObject has no body, so its code is the HTTP status. Every 5xx is transient, see classify.
        *("408", "409", "429"),
        # KMS, called by S3 ("KMS.") or SQS ("Kms"), is overloaded or down. Its other errors last until a person acts.
        # https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html#API_GenerateDataKey_Errors
        *("kms.throttling", "kmsthrottled", "kms.limitexceeded", "kms.dependencytimeout", "kms.kmsinternal"),
        *("kms.internal", "kms.keyunavailable"),
    }
)

_CONCERNS_ALL = frozenset(
    {
        # Our own credentials, or the clock that signs with them.
        *("expiredtoken", "tokenrefreshrequired", "invalidtoken", "invalidsecurity", "invalidsecuritytoken"),
        *("invalidaccesskeyid", "invalidclienttokenid", "unrecognizedclient", "missingauthenticationtoken"),
        *("invalidsignature", "incompletesignature", "signaturedoesnotmatch", "missingsecurityheader"),
        *("authorizationheadermalformed", "requesttimetooskewed", "requestexpired", "authfailure"),
        # The account.
        *("accountproblem", "allaccessdisabled", "notsignedup", "optinrequired", "subscriptionrequired"),
        *("unauthorizedaccess", "invalidpayer", "kmsoptinrequired"),
        # A bucket, a queue or a table, by its name or its region.
        *("nosuchbucket", "invalidbucketname", "invalidbucketstate", "permanentredirect", "301", "nosuchaccesspoint"),
        *("illegallocationconstraint", "queuedoesnotexist", "nonexistentqueue", "queuedeletedrecently"),
    }
)

_BY_EXCEPTION: dict[type[Exception], ErrorClass] = {
    UnexpectedMessage: ErrorClass.NOT_AN_UPLOAD,
    DeadlineError: ErrorClass.DEADLINE,
    AccessMissingError: ErrorClass.REFUSED,
    NoCredentialsError: ErrorClass.BLOCKED,
    CredentialRetrievalError: ErrorClass.BLOCKED,
    # No connection to any service, and time-outs of S3. Detector raises NoAnswerError for time-outs of the model.
    ConnectionError: ErrorClass.THROTTLED,
    HTTPClientError: ErrorClass.THROTTLED,
    IncompleteReadError: ErrorClass.THROTTLED,
}

DETECT = "DetectCustomLabels"

# A refusal of these calls may concern one object: its owner, its key, its tags or its lock. In the final bucket all
# objects are ours, so a refusal there is assumed to concern every image until another image succeeds.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
_ON_SOURCE = frozenset({"HeadObject", "DeleteObject"})

# The request member that an error message names, as in "… at 'image.s3Object.name' failed to satisfy constraint".
_MEMBER = re.compile(r"image\.s3object\.(name|version)|projectversionarn|minconfidence|image\.s3object\.bucket", re.I)


def classify(error: Exception) -> ErrorClass:
    """Return the class of an error; an unforeseen one is UNCLASSIFIED."""
    if isinstance(error, ClientError):
        return _classify_answer(error)
    return next(
        (error_class for kind, error_class in _BY_EXCEPTION.items() if isinstance(error, kind)), ErrorClass.UNCLASSIFIED
    )


def is_about_image(code: str) -> bool:
    """Whether this code of DetectCustomLabels may be about the image, so that the model did look at it."""
    return _plain(code) in _IMAGE | {_PARAMETER}


def is_throttle(code: str) -> bool:
    """Whether this code of DetectCustomLabels says that calls come too fast."""
    return _DETECT.get(_plain(code)) is ErrorClass.THROTTLED


def is_request_refused(error: ClientError) -> bool:
    """Whether Rekognition refused the request without saying which member was wrong."""
    return error.operation_name == DETECT and _classify_answer(error) is ErrorClass.REFUSED


def may_concern_one_object(error: Exception) -> bool:
    """Whether a refusal may concern one object although no other image succeeds."""
    return isinstance(error, AccessMissingError) or (
        isinstance(error, ClientError) and error.operation_name in _ON_SOURCE
    )


def _classify_answer(error: ClientError) -> ErrorClass:
    code, status = _plain(error_code(error)), _http_status(error)
    if code in _CONCERNS_ALL:
        return ErrorClass.BLOCKED
    if error.operation_name == DETECT:
        if code in _REQUEST and (member := _MEMBER.search(error_message(error))):
            return ErrorClass.IMAGE if member[1] else ErrorClass.BLOCKED
        is_refusal = 400 <= status < 500
        return _DETECT.get(code) or (ErrorClass.REFUSED if is_refusal else ErrorClass.UNCLASSIFIED)
    if code in _TRANSIENT or status >= 500:
        return ErrorClass.S3_TRANSIENT
    # Whatever else S3, SQS or KMS refuses, they refuse again: their transient errors are all listed above.
    return ErrorClass.REFUSED if code else ErrorClass.UNCLASSIFIED


def _plain(code: str) -> str:
    """Return a code without what differs between protocols, such as AWS.SimpleQueueService.NonExistentQueue."""
    name = code.rpartition("#")[2].removeprefix("AWS.").removeprefix("SimpleQueueService.")
    return name.removesuffix("Exception").removesuffix("Error").lower()


def _http_status(error: ClientError) -> int:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status or (int(error_code(error)) if error_code(error).isdecimal() else 0)


def error_code_of(error: Exception) -> str:
    """Return AWS's code of an error, or the name of its class."""
    return error_code(error) if isinstance(error, ClientError) else type(error).__name__


def describe(error: Exception) -> str:
    """Return an error as one readable sentence: "code: message (operation object)"."""
    call = call_of(error)
    reason = f"{error_code_of(error)}: {error_message(error) if isinstance(error, ClientError) else error}"
    return f"{reason} ({call})" if call else reason
