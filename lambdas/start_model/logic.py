"""What to do about the model, given its status."""

import math
from enum import Enum

from shared.project_version import ModelDescription, Phase

# The poll that finds RUNNING is half an interval w late on average, and the model costs US$0.0011 a second and unit
# from then on. A poll is three transitions and a call, US$0.00008 in all. Nobody knows how long a start takes: after t
# seconds, it may as well last as long again. So it ends within a second with a chance of 1/t, and the polls and the
# lateness cost 0.00008 / w + 0.0011 * units * w / 2t a second. That is least at w = 0.38 * sqrt(t / units), where
# the polls cost as much as they save: 2 seconds for a start of half a minute, and 9 for one of ten minutes.
POLL_FACTOR = 0.38
MIN_POLL_SECONDS = 2
# The bound for many units, so that the longest start takes no more than a third of the run's history.
MIN_SHARE_OF_WAIT = 1 / 300
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


def poll_seconds(inference_units: int, starting_seconds: int) -> int:
    """Return how long to wait before the next poll of so many units that have been starting for so long."""
    wait = max(POLL_FACTOR * math.sqrt(starting_seconds / inference_units), starting_seconds * MIN_SHARE_OF_WAIT)
    return max(MIN_POLL_SECONDS, round(wait))


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
