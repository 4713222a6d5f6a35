"""The queue's trigger: the Lambda event source mapping from the image queue to the analysis function.

A switch takes effect later, and Lambda rejects an update during another one. A switch is therefore asked for until the
mapping is in the wanted state.
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.errors import TriggerNotSettled
from shared.lease import Lease
from shared.owner import Owner
from shared.request_rate import RequestRate
from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import UpdateEventSourceMappingRequestTypeDef

POLL_SECONDS = 5
# The model runs, and costs, during this wait. The timeout of toggle_trigger is longer.
SETTLE_TIMEOUT_SECONDS = 3 * 60

IN_CHANGE = frozenset({"ResourceInUseException", "ResourceConflictException"})
OPEN_STATES = frozenset({"Enabling", "Enabled"})
TRANSIENT_STATES = frozenset({"Creating", "Enabling", "Disabling", "Updating", "Deleting"})


class Trigger:
    """Switches the mapping on behalf of the lease's owner."""

    def __init__(self, lambda_client: "LambdaClient", mapping_uuid: str, lease: Lease) -> None:
        self._lambda = lambda_client
        self._uuid = mapping_uuid
        self._lease = lease

    def is_open(self) -> bool:
        """Whether the mapping hands messages out, or is about to.

        Updating says neither: an apply changes the tags of a closed trigger too. The next look tells.
        """
        return self._state() in OPEN_STATES

    def switch(self, owner: Owner, *, enable: bool, pause: Callable[[float], None]) -> None:
        """Take steps until the mapping is in the wanted state. Errors: LeaseLost, TriggerNotSettled."""
        waited_seconds = 0
        while not self.step(owner, enable=enable):
            if waited_seconds >= SETTLE_TIMEOUT_SECONDS:
                wanted = "Enabled" if enable else "Disabled"
                raise TriggerNotSettled(
                    f"event source mapping {self._uuid} is {self._state()} and not {wanted} after {waited_seconds} s"
                )
            pause(POLL_SECONDS)
            waited_seconds += POLL_SECONDS

    def step(self, owner: Owner, *, enable: bool) -> bool:
        """Ask for the switch unless it is done or under way; return whether it is done. Error: LeaseLost."""
        rate = self._lease.renew(owner).request_rate
        wanted, state = "Enabled" if enable else "Disabled", self._state()
        if state != wanted and state not in TRANSIENT_STATES:
            state = self._update(enable=enable, rate=rate) or state
        logger.info("checked the trigger", state=state, wanted=wanted)
        return state == wanted

    def close_without_table(self) -> bool:
        """Ask for the switch to Disabled unless it is done or under way, whoever owns the lease.

        Return whether it is done.
        """
        state = self._state()
        if state != "Disabled" and state not in TRANSIENT_STATES:
            self._update(enable=False, rate=None)
        return state == "Disabled"

    def _state(self) -> str:
        return self._lambda.get_event_source_mapping(UUID=self._uuid)["State"]

    def _update(self, *, enable: bool, rate: RequestRate | None) -> str | None:
        """Ask for the switch; return the state that Lambda answers, None when another update is in progress."""
        request: UpdateEventSourceMappingRequestTypeDef = {"UUID": self._uuid, "Enabled": enable}
        if enable and rate is not None:
            # Not reserved concurrency: each invocation that it throttles counts as a receive.
            request["ScalingConfig"] = {"MaximumConcurrency": rate.concurrent_batches}
        try:
            return self._lambda.update_event_source_mapping(**request)["State"]
        except ClientError as error:
            if error_code(error) not in IN_CHANGE:
                raise
            logger.info("event source mapping update in progress; retrying", code=error_code(error))
            return None
