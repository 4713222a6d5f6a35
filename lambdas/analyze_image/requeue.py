"""When a message that was not finished is delivered again: as a delayed copy that carries its RetryState.

A message that is reported as failed stays hidden for its whole visibility timeout, and is one receive nearer to the
dead-letter queue. So the analysis sends a copy, and then reports the original as done, which makes Lambda delete it. A
crash in between leaves both, and the second finds the work of the first.

A message whose deletion failed comes again although it was requeued. requeued_messages.py knows it, and it is not
requeued again but reported as failed. So an image stays one message however long deletions fail. What else raises SQS's
receive count is listed beside maxReceiveCount, in terraform/modules/intake/main.tf.
"""

import random

MIN_DELAY_SECONDS = 5
# A run without progress ends after three minutes, and has to see in them whether the trouble is over.
MAX_DELAY_SECONDS = 60
# S3's trouble with one object keeps no other image waiting, so it is retried up to the longest delay that SQS takes.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
MAX_OBJECT_DELAY_SECONDS = 900

# Lambda's own bound on such loops, about 16 rounds, is off (terraform/function_analyze_image.tf), because an outage of
# half an hour takes more. Ours are the two below, and MAX_ATTEMPTS of poison.py.
# An image that is deferred for longer than this is dead-lettered. It is time and not a number of tries, because an
# outage ends after hours, however often the image is tried meanwhile. No trouble of S3 with one object lasts for a day.
MAX_OBJECT_DEFERRED_SECONDS = 24 * 3600
# What may concern every image is for a person to mend, who has alarms. It gets as long as SQS keeps a message.
MAX_DEFERRED_SECONDS = 14 * 24 * 3600

# Longer each time, so that an image that always fails is through its four attempts in little more than a minute.
FAILURE_DELAYS_SECONDS = (5, 15, 45, 60)


def delay_after_deferral(deferrals: int, max_delay_seconds: int) -> int:
    """Return the copy's delay in seconds: longer each time, and at random between half of it and all of it."""
    # The exponent is limited because the count comes from a message attribute, and may be anything.
    longest = min(max_delay_seconds, MIN_DELAY_SECONDS * 2 ** min(deferrals, 8))
    return round(random.uniform(longest / 2, longest))  # noqa: S311 - spreads messages, hides nothing


def delay_after_failure(attempts: int) -> int:
    """Return the copy's delay in seconds after a failure that may be the image's own."""
    return FAILURE_DELAYS_SECONDS[min(attempts, len(FAILURE_DELAYS_SECONDS) - 1)]
