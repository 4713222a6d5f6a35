"""Which messages have a copy in the queue already, so that none is copied again when its deletion failed."""

from __future__ import annotations

import time

from botocore.exceptions import BotoCoreError, ClientError

from shared.items import ConditionFailed, Items, Update
from shared.telemetry import logger

# SQS keeps a message for at most 14 days.
KEPT_SECONDS = 15 * 24 * 3600


class Copies:
    """The messages that were sent again as a copy, in the runs table."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def record(self, message_id: str) -> bool:
        """Record that a message has a copy, and return whether this is its first.

        A table that refuses the write also answers True: a second copy does less harm than a message that SQS
        dead-letters after too many receives.
        """
        values = {"after": int(time.time()) + KEPT_SECONDS}
        first = "attribute_not_exists(delete_after)"
        try:
            self._items.update(Update(f"copied#{message_id}", "SET delete_after = :after", values, first))
        except ConditionFailed:
            return False
        except (ClientError, BotoCoreError):
            logger.exception("could not record that this message has a copy", message_id=message_id)
        return True
