"""The event source mapping between the queue and the analysis function.

Enabling and disabling take effect later, and an update during a change is refused, so a switch is asked for
until the mapping is seen in the state that was asked for.
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
"""

from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.errors import TriggerNotSettled
from shared.lease import Lease
from shared.pace import Pace
from shared.telemetry import logger

POLL_SECONDS = 5
# The model runs, and costs, while the trigger is waited for.
SETTLE_TIMEOUT_SECONDS = 3 * 60

IN_CHANGE = frozenset({"ResourceInUseException", "ResourceConflictException"})
TRANSIENT_STATES = frozenset({"Creating", "Enabling", "Disabling", "Updating", "Deleting"})


class Trigger:
    """Switches the mapping on behalf of whoever holds the lease."""

    def __init__(self, lambda_client: Any, mapping_uuid: str, lease: Lease) -> None:  # noqa: ANN401
        self._lambda = lambda_client
        self._uuid = mapping_uuid
        self._lease = lease

    def is_closed(self) -> bool:
        """Whether the mapping is seen Disabled."""
        return self._state() == "Disabled"

    def step(self, owner: str, *, enable: bool, waited_seconds: int, pace: Pace | None = None) -> dict[str, Any]:
        """Ask for the switch if need be, and say whether the mapping has settled.

        `waited_seconds` is what the workflow has waited for this switch so far. `pace` is that of the run which opens
        the trigger: it sets how many batches Lambda hands out at once. Errors: LeaseLost, TriggerNotSettled.
        """
        self._lease.renew(owner)
        if pace is not None:
            # Before the first batch, which reads it.
            self._lease.note_pace(owner, pace)
        wanted = "Enabled" if enable else "Disabled"
        state = self._state()
        settled = state == wanted
        logger.info("looked at the trigger", state=state, wanted=wanted, waited_seconds=waited_seconds)
        if not settled:
            if waited_seconds >= SETTLE_TIMEOUT_SECONDS:
                raise TriggerNotSettled(
                    f"event source mapping {self._uuid} is {state} and not {wanted} after {waited_seconds} s"
                )
            if state not in TRANSIENT_STATES:
                self._switch(enable=enable, pace=pace)
        return {"state": state, "settled": settled, "wait_seconds": 0 if settled else POLL_SECONDS}

    def _state(self) -> str:
        return str(self._lambda.get_event_source_mapping(UUID=self._uuid)["State"])

    def _switch(self, *, enable: bool, pace: Pace | None) -> None:
        # Not reserved concurrency: each invocation that it throttles counts as a receive.
        scaling = {} if pace is None else {"ScalingConfig": {"MaximumConcurrency": pace.batches_at_once}}
        try:
            self._lambda.update_event_source_mapping(UUID=self._uuid, Enabled=enable, **scaling)
        except ClientError as error:
            if error_code(error) not in IN_CHANGE:
                raise
            logger.info("the trigger is in another change; waiting", code=error_code(error))
