"""What a workflow caught, as people read it."""

import json
import re
from typing import Any

# How botocore writes an answer of AWS.
_OF_BOTOCORE = re.compile(
    r"An error occurred \((?P<code>[^)]+)\) when calling the (?P<operation>\w+) operation(?: \([^)]*\))?: (?P<text>.*)",
    re.DOTALL,
)
_ERROR_MESSAGE = re.compile(r'\s*\{\s*"errorMessage"\s*:\s*')


def readable_error(failure: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the receipt's `error` for a failure as the workflow caught it.

    Step Functions hands on a function's exception as a JSON text with errorMessage and a stack trace; a time-out or a
    fault of the service has plain text or nothing. The stack trace stays in the log. A long one is cut off in the
    middle of the JSON, after the message.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    if failure is None:
        return None
    code, message = str(failure.get("code", "Unknown")), _message(failure.get("message") or "no further information")
    answer = _OF_BOTOCORE.fullmatch(message)
    if answer is None:
        return {"code": code, "message": message}
    # "ClientError" is botocore's name for every answer that its models do not name.
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
