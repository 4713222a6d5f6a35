"""Which messages were requeued already, so that none is requeued again when its deletion failed."""

from __future__ import annotations

import time

from botocore.exceptions import BotoCoreError, ClientError

from shared.items import Items, Update
from shared.telemetry import logger

# SQS keeps a message for at most 14 days.
KEPT_SECONDS = 15 * 24 * 3600


class RequeuedMessages:
    """The messages that were requeued, in the runs table."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def has(self, message_id: str) -> bool:
        """Whether a message was requeued.

        A table that cannot be read answers False: a second message does less harm than one that SQS dead-letters after
        too many receives.
        """
        try:
            return bool(self._items.read(_item(message_id)))
        except (ClientError, BotoCoreError):
            logger.exception("could not read whether this message was requeued", message_id=message_id)
            return False

    def record(self, message_id: str) -> None:
        """Record that a message was requeued."""
        values = {"after": int(time.time()) + KEPT_SECONDS}
        try:
            self._items.update(Update(_item(message_id), "SET delete_after = :after", values))
        except (ClientError, BotoCoreError):
            logger.exception("could not record that this message was requeued", message_id=message_id)


def _item(message_id: str) -> str:
    return f"requeued#{message_id}"
