"""The plan as people read it."""

from tools.plan_cost.arrivals import Arrivals
from tools.plan_cost.durations import DAY, show
from tools.plan_cost.model import Model
from tools.plan_cost.plan import Comparison, Outcome, Row, frontier
from tools.plan_cost.settings import Settings

LEFT_COLUMNS = 3
MONTH_DAYS = 30


def table(rows: list[Row], others: list[Comparison], least_usd: float, arrivals: Arrivals) -> str:
    """Return the rows with a star at those that nothing beats, and below them what to compare them with."""
    a_period = f" a {arrivals.period}" if arrivals.period else ""
    figures = (
        f"US${a_period}",
        "US$ per 1,000",
        "median",
        "95%",
        "worst wait",
        f"model hours{a_period}",
        f"runs{a_period}",
    )
    head = [("schedule", "units", "gate", *figures)]
    best = {id(row) for row in frontier(rows)}
    body = [(row.settings.schedule, row.settings.units, row.settings.gate_text, *_figures(row.outcome)) for row in rows]
    tail = [(other.name, "", "", *_figures(other.outcome)) for other in others]
    images = len(arrivals.instants) / arrivals.periods
    tail.append(("the labelling alone", "", "", _usd(least_usd), f"{least_usd / images * 1000:.2f}"))
    widths = [
        max(len(line[column]) for line in [*head, *body, *tail] if column < len(line)) for column in range(len(head[0]))
    ]
    marks = ["", *("*" if id(row) in best else "" for row in rows), *("" for _ in tail)]
    lines = [_line(line, widths, mark) for line, mark in zip([*head, *body, *tail], marks, strict=True)]
    rule = "  " + "-" * (max(map(len, lines)) - 2)
    return "\n".join([lines[0], rule, *lines[1 : len(rows) + 1], rule, *lines[len(rows) + 1 :]])


def _figures(outcome: Outcome) -> tuple[str, ...]:
    return (
        _usd(outcome.usd),
        f"{outcome.usd_per_1000:.2f}",
        show(outcome.median_seconds),
        show(outcome.p95_seconds),
        show(outcome.worst_seconds),
        f"{outcome.model_hours:,.2f}",
        f"{outcome.runs:,.1f}",
    )


def _usd(amount: float) -> str:
    return f"{amount:,.2f}"


def _line(cells: tuple[str, ...], widths: list[int], mark: str) -> str:
    padded = [
        cell.ljust(width) if column < LEFT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=False))
    ]
    return f"{mark:1} {'  '.join(padded)}".rstrip()


def advice(
    row: Row, always_on: Comparison, within_seconds: float, model: Model, arrivals: Arrivals, *, keeps: bool
) -> str:
    """Return the recommendation, or that there is none, with the module's input lines to paste, and a month's cost."""
    outcome = row.outcome
    figures = f"worst wait {show(outcome.worst_seconds)}, US${_usd(outcome.usd)}{_each(arrivals)}"
    if keeps:
        lines = [f"The cheapest that labels every image within {show(within_seconds)} ({figures}):"]
    else:
        lines = [
            f"None of these labels every image within {show(within_seconds)}: a look comes late by the schedule, and "
            f"the model's start alone takes {show(model.start_seconds)}.",
            f"This comes closest ({figures}):",
        ]
    months = [
        f"US${_usd(each.usd * arrivals.periods / arrivals.seconds * MONTH_DAYS * DAY)}"
        for each in (outcome, always_on.outcome)
    ]
    month = f"A month of {MONTH_DAYS} days costs {months[0]} with these settings; {always_on.name}: {months[1]}."
    return "\n".join([*lines, "", *_pasted(row.settings, model), "", month])


def _each(arrivals: Arrivals) -> str:
    return f" a {arrivals.period}" if arrivals.period else " in all"


def _pasted(settings: Settings, model: Model) -> list[str]:
    inputs = settings.inputs()
    if model.images_per_second_per_unit != Model().images_per_second_per_unit:
        inputs["images_per_second_per_unit"] = f"{model.images_per_second_per_unit:g}"
    width = max(map(len, inputs))
    return [f"  {name:{width}} = {value}" for name, value in inputs.items()]
