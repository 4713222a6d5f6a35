"""What to do about the model, given its status."""

import math
from enum import Enum

from shared.project_version import Phase, Sighting

# A start takes minutes, sometimes 20 to 30. The first look after RUNNING must not be late, because the model is
# paid for from then on: half the time between looks, at US$0.0011 a second and unit. A look is three transitions, at
# US$0.000025 each, all through the start. For a start of ten minutes the sum is least with 9 seconds for one unit, and
# with that over the root of the units for more.
POLL_SECONDS_WITH_ONE_UNIT = 9
SHORTEST_POLL_SECONDS = 4
START_TIMEOUT_SECONDS = 45 * 60

# Two running models are all that an account has by default. When others have both, a run waits for one of them to stop,
# and then leaves its images to the next run. https://docs.aws.amazon.com/general/latest/gr/rekognition.html
QUOTA_POLL_SECONDS = 60
QUOTA_TIMEOUT_SECONDS = 30 * 60


class Action(Enum):
    """The next step towards RUNNING."""

    USE = "use"
    WAIT = "wait"
    START = "start"
    GIVE_UP = "give up"
    REPORT_FAILURE = "report failure"


def poll_seconds(inference_units: int) -> int:
    """Return how long to wait for the next look at a model that starts with so many units."""
    return max(SHORTEST_POLL_SECONDS, round(POLL_SECONDS_WITH_ONE_UNIT / math.sqrt(inference_units)))


def next_action(sighting: Sighting, *, start_accepted: bool) -> Action:
    """Return the next step; `start_accepted` says whether this run's start was accepted before."""
    match sighting.phase:
        case Phase.RUNNING:
            return Action.USE
        case Phase.STARTING | Phase.STOPPING:
            return Action.WAIT
        case Phase.STARTABLE:
            # After an accepted start this is an old status (descriptions are eventually consistent) or a stop by
            # somebody else; a repeated start is refused in the one case and right in the other.
            return Action.START
        case Phase.FAILED:
            # From before this run: worth a try. After our own start: the start failed.
            return Action.REPORT_FAILURE if start_accepted else Action.START
        case _:
            return Action.GIVE_UP
