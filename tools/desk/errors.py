"""What can go wrong at the desk, each as one sentence that says what to do, with the exit code that a program sees."""

from enum import IntEnum

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import error_code, error_message


class Exit(IntEnum):
    """How a command ends. A program may rely on it."""

    OK = 0
    # AWS refused or could not be reached, or not everything could be done.
    FAILED = 1
    # The command line is wrong, or nobody was there to be asked.
    USAGE = 2
    # What was asked for is not there, or what was found needs a person.
    ATTENTION = 3


class DeskError(Exception):
    """A command cannot do what it was asked for; the message is a sentence for people."""

    exit = Exit.FAILED


class UsageError(DeskError):
    """The command line does not say what to do."""

    exit = Exit.USAGE


class NotFoundError(DeskError):
    """What was asked for is not there; the message says what was looked for, and where."""

    exit = Exit.ATTENTION


# Codes of requests that were signed with credentials that AWS does not take (any more).
# https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html
NOT_SIGNED_IN = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"})
# botocore's, when it finds no credentials that it could sign with.
NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.SSOError,
    aws.TokenRetrievalError,
    aws.LoginError,
)
# And when there is no way to AWS.
NO_NETWORK = (aws.HTTPClientError, aws.ConnectionError)


def explain(error: Exception) -> tuple[str, Exit]:
    """Return the sentence about an error of ours or of botocore's, and the exit code."""
    match error:
        case DeskError():
            return str(error), error.exit
        case aws.NoRegionError():
            return "no region: set AWS_REGION to the deployment's, or `region` in your AWS profile", Exit.FAILED
        case ClientError() if error_code(error) in NOT_SIGNED_IN:
            return (
                f"AWS does not take your credentials, or they have expired: sign in again ({error_code(error)} "
                f"from {error.operation_name}: {error_message(error)})",
                Exit.FAILED,
            )
        case ClientError() if error_code(error) in REFUSED:
            return f"you may not call {error.operation_name}: {error_message(error)}", Exit.FAILED
        case ClientError():
            return str(error), Exit.FAILED
        case BotoCoreError() if isinstance(error, NO_CREDENTIALS):
            return f"no AWS credentials: sign in, or set AWS_PROFILE ({error})", Exit.FAILED
        case BotoCoreError() if isinstance(error, NO_NETWORK):
            return f"AWS cannot be reached: check the network, the proxy and the region ({error})", Exit.FAILED
        case _:
            return str(error), Exit.FAILED
