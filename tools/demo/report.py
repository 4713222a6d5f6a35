"""What the demo says at its end: each sentence from what was seen, and what was promised and not seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.rig.stack.invariants import FinalBucket
from tests.rig.stack.local_stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

UNIT_HOUR_USD = 4.0
KEYS_SHOWN = 5

Receipt = dict[str, Any]


@dataclass(frozen=True)
class Costs:
    """Model time in virtual seconds, as the emulator metered it and as the receipt has it (None: it does not say)."""

    running_seconds: float
    unit_seconds: float
    receipt_seconds: float | None
    starting_seconds: float
    units: int

    @classmethod
    def of(cls, stack: LocalStack, receipt: Receipt | None) -> Self:
        """Read the meter; the receipt is in wall seconds, since the functions' clock is not scaled."""
        meter = stack.meter()
        seconds = receipt["model"]["running_seconds"] if receipt else None
        return cls(
            running_seconds=meter["running_seconds"],
            unit_seconds=meter["running_unit_seconds"],
            receipt_seconds=None if seconds is None else stack.time.virtual(seconds),
            starting_seconds=meter["starting_seconds"],
            units=max((run["units"] for run in meter["runs"]), default=0),
        )

    @property
    def usd(self) -> float:
        """What the unit-seconds cost."""
        return self.unit_seconds / 3600 * UNIT_HOUR_USD


@dataclass(frozen=True)
class Run:
    """One run as its execution ended, with its receipt (None: there is none)."""

    execution: "DescribeExecutionOutputTypeDef"
    receipt: Receipt | None

    @property
    def is_good(self) -> bool:
        """Whether it ended in order."""
        return self.execution["status"] == "SUCCEEDED"

    @property
    def end(self) -> str:
        """How it ended, with its error if it has one."""
        told = [self.execution.get("error"), self.execution.get("cause")]
        return ": ".join([self.execution["status"], *(text for text in told if text)])

    def counted(self, what: str) -> int:
        """How many images its receipt says were `processed` or `failed`."""
        return self.receipt["images"][what] if self.receipt else 0


@dataclass(frozen=True)
class Seen:
    """All that was seen when two runs had ended: one over the uploads, and one that should have found nothing."""

    run: Run
    second: Run
    # Messages in the image queue when the second run began, the states that it entered, and how often it started the
    # model.
    queued: int
    states: int
    starts: int
    # Keys of uploads that are still in the source bucket.
    waiting: list[str]
    final: FinalBucket
    costs: Costs
    # What the invariants' own check found.
    broken: list[str]

    def count(self, folder: str) -> int:
        """How many documents are in a folder of the final bucket."""
        return sum(key.startswith(f"{folder}/") for key in self.final.documents)


def second_run(seen: Seen) -> str:
    """Return what became of the second run."""
    over = f"with {seen.queued} messages in the queue" if seen.queued else "over an empty queue"
    ended = "" if seen.second.is_good else f", ended {seen.second.end}"
    model = f"started the model {seen.starts} times" if seen.starts else "started no model"
    return f"Started it once more, {over}: it entered {seen.states} states{ended} and {model}."


def faults(seen: Seen) -> list[str]:
    """Return a sentence for each promise that was not kept; none is what everybody wants."""
    return [*seen.broken, *_of_runs(seen), *_of_receipts(seen)]


def _of_runs(seen: Seen) -> Iterator[str]:
    if not seen.run.is_good:
        yield f"the run ended {seen.run.end}"
    if not seen.second.is_good:
        yield f"the second run ended {seen.second.end}"
    if seen.queued:
        yield f"the run left {seen.queued} messages in the queue"
    elif seen.starts:
        yield "I5: a run over an empty queue started the model"
    if seen.waiting:
        rest = len(seen.waiting) - KEYS_SHOWN
        named = ", ".join(seen.waiting[:KEYS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        yield (
            f"{len(seen.waiting)} images were neither labelled nor failed: {named}; with KEEP=1, "
            "`make status NAME=demo` shows why"
        )


def _of_receipts(seen: Seen) -> Iterator[str]:
    for name, run in (("the run", seen.run), ("the second run", seen.second)):
        if run.receipt is None:
            yield f"I7: {name} left no receipt"
    for what in ("processed", "failed"):
        told, found = seen.run.counted(what) + seen.second.counted(what), seen.count(what)
        if told != found:
            yield f"I7: the receipts say that {told} images were {what}, and the final bucket holds {found}"
    if seen.run.receipt is None:
        return
    if bool(seen.costs.running_seconds) != bool(seen.costs.receipt_seconds):
        yield (
            f"I7: the model ran for {seen.costs.running_seconds:.0f} s, and the receipt says "
            f"{seen.costs.receipt_seconds or 0:.0f} s"
        )
    units = seen.run.receipt["model"]["inference_units"] or 0
    if units != seen.costs.units:
        yield f"I7: the model ran with {seen.costs.units} inference units, and the receipt says {units}"


def table(seen: Seen) -> list[str]:
    """Return the last table: what was done, how long the model ran, and what that costs."""
    costs, receipt = seen.costs, seen.run.receipt
    told = "nothing" if costs.receipt_seconds is None else f"{costs.receipt_seconds:.0f} s"
    rows = [
        ("images labelled", f"{seen.count('processed')}"),
        ("images failed", f"{seen.count('failed')}"),
        ("outcome of the run", receipt["outcome"] if receipt else "no receipt"),
        ("model start (virtual time)", f"{costs.starting_seconds:.0f} s"),
        ("model running (virtual time)", f"{costs.running_seconds:.0f} s with {costs.units} inference unit(s)"),
        ("  the receipt says (virtual time)", told),
        (f"cost at US${UNIT_HOUR_USD:.0f} per unit and hour", f"US${costs.usd:.4f}"),
        ("an always-on model, the same hour", f"US${max(1, costs.units) * UNIT_HOUR_USD:.4f}"),
    ]
    width = max(len(label) for label, _ in rows)
    return [f"  {label:{width}}  {value}" for label, value in rows]


def failures(final: FinalBucket) -> list[str]:
    """Return a line for each image that failed, with its reason."""
    return [
        f"  failed: {document['source']['key']}: {document['error']['code']}: {document['error']['message']}"
        for _, document in sorted(final.documents.items())
        if "error" in document
    ]


def verdict(broken: list[str]) -> list[str]:
    """Return what was checked, or what was found instead."""
    if broken:
        return [f"BROKEN {fault}" for fault in broken]
    return ["Checked: nothing lost (I1), nothing doubled (I2), no model left running (I3)."]
