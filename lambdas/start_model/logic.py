"""What to do about the model, given its status."""

from enum import Enum

from shared.project_version import Phase, Sighting

# A start takes minutes, sometimes 20 to 30. The first look after RUNNING must not be late, because the model is
# paid for from then on; the looks before it cost a fraction of a cent each.
POLL_SECONDS = 15
START_TIMEOUT_SECONDS = 45 * 60


class Action(Enum):
    """The next step towards RUNNING."""

    USE = "use"
    WAIT = "wait"
    START = "start"
    GIVE_UP = "give up"
    REPORT_FAILURE = "report failure"


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
