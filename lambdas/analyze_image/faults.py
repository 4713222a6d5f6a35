"""What can go wrong with one image, and what follows from it: the one table of it.

https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html

A permanent refusal says nothing of whom it concerns: a bucket's policy and one object's lock are both AccessDenied. So
two kinds are told apart here. What names the account, a bucket, a queue or our own credentials is BLOCKED: it concerns
all images. Every other refusal is REFUSED, and `Suspects` decides by what became of the other images.
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


class Fault(Enum):
    """Whose fault it is, and so what becomes of the image, of its message, and of the rest of the batch."""

    # The image's own, whoever sends it and however often: it ends under failed/ after one call.
    IMAGE = auto()
    # Nothing can be labelled now, whatever the image: the whole batch goes back, and the run is told why.
    BLOCKED = auto()
    # Refused for good, for this image or for all: it goes back, and the run is told why unless other images pass.
    REFUSED = auto()
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


class AccessMissingError(Exception):
    """The object is there, and Rekognition may not read it: this object's key or owner, or a permission of ours."""


# Codes as `_plain` writes them: in lower case, without the "Exception" or "Error" that only some protocols add.

_IMAGE = frozenset({"imagetoolarge", "invalidimageformat", "invalidparameter"})

# The request itself is refused, and one image's request differs from another's only in the key and the version. None
# of these is in DetectCustomLabels' own list of errors.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/CommonErrors.html
_REQUEST = frozenset(
    {
        *("validation", "serialization", "badrequest", "invalidrequest", "malformedrequest", "requestentitytoolarge"),
        *("invalidparametervalue", "invalidparametercombination", "malformedquerystring", "400", "413"),
    }
)

_DETECT = {
    **dict.fromkeys(_IMAGE, Fault.IMAGE),
    **dict.fromkeys(_REQUEST, Fault.REFUSED),
    "resourcenotready": Fault.BLOCKED,
    "resourcenotfound": Fault.BLOCKED,
    **dict.fromkeys(("accessdenied", "notauthorized", "unauthorized", "forbidden", "401", "403"), Fault.BLOCKED),
    "unknownoperation": Fault.BLOCKED,
    "provisionedthroughputexceeded": Fault.CONGESTED,
    "throttling": Fault.CONGESTED,
    "throttled": Fault.CONGESTED,
    "toomanyrequests": Fault.CONGESTED,
    "requestlimitexceeded": Fault.CONGESTED,
    "limitexceeded": Fault.CONGESTED,
    "serviceunavailable": Fault.CONGESTED,
    "429": Fault.CONGESTED,
    "503": Fault.CONGESTED,
    # InvalidS3ObjectException means one of three things: Labelling looks which.
    "internalserver": Fault.SUSPECT,
    "internal": Fault.SUSPECT,
    "internalfailure": Fault.SUSPECT,
}

_PASSING = frozenset(
    {
        *("slowdown", "serviceunavailable", "internal", "internalfailure", "internalserver", "operationaborted"),
        *("conditionalrequestconflict", "requesttimeout", "requesttimedout", "transactioninprogress"),
        *("throttling", "throttled", "requestthrottled", "toomanyrequests", "requestlimitexceeded", "limitexceeded"),
        *("provisionedthroughputexceeded", "bandwidthlimitexceeded", "priorrequestnotcomplete", "overlimit"),
        # A part of a large copy got lost, or arrived damaged.
        *("nosuchupload", "invalidpart", "baddigest", "incompletebody"),
        # HeadObject has no body: its code is the HTTP status. 5xx all pass, see fault_of.
        *("408", "409", "429"),
        # KMS, asked by S3 ("KMS.") or by SQS ("Kms"), is busy or down; its other answers stand until a person acts.
        # https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html#API_GenerateDataKey_Errors
        *("kms.throttling", "kmsthrottled", "kms.limitexceeded", "kms.dependencytimeout", "kms.kmsinternal"),
        *("kms.internal", "kms.keyunavailable"),
    }
)

