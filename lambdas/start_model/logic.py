"""What to do about the model, given its status."""

import math
from enum import Enum

from shared.project_version import ModelDescription, Phase

# A start takes minutes, sometimes 20 to 30. The first poll after RUNNING must not be late, because the model costs from
# then on: on average half a poll interval, at US$0.0011 a second and unit. Each poll of the start is three transitions,
# at US$0.000025 each. For a start of ten minutes the sum is lowest at 9 seconds for one unit. For more units it is
# lowest at 9 seconds divided by the square root of the units.
POLL_SECONDS_WITH_ONE_UNIT = 9
MIN_POLL_SECONDS = 4
START_TIMEOUT_SECONDS = 45 * 60

# By default an account may run two models. When others use both, a run waits this long for one of them to stop. Then it
# leaves its images for the next run. https://docs.aws.amazon.com/general/latest/gr/rekognition.html
QUOTA_POLL_SECONDS = 60
QUOTA_TIMEOUT_SECONDS = 30 * 60


# After an apply the watchdog looks at its model within a minute. The start waits for that, so that nothing starts that
# the watchdog would not stop.
WATCHDOG_POLL_SECONDS = 15
WATCHDOG_TIMEOUT_SECONDS = 3 * 60


class Action(Enum):
    """The next step towards RUNNING."""

    USE = "use"
    WAIT = "wait"
    START = "start"
    GIVE_UP = "give up"
    REPORT_FAILURE = "report failure"


def poll_seconds(inference_units: int) -> int:
    """Return how long to wait before the next poll of a model that starts with so many units."""
    return max(MIN_POLL_SECONDS, round(POLL_SECONDS_WITH_ONE_UNIT / math.sqrt(inference_units)))


def next_action(description: ModelDescription, *, start_accepted: bool) -> Action:
    """Return the next step; `start_accepted` says whether this run's start was accepted before."""
    match description.phase:
        case Phase.RUNNING:
            return Action.USE
        case Phase.STARTING | Phase.STOPPING:
            return Action.WAIT
        case Phase.STARTABLE:
            # After an accepted start this is a stale status (descriptions are eventually consistent), or someone else
            # stopped the model. Rekognition rejects a repeated start in the first case, and it is right in the second.
            return Action.START
        case Phase.FAILED:
            # A failure from before this run is worth a try. After our own start it means that the start failed.
            return Action.REPORT_FAILURE if start_accepted else Action.START
        case _:
            return Action.GIVE_UP
