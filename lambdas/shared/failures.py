"""What a workflow caught, in words for people."""

import json
import re
from typing import Any

# How botocore words an error that AWS answered.
_BOTOCORE_ERROR = re.compile(
    r"An error occurred \((?P<code>[^)]+)\) when calling the (?P<operation>\w+) operation(?: \([^)]*\))?: (?P<text>.*)",
    re.DOTALL,
)
_ERROR_MESSAGE = re.compile(r'\s*\{\s*"errorMessage"\s*:\s*')


def readable_error(failure: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the receipt's `error` for a failure as the workflow caught it: `{"Error": …, "Cause": …}`.

    With an earlier failure as `Before`, the message tells of that too.
    The cause of a function's exception is JSON with errorMessage and a stack trace; a time-out or a service error has
    plain text or nothing. The stack trace stays in the log. Step Functions cuts off a long cause in the middle of the
    JSON, after the message.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    if failure is None:
        return None
    readable = _readable(failure)
    if before := readable_error(failure.get("Before")):
        readable["message"] += f" Before that, the run failed with {before['code']}: {before['message']}"
    return readable


def _readable(failure: dict[str, Any]) -> dict[str, str]:
    code, message = str(failure.get("Error", "Unknown")), _message(failure.get("Cause") or "no further information")
    answer = _BOTOCORE_ERROR.fullmatch(message)
    if answer is None:
        return {"code": code, "message": message}
    # botocore raises "ClientError" for every error that its service models do not name.
    code = answer["code"] if code == "ClientError" else code
    return {"code": code, "message": f"{answer['code']}: {answer['text']} ({answer['operation']})"}


def _message(cause: str) -> str:
    begin = _ERROR_MESSAGE.match(cause)
    try:
        if begin:
            return str(json.JSONDecoder().raw_decode(cause, begin.end())[0])
        details = json.loads(cause)
    except ValueError:
        return cause
    return str(details.get("errorMessage", cause)) if isinstance(details, dict) else cause