_OF_ALL = frozenset(
    {
        # Our own credentials, or the clock that signs with them.
        *("expiredtoken", "tokenrefreshrequired", "invalidtoken", "invalidsecurity", "invalidsecuritytoken"),
        *("invalidaccesskeyid", "invalidclienttokenid", "unrecognizedclient", "missingauthenticationtoken"),
        *("invalidsignature", "incompletesignature", "signaturedoesnotmatch", "missingsecurityheader"),
        *("authorizationheadermalformed", "requesttimetooskewed", "requestexpired", "authfailure"),
        # The account.
        *("accountproblem", "allaccessdisabled", "notsignedup", "optinrequired", "subscriptionrequired"),
        *("unauthorizedaccess", "invalidpayer", "kmsoptinrequired"),
        # A bucket, a queue or a table, by its name or its place.
        *("nosuchbucket", "invalidbucketname", "invalidbucketstate", "permanentredirect", "301", "nosuchaccesspoint"),
        *("illegallocationconstraint", "queuedoesnotexist", "nonexistentqueue", "queuedeletedrecently"),
    }
)

_OF_EXCEPTION: dict[type[Exception], Fault] = {
    UnexpectedMessage: Fault.FOREIGN,
    NotEnoughTimeError: Fault.NO_TIME,
    AccessMissingError: Fault.REFUSED,
    NoCredentialsError: Fault.BLOCKED,
    CredentialRetrievalError: Fault.BLOCKED,
    # No connection, whosever; and time-outs of S3, for Detector gives those of the model a name of their own.
    ConnectionError: Fault.CONGESTED,
    HTTPClientError: Fault.CONGESTED,
    IncompleteReadError: Fault.CONGESTED,
}

DETECT = "DetectCustomLabels"

# What is refused here may be refused for the sake of one object: its owner, its key, its tags or its lock. In the final
# bucket the names are our own, so that a refusal there is taken for one of all as long as no other image passes.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
_ON_THE_SOURCE = frozenset({"HeadObject", "DeleteObject"})

# The member of the request that a message names, as in "… at 'image.s3Object.name' failed to satisfy constraint".
_MEMBER = re.compile(r"image\.s3object\.(name|version)|projectversionarn|minconfidence|image\.s3object\.bucket", re.I)


def fault_of(error: Exception) -> Fault:
    """Return what kind of fault an error is; one that nobody foresaw is SUSPECT."""
    if isinstance(error, ClientError):
        return _fault_of_answer(error)
    return next((fault for kind, fault in _OF_EXCEPTION.items() if isinstance(error, kind)), Fault.SUSPECT)


def is_image_fault(code: str) -> bool:
    """Whether the model answers with this code that an image is at fault."""
    return _plain(code) in _IMAGE


def is_request_refused(error: ClientError) -> bool:
    """Whether the model refused the request as such, and does not say which member of it was wrong."""
    return error.operation_name == DETECT and _fault_of_answer(error) is Fault.REFUSED


def may_be_of_one_object(error: Exception) -> bool:
    """Whether a refusal may be about one object although no other image passes."""
    return isinstance(error, AccessMissingError) or (
        isinstance(error, ClientError) and error.operation_name in _ON_THE_SOURCE
    )


def _fault_of_answer(error: ClientError) -> Fault:
    code, status = _plain(error_code(error)), _http_status(error)
    if code in _OF_ALL:
        return Fault.BLOCKED
    if error.operation_name == DETECT:
        if code in _REQUEST and (member := _MEMBER.search(error_message(error))):
            return Fault.IMAGE if member[1] else Fault.BLOCKED
        is_refusal = 400 <= status < 500
        return _DETECT.get(code) or (Fault.REFUSED if is_refusal else Fault.SUSPECT)
    if code in _PASSING or status >= 500:
        return Fault.BUSY
    # Whatever else S3, SQS or KMS refuses, they refuse again: their passing troubles are known.
    return Fault.REFUSED if code else Fault.SUSPECT


def _plain(code: str) -> str:
    """Return a code without what differs between protocols, as in AWS.SimpleQueueService.NonExistentQueue."""
    name = code.rpartition("#")[2].removeprefix("AWS.").removeprefix("SimpleQueueService.")
    return name.removesuffix("Exception").removesuffix("Error").lower()


def _http_status(error: ClientError) -> int:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status or (int(error_code(error)) if error_code(error).isdecimal() else 0)


def code_of(error: Exception) -> str:
    """Return AWS's code of an error, or what we call it."""
    if isinstance(error, ClientError):
        return error_code(error)
    return type(error).__name__


def reason_of(error: Exception) -> str:
    """Return an error as one readable sentence: "code: message (operation object)"."""
    call = call_of(error)
    reason = f"{code_of(error)}: {error_message(error) if isinstance(error, ClientError) else error}"
    return f"{reason} ({call})" if call else reason
