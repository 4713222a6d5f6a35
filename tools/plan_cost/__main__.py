"""Prints what settings cost and how long images wait: python -m tools.plan_cost --images 2000 --per day.

`make plan-cost` calls it with its own variables, by which the errors name the inputs.
"""

import argparse
import os
import re
import sys
from pathlib import Path

from check_queue.logic import MAX_IMAGES_PER_SECOND
from start_model.logic import START_TIMEOUT_SECONDS
from tools.plan_cost import arrivals, durations, plan, settings
from tools.plan_cost.arrivals import Arrivals
from tools.plan_cost.durations import HOUR, MINUTE
from tools.plan_cost.errors import InputError
from tools.plan_cost.model import Model
from tools.plan_cost.picture import draw
from tools.plan_cost.table import advice, table
from tools.terminal import complain, say

# Digits and nothing else: Python also takes 1_000, 1e3 and nan for numbers.
WHOLE = re.compile(r"[0-9]{1,12}")
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def number(text: str, name: str, least: float, most: float) -> float:
    """Return an input as a number in its bounds. Error: InputError."""
    if not NUMBER.fullmatch(text) or not least <= float(text) <= most:
        raise InputError(f"{name}={text}: write a number from {least:g} to {most:g}, in digits")
    return float(text)


def _arrivals(given: argparse.Namespace) -> Arrivals:
    if given.arrivals is not None:
        if given.images is not None:
            raise InputError("ARRIVALS and IMAGES: give a file of timestamps or a number of images, not both")
        return arrivals.read_file(Path(given.arrivals))
    if given.images is None:
        raise InputError("give IMAGES=2000 PER=day, or ARRIVALS=file with one timestamp a line")
    if not WHOLE.fullmatch(given.images) or int(given.images) == 0:
        raise InputError(f"IMAGES={given.images}: write how many images come, such as 2000")
    if given.per not in arrivals.PERIODS:
        raise InputError(f"PER={given.per}: write {', '.join(arrivals.PERIODS)}")
    if given.shape not in arrivals.SHAPES:
        raise InputError(f"SHAPE={given.shape}: write {', '.join(arrivals.SHAPES)}")
    if not WHOLE.fullmatch(given.seed):
        raise InputError(f"SEED={given.seed}: write a whole number of at most 12 digits")
    return arrivals.made_up(int(given.images), given.per, given.shape, int(given.seed))


