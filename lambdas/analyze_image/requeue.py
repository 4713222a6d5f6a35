"""When a message that was not finished is delivered again: as a delayed copy that carries its RetryState.

A message that is reported as failed stays hidden for its whole visibility timeout, and is one receive nearer to the
dead-letter queue. So the analysis sends a copy, and then reports the original as done, which makes Lambda delete it. A
crash in between leaves both, and the second finds the work of the first. So SQS's receive count rises only when the
function crashes or times out, and nothing else makes SQS itself dead-letter a message.
"""

import random

MIN_DELAY_SECONDS = 5
MAX_DELAY_SECONDS = 60
# Longer each time, so that an image that always fails is through its four attempts in little more than a minute.
FAILURE_DELAYS_SECONDS = (5, 15, 45, 60)


def delay_after_deferral(deferrals: int) -> int:
    """Return the copy's delay in seconds: longer each time, and at random between half of it and all of it."""
    # The exponent is limited because the count comes from a message attribute, and may be anything.
    longest = min(MAX_DELAY_SECONDS, MIN_DELAY_SECONDS * 2 ** min(deferrals, 8))
    return round(random.uniform(longest / 2, longest))  # noqa: S311 - spreads messages, hides nothing


def delay_after_failure(attempts: int) -> int:
    """Return the copy's delay in seconds after a failure that may be the image's own."""
    return FAILURE_DELAYS_SECONDS[min(attempts, len(FAILURE_DELAYS_SECONDS) - 1)]
