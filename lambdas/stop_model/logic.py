"""What to do about a model that has to stop, given its status."""

from enum import Enum

from shared.project_version import Phase, Sighting

POLL_SECONDS = 15
STOP_TIMEOUT_SECONDS = 30 * 60

# Descriptions are eventually consistent: right after an accepted start the model may still be shown as stopped. Unless
# a stop of ours was accepted, it has to be seen at rest twice, a poll apart.
SIGHTINGS_AT_REST_NEEDED = 2


class Action(Enum):
    """The next step towards STOPPED."""

    DONE = "done"
    WAIT = "wait"
    STOP = "stop"


def next_action(sighting: Sighting, *, stop_accepted: bool, sightings_at_rest: int) -> Action:
    """Return the next step; `sightings_at_rest` counts this one too."""
    match sighting.phase:
        case Phase.STARTABLE | Phase.FAILED | Phase.UNUSABLE:
            seen = stop_accepted or sightings_at_rest >= SIGHTINGS_AT_REST_NEEDED
            return Action.DONE if seen else Action.WAIT
        case Phase.STOPPING:
            return Action.WAIT
        case _:
            # Running; starting (a refusal is met by waiting); or a status that we do not know, which may cost money.
            return Action.STOP


def is_at_rest(sighting: Sighting) -> bool:
    """Whether the model costs nothing in this status."""
    return sighting.phase in (Phase.STARTABLE, Phase.FAILED, Phase.UNUSABLE)