def _rows(
    given: argparse.Namespace, model: Model, within: float | None
) -> tuple[list[settings.Settings], list[settings.Settings]]:
    cap = None if given.cap is None else number(given.cap, "CAP", 0.1, 24)
    if given.target_drain is not None:
        drain = number(given.target_drain, "TARGET_DRAIN", 1, 20160)
    else:
        # Otherwise a run would take longer than the promise by intention.
        drain = min(settings.DEFAULT_DRAIN_MINUTES, max(1, (within or 4 * HOUR) / 4 // MINUTE))
    schedules = settings.read_schedules(given.schedules or settings.DEFAULT_SCHEDULES)
    gates = settings.read_gates(given.gates or settings.DEFAULT_GATES)
    if within is not None:
        more_schedules, more_gates = settings.suited_to(within, model)
        schedules += [] if given.schedules else more_schedules
        gates += [] if given.gates else more_gates
    limits = settings.read_units(given.units or settings.DEFAULT_UNITS, drain)
    taken, refused = settings.combined(schedules, limits, gates, cap)
    if not taken:
        raise InputError(
            "SCHEDULES and GATES: the module takes none of these together: a gate's wait must be at least twice the "
            "time between two looks and 2 minutes more; look more often, wait longer, or add the gate off"
        )
    return taken, refused


def run(given: argparse.Namespace) -> None:
    """Simulate, print and draw. Errors: InputError."""
    images = _arrivals(given)
    start = number(given.start_minutes, "START_MINUTES", 0, START_TIMEOUT_SECONDS / MINUTE)
    model = Model(number(given.rate, "RATE", 0.05, 1000), start * MINUTE)
    price = number(given.price, "PRICE", 0.01, 1000)
    within = None if given.within is None else durations.read(given.within, "WITHIN")
    taken, refused = _rows(given, model, within)
    every = plan.rows(taken, images, model, price)
    shown = plan.distinct(every)
    others = plan.comparisons(images, model, price)
    least = plan.least_usd(images, model, price)
    say(f"Simulated: {images.description}.")
    say(
        f"A unit labels {model.images_per_second_per_unit:g} images a second and costs US${price:g} an hour; a start "
        f"takes {start:g} minutes; a run rents units for {taken[0].limits.target_drain_minutes:g} minutes of work."
    )
    if taken[0].cap_hours is not None:
        say(f"The model runs for {taken[0].cap_hours:g} hours a day at the most.")
    say("", *table(shown, others, least, images).split("\n"), "")
    say(*_notes(every, shown, refused, model))
    chosen = None
    if within is None:
        say("For a recommendation, add a promise: WITHIN=4h.")
    else:
        chosen, keeps = plan.recommended(shown, within, model)
        say("", *advice(chosen, others[0], within, model, images, keeps=keeps).split("\n"), "")
    try:
        draw(given.output, shown, others, least, images, within_seconds=within, chosen=chosen)
    except OSError as error:
        raise InputError(f"{given.output}: the picture cannot be written ({error.strerror})") from error
    say(f"Picture: {os.path.relpath(given.output)}")


def _notes(every: list[plan.Row], shown: list[plan.Row], refused: list[settings.Settings], model: Model) -> list[str]:
    notes = [
        "* nothing is both cheaper and quicker. Waits are from upload to label; the worst is by the worst luck of the"
    ]
    notes.append("  schedule's phase. Gate: images worth a start at once / the longest that fewer wait for company.")
    if len(shown) < len(every):
        notes.append(f"{len(every) - len(shown)} rows left out: no run wanted the further units that they allow.")
    if refused:
        pairs = {(row.gate_text, row.schedule) for row in refused}
        notes.append(
            f"{len(pairs)} pairs of gate and schedule left out: the module refuses gates with which no image can wait."
        )
    most = max(row.outcome.units for row in every)
    if most * model.images_per_second_per_unit > MAX_IMAGES_PER_SECOND:
        notes.append(f"No more than {MAX_IMAGES_PER_SECOND} images a second: an account's default quota of calls.")
    if any(row.outcome.worst_seconds == float("inf") for row in shown):
        notes.append("never: images wait for more than 14 days, after which SQS drops their messages.")
    return notes


def main() -> int:
    """Parse the inputs, and turn what is wrong with them into one line."""
    parser = argparse.ArgumentParser(prog="python -m tools.plan_cost", description="What settings cost, simulated.")
    parser.add_argument("--images", help="images that come in each period")
    parser.add_argument("--per", default="day", help=f"the period: {', '.join(arrivals.PERIODS)} (day)")
    parser.add_argument("--shape", default="even", help=f"how they come: {', '.join(arrivals.SHAPES)} (even)")
    parser.add_argument("--seed", default="1", help="another one makes other uploads of the same shape (1)")
    parser.add_argument("--arrivals", help="instead: a file with one RFC 3339 time or epoch second a line")
    parser.add_argument("--rate", default="3", help="images_per_second_per_unit (3)")
    parser.add_argument("--price", default="4", help="US$ for a unit and hour (4)")
    parser.add_argument("--start-minutes", default="10", help="minutes that a model takes to start (10)")
    parser.add_argument("--schedules", help=f"times between looks ({settings.DEFAULT_SCHEDULES})")
    parser.add_argument("--units", help=f"inference units, fewest-most ({settings.DEFAULT_UNITS})")
    parser.add_argument("--gates", help=f"min_backlog/max_wait ({settings.DEFAULT_GATES})")
    parser.add_argument("--target-drain", help="target_drain_minutes (60, or a quarter of the promise if that is less)")
    parser.add_argument("--cap", help="max_model_hours_per_day (none)")
    parser.add_argument("--within", help="the promise: every image is labelled within so long, such as 4h")
    parser.add_argument("--output", type=Path, default=Path("build/plan-cost.png"), help="the picture")
    try:
        run(parser.parse_args())
    except InputError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
