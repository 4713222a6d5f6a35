"""Events for others, on the account's default EventBridge bus.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared import outbox
from shared.clients import CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

RUN_FINISHED = "Run Finished"
ALERT_LABEL_FOUND = "Alert Label Found"

MAX_EVENTS_PER_CALL = 10
# How long `send` may take with a client of one attempt that reads for 2 s.
SEND_EVENTS_SECONDS = outbox.ROUNDS * (CONNECT_TIMEOUT_SECONDS + 2) + outbox.MAX_PAUSE_SECONDS


class EventBus:
    """Sends this deployment's events. Their source names it, and its roles may send no other."""

    def __init__(self, events: "EventBridgeClient", deployment_name: str) -> None:
        self._events = events
        self.source = f"custom-labels-batch.{deployment_name}"

    def send(self, detail_type: str, details: Sequence[Mapping[str, Any]]) -> None:
        """Send one event for each detail. What EventBridge refuses twice is logged, and no error is raised."""
        outbox.send(f"the event {detail_type}", details, lambda part: self._put(detail_type, part), MAX_EVENTS_PER_CALL)

    def _put(self, detail_type: str, details: Sequence[Mapping[str, Any]]) -> list[str | None]:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {"Source": self.source, "DetailType": detail_type, "Detail": json.dumps(detail, ensure_ascii=False)}
            for detail in details
        ]
        answer = self._events.put_events(Entries=entries)
        return [entry.get("ErrorCode") for entry in answer["Entries"]]
