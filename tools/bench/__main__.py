"""Measures the pipeline and prints the tables of docs/cost.md: python -m tools.bench [--only PART …]."""

import argparse
import sys
from collections.abc import Callable

from tools.bench import cold_starts, one_image
from tools.bench.runs_on_stack import Measured, forget_throughput, measure, stack_of
from tools.terminal import say

USD_PER_UNIT_SECOND = 4 / 3600
HOUR = 3600

# Wall seconds in a virtual one. At 1 the functions, which live by this machine's clock, live by the model's too.
SCALE = 1.0
PILE, SATURATION_IMAGES, SATURATION_UNITS = 40, 2000, (1, 2, 5)


def overhead() -> list[str]:
    """Forty images at the defaults, and what they would cost otherwise."""
    with stack_of(SCALE) as stack:
        good, mixed = measure(stack, PILE), measure(stack, PILE // 2, PILE // 2)
    return [
        f"### {PILE} images at the defaults ({good.lower_bound:.0f} s of work for one unit)",
        "",
        "| | unit-seconds | US$ | times the lower bound |",
        "|---|---|---|---|",
        _cost("an always-on model, for one hour of it", HOUR, good),
        _cost("a fixed one-hour hold (64 minutes, as AWS's sample)", 3854, good),
        _cost("**this system**", good.unit_seconds, good),
        _cost(f"this system, {PILE // 2} good images and {PILE // 2} bad ones", mixed.unit_seconds, good),
        _cost("the lower bound: images ÷ capacity", good.lower_bound, good),
        "",
        "| of the run's model time (virtual seconds) | |",
        "|---|---|",
        f"| RUNNING to the first image | {good.to_first_image:.1f} |",
        f"| labelling | {good.labelling:.1f} |",
        f"| the last image to the accepted stop, with what confirms an empty queue | {good.to_stop:.1f} |",
        f"| **overhead** | **{good.overhead:.1f}** |",
    ]


def _cost(name: str, unit_seconds: float, run: Measured) -> str:
    usd, times = unit_seconds * USD_PER_UNIT_SECOND, unit_seconds / run.lower_bound
    return f"| {name} | {unit_seconds:.0f} | {usd:.4f} | {times:.1f} |"


def saturation() -> list[str]:
    """Many images, with one unit and with more, from the default estimate; and once with what a run has shown."""
    rows = [
        f"### {SATURATION_IMAGES} images: how busy the model is kept",
        "",
        "| units | images a second and unit | capacity used | refused | labelling s | overhead s | unit-s |",
        "|---|---|---|---|---|---|---|",
    ]
    with stack_of(SCALE) as stack:
        for units in SATURATION_UNITS:
            stack.apply(min_inference_units=units, max_inference_units=units)
            forget_throughput(stack)
            rows.append(_busy("estimated, 3", measure(stack, SATURATION_IMAGES)))
        rows.append(_busy("learnt", measure(stack, SATURATION_IMAGES)))
    return rows


def _busy(source: str, run: Measured) -> str:
    return (
        f"| {run.units} | {source} | {run.busy_share:.1%} | {run.refused_share:.1%} | {run.labelling:.0f} "
        f"| {run.overhead:.0f} | {run.unit_seconds:.0f} |"
    )


def image() -> list[str]:
    """Where the milliseconds of one image go."""
    return ["### One image", "", *one_image.measure()[0]]


def starts() -> list[str]:
    """What a cold start takes."""
    return ["### Cold starts", "", *cold_starts.table()]


PARTS: dict[str, Callable[[], list[str]]] = {
    "overhead": overhead,
    "saturation": saturation,
    "image": image,
    "starts": starts,
}


def main() -> int:
    """Measure what is asked for, and print it as it comes."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measure the pipeline on this machine.")
    parser.add_argument("--only", nargs="+", default=list(PARTS), help=f"of {', '.join(PARTS)}; all by default")
    # `make bench PART="image starts"` hands over one text.
    asked = [part for text in parser.parse_args().only for part in text.replace(",", " ").split()]
    if unknown := [part for part in asked if part not in PARTS]:
        parser.error(f"--only: {unknown[0]!r} is no part: write {', '.join(PARTS)}")
    for part in asked:
        say(*PARTS[part](), "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
