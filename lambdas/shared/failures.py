"""What a workflow caught, as people read it."""

import json
from typing import Any


def readable_error(failure: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the receipt's `error` for a failure as the workflow caught it.

    Step Functions hands on a function's exception as a JSON text with errorMessage and a stack trace; a time-out or a
    fault of the service has plain text or nothing. The stack trace stays in the log.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    if failure is None:
        return None
    cause = failure.get("message") or "no further information"
    try:
        details = json.loads(cause)
    except ValueError:
        details = None
    message = details.get("errorMessage", cause) if isinstance(details, dict) else cause
    return {"code": str(failure.get("code", "Unknown")), "message": str(message)}
