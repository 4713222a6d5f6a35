"""Sending what others are told: many items in calls that may refuse some of them. Nobody's work fails because of it."""

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from shared.telemetry import MetricUnit, logger, metrics

T = TypeVar("T")

ROUNDS = 2
MAX_PAUSE_SECONDS = 1


def send(what: str, items: Sequence[T], put: Callable[[Sequence[T]], Sequence[str | None]], most: int) -> None:
    """Send items, at most `most` in a call, and those that were refused once more; log what is lost.

    `put` makes one call, and returns for each item the code of its refusal, or None. After a part that was lost
    altogether, the others are not tried: each would take as long.
    """
    lost: list[tuple[T, str]] = []
    for first in range(0, len(items), most):
        part = items[first : first + most]
        refused = _send_part(part, put)
        lost += refused
        if len(refused) == len(part):
            lost += [(item, "not tried") for item in items[first + most :]]
            break
    for item, reason in lost:
        logger.error(f"{what} could not be sent, and is lost", reason=reason, lost=item)
    if lost:
        metrics.add_metric(name="NotificationsLost", unit=MetricUnit.Count, value=len(lost))


def _send_part(part: Sequence[T], put: Callable[[Sequence[T]], Sequence[str | None]]) -> list[tuple[T, str]]:
    left = [(item, "") for item in part]
    for round_number in range(1, ROUNDS + 1):
        try:
            codes = put([item for item, _ in left])
        except (ClientError, BotoCoreError) as error:
            codes = [f"{type(error).__name__}: {error}"] * len(left)
        left = [(item, code) for (item, _), code in zip(left, codes, strict=True) if code]
        if not left:
            break
        if round_number < ROUNDS:
            time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 - spreads calls, hides nothing
    return left
