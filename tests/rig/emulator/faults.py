"""Calls that are refused, or answered late, although nothing is wrong with them.

How the model itself goes wrong (a start that fails, a stop that hangs) is in ``ModelSettings``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from tests.rig.emulator import contract
from tests.rig.emulator.clock import Clock
from tests.rig.emulator.numbers import is_number, is_whole


@dataclass(frozen=True)
class Fault:
    """What happens to calls of one operation on one model version.

    ``error``: the code that they are answered with, with AWS's text and HTTP status for it.
    ``delay_wall_seconds``: how much later the answer comes, in wall seconds, as a client's time-outs count.
    ``carried_out``: the operation takes effect at once, and only its answer is late or lost (a refusal is
    lost as well). When not given: yes without an ``error``, no with one. What is neither carried out nor has
    an ``error`` ends in InternalServerError, if the client is still there to hear it.

    Limits, all of which must hold; only requests that fit the service model are looked at:
    ``times``: it is applied so often at the most. ``seconds``: virtual, from when it was added.
    ``key``: only DetectCustomLabels whose S3 key has a match of this regular expression (``re.search``).
    ``share``: of the calls that the other limits leave, evenly spread: with 0.25 every fourth.
    """

    project_version_arn: str
    operation: str
    error: str | None = None
    delay_wall_seconds: float = 0.0
    carried_out: bool | None = None
    times: int | None = None
    seconds: float | None = None
    share: float = 1.0
    key: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would be no fault (``ValueError``)."""
        if self.operation not in contract.OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(contract.OPERATIONS)}")
        if self.error is not None and self.error not in contract.errors(self.operation):
            raise ValueError(f"error must be one of {', '.join(contract.errors(self.operation))}")
        if not is_number(self.delay_wall_seconds) or not self.delay_wall_seconds >= 0:
            raise ValueError("delay_wall_seconds must be a number of seconds, 0 or more")
        if self.error is None and not self.delay_wall_seconds:
            raise ValueError("a fault has an error, delay_wall_seconds, or both")
        if self.carried_out is not None and not isinstance(self.carried_out, bool):
            raise ValueError("carried_out must be true or false")
        if self.carried_out and self.error and self.operation in contract.READS:
            raise ValueError(f"carried_out: {self.operation} has no effect that an error could hide")
        if self.times is not None and not (is_whole(self.times) and self.times >= 1):
            raise ValueError("times must be a whole number, 1 or more")
        if self.seconds is not None and not (is_number(self.seconds) and self.seconds > 0):
            raise ValueError("seconds must be a number of virtual seconds greater than 0")
        if not is_number(self.share) or not 0 <= self.share <= 1:
            raise ValueError("share must be a number from 0 to 1")
        if self.key is not None:
            if self.operation != "DetectCustomLabels":
                raise ValueError("key: only DetectCustomLabels has an image")
            try:
                re.compile(self.key)
            except (TypeError, re.error) as error:
                raise ValueError(f"key must be a regular expression: {error}") from error

    @property
    def takes_effect(self) -> bool:
        """Whether the operation is carried out."""
        return self.error is None if self.carried_out is None else self.carried_out

    @property
    def answered_error(self) -> str | None:
        """The code of the answer; None: the operation's own answer."""
        return self.error or (None if self.takes_effect else "InternalServerError")


@dataclass
class AddedFault:
    """A fault and what became of it. ``added_at``: virtual seconds; ``seen``: calls of which it takes its share."""

    fault: Fault
    id: int
    added_at: float
    seen: int = 0
    applied: int = 0

    def takes(self, operation: str, arns: Collection[str], key: str | None, now: float) -> bool:
        """Whether this call is one that the fault applies to, which is counted."""
        fault = self.fault
        if (
            operation != fault.operation
            or fault.project_version_arn not in arns
            or (fault.times is not None and self.applied >= fault.times)
            or (fault.seconds is not None and now >= self.added_at + fault.seconds)
            or (fault.key is not None and (key is None or not re.search(fault.key, key)))
        ):
            return False
        self.seen += 1
        # A hair under one call is one call: 0.29 times 100 is less than 29 in floats.
        if int(self.seen * fault.share + 1e-9) <= self.applied:
            return False
        self.applied += 1
        return True


class Faults:
    """The faults that were added, until they are removed. No locks: the caller serialises the calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._added: list[AddedFault] = []
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        """Let a fault begin now; answers its id."""
        self._last_id += 1
        self._added.append(AddedFault(fault, self._last_id, self._clock.now()))
        return self._last_id

    def remove(self, *, fault_id: int | None = None, project_version_arn: str | None = None) -> int:
        """End the one fault with this id, or all of this model version, or all; answers how many."""
        kept = [
            added
            for added in self._added
            if (fault_id is not None and added.id != fault_id)
            or (project_version_arn is not None and added.fault.project_version_arn != project_version_arn)
        ]
        removed = len(self._added) - len(kept)
        self._added = kept
        return removed

    def take(self, operation: str, arns: Collection[str], key: str | None) -> AddedFault | None:
        """The fault that applies to a call which is about these model versions: the first added that does."""
        now = self._clock.now()
        return next((added for added in self._added if added.takes(operation, arns, key, now)), None)

    def listed(self) -> list[dict[str, Any]]:
        """Every fault as JSON, also one whose time is over, with how often it was applied."""
        return [
            {"id": added.id, **asdict(added.fault), "added_at": added.added_at, "applied": added.applied}
            for added in self._added
        ]
