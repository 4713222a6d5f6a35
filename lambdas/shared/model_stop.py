"""One step towards a stopped model. Every step may be repeated."""

from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code, error_message
from shared.errors import ModelStopTimedOut
from shared.lease import Lease
from shared.project_version import Phase, ProjectVersion, Sighting
from shared.run_record import RunRecords
from shared.telemetry import logger

POLL_SECONDS = 15
STOP_TIMEOUT_SECONDS = 30 * 60

# Descriptions are eventually consistent: right after an accepted start the model may still be shown as stopped. Unless
# a stop of ours was accepted, it has to be seen at rest twice, a poll apart.
SIGHTINGS_AT_REST_NEEDED = 2


# The model is not in a state to be stopped: it is starting, or it has just left the state that we saw.
NOT_NOW = frozenset({"ResourceInUseException", "ResourceNotFoundException", "InvalidParameterException"})


class Action(Enum):
    """The next step towards STOPPED."""

    DONE = "done"
    WAIT = "wait"
    STOP = "stop"


class ModelStop:
    """Brings one model to STOPPED on behalf of whoever holds the lease, if this system started it."""

    def __init__(self, model: ProjectVersion, lease: Lease, records: RunRecords) -> None:
        self._model = model
        self._lease = lease
        self._records = records

    def step(
        self, owner: str, *, run_id: str | None, waited_seconds: int, stop_accepted: bool, sightings_at_rest: int
    ) -> dict[str, Any]:
        """Look at the model, stop it if it runs, and say whether it is settled: stopped, or not ours to stop.

        `owner` holds the lease; `run_id` is the run whose record notes the model time, None when it is nobody's.
        `waited_seconds` is what was waited for this stop so far. Errors: LeaseLost, ModelStopTimedOut.
        """
        ours = self._lease.renew(owner).model_started_by is not None
        # A model that cannot be seen may run: it is stopped unseen.
        sighting = self._model.see()
        if not ours:
            logger.info("this system did not start the model: nothing to stop", status=sighting.status)
            return _answer(sighting.status, settled=True, stop_accepted=False, sightings_at_rest=0)
        self._note(run_id, sighting)
        sightings_at_rest = sightings_at_rest + 1 if is_at_rest(sighting) else 0
        action = next_action(sighting, stop_accepted=stop_accepted, sightings_at_rest=sightings_at_rest)
        logger.info("looked at the model", status=sighting.status, action=action.value, waited_seconds=waited_seconds)
        if action is Action.DONE:
            self._lease.note_model_stopped(owner)
            if run_id is not None:
                self._records.note_model_stopped(run_id)
        elif waited_seconds >= STOP_TIMEOUT_SECONDS:
            raise ModelStopTimedOut(
                f"model {self._model.arn} is {sighting.status} {waited_seconds} s after it should have stopped, and "
                "may be costing money. Stop it by hand (aws rekognition stop-project-version "
                f"--project-version-arn {self._model.arn}); the watchdog goes on trying, once a minute."
            )
        elif action is Action.STOP:
            stop_accepted = self._stop(run_id) or stop_accepted
        return _answer(
            sighting.status,
            settled=action is Action.DONE,
            stop_accepted=stop_accepted,
            sightings_at_rest=sightings_at_rest,
        )

    def _note(self, run_id: str | None, sighting: Sighting) -> None:
        """Write down for the receipt what no earlier step of the run could see, or did not live to write."""
        if run_id is None:
            return
        if sighting.phase is Phase.RUNNING:
            self._records.note_model_running(run_id, inference_units=sighting.inference_units or 1, ours=True)
        elif sighting.phase is Phase.STOPPING:
            self._records.note_model_stop_accepted(run_id)

    def _stop(self, run_id: str | None) -> bool:
        try:
            self._model.stop()
        except ClientError as error:
            if error_code(error) not in NOT_NOW:
                raise
            logger.warning(
                "the stop is refused for now and will be asked for again",
                code=error_code(error),
                reason=error_message(error),
            )
            return False
        if run_id is not None:
            self._records.note_model_stop_accepted(run_id)
        logger.info("stop accepted")
        return True


def _answer(status: str, *, settled: bool, stop_accepted: bool, sightings_at_rest: int) -> dict[str, Any]:
    return {
        "status": status,
        "settled": settled,
        "stop_accepted": stop_accepted,
        "sightings_at_rest": sightings_at_rest,
        "wait_seconds": 0 if settled else POLL_SECONDS,
    }


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
