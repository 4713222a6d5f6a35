"""The demo's last table: what was done, how long the model ran, and what that costs."""

from dataclasses import dataclass
from typing import Any, Self

from tests.stack.invariants import FinalBucket
from tests.stack.local_stack import LocalStack

UNIT_HOUR_USD = 4.0


@dataclass(frozen=True)
class Costs:
    """Model time in virtual seconds, as the emulator metered it and as the receipt has it."""

    running_seconds: float
    unit_seconds: float
    receipt_seconds: float
    starting_seconds: float

    @classmethod
    def of(cls, stack: LocalStack, receipt: dict[str, Any]) -> Self:
        """Read the meter; the receipt is in wall seconds, since the functions' clock is not scaled."""
        meter = stack.meter()
        return cls(
            running_seconds=meter["running_seconds"],
            unit_seconds=meter["running_unit_seconds"],
            receipt_seconds=stack.time.virtual(receipt["model"]["running_seconds"] or 0.0),
            starting_seconds=meter["starting_seconds"],
        )

    @property
    def usd(self) -> float:
        """What the unit-seconds cost."""
        return self.unit_seconds / 3600 * UNIT_HOUR_USD


def table(costs: Costs, receipt: dict[str, Any]) -> str:
    """Return the table."""
    units = receipt["model"]["inference_units"] or 1
    rows = [
        ("images labelled", f"{receipt['images']['processed']}"),
        ("images failed", f"{receipt['images']['failed']}"),
        ("outcome of the run", receipt["outcome"]),
        ("model start (virtual time)", f"{costs.starting_seconds:.0f} s"),
        ("model running (virtual time)", f"{costs.running_seconds:.0f} s with {units} inference unit(s)"),
        ("  the receipt says (virtual time)", f"{costs.receipt_seconds:.0f} s"),
        (f"cost at US${UNIT_HOUR_USD:.0f} per unit and hour", f"US${costs.usd:.4f}"),
        ("an always-on model, the same hour", f"US${units * UNIT_HOUR_USD:.4f}"),
    ]
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:{width}}  {value}" for label, value in rows)


def failures(final: FinalBucket) -> list[str]:
    """Return a line for each image that failed, with its reason."""
    return [
        f"  failed: {document['source']['key']}: {document['error']['code']}: {document['error']['message']}"
        for _, document in sorted(final.documents.items())
        if "error" in document
    ]
