"""Cost against wait, as a picture."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tools.plan_cost.arrivals import Arrivals
from tools.plan_cost.durations import DAY, HOUR, MINUTE, short, show
from tools.plan_cost.plan import Comparison, Row, frontier

# Colours that the colour-blind can tell apart too (Okabe and Ito), for the schedules from the shortest on.
COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#555555", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
TICKS = [
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 4, 8, 12)),
    *(days * DAY for days in (1, 2, 4, 7, 14)),
]
GREY = "#777777"


def draw(
    path: Path,
    rows: list[Row],
    others: list[Comparison],
    least_usd: float,
    arrivals: Arrivals,
    *,
    within_seconds: float | None,
    chosen: Row | None,
) -> None:
    """Write the picture as PNG. Rows that leave images unlabelled are not in it. Errors: OSError."""
    figure = Figure(figsize=(10, 6.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    drawn = [row for row in rows if row.outcome.worst_seconds < math.inf]
    schedules = list(dict.fromkeys(row.settings.schedule for row in drawn))
    gates = list(dict.fromkeys(row.settings.gate_text for row in drawn))
    units = sorted({row.settings.limits.max_units for row in drawn})
    best = frontier(drawn)
    axes.plot(*_points(best), color="#bbbbbb", linewidth=1.5, zorder=1)
    for row in drawn:
        axes.scatter(
            row.outcome.usd,
            row.outcome.worst_seconds,
            s=60 * (1 + units.index(row.settings.limits.max_units)),
            color=COLOURS[schedules.index(row.settings.schedule) % len(COLOURS)],
            marker=MARKERS[gates.index(row.settings.gate_text) % len(MARKERS)],
            edgecolor="white",
            linewidth=0.6,
            alpha=0.9,
            zorder=3,
        )
    lowest = min((row.outcome.worst_seconds for row in drawn), default=HOUR) / 3
    for other in others:
        _compare(axes, other, lowest)
    axes.axvline(least_usd, color=GREY, linestyle=":", linewidth=1)
    axes.annotate(
        "the labelling alone",
        (least_usd, 0.99),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        rotation=90,
        va="top",
        fontsize=8,
        color=GREY,
    )
    if within_seconds is not None:
        axes.axhline(within_seconds, color="#D55E00", linestyle="--", linewidth=1)
        axes.annotate(
            f"promise: within {short(within_seconds)}",
            (0.995, within_seconds),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            color="#D55E00",
        )
    if chosen is not None and chosen.outcome.worst_seconds < math.inf:
        point = (chosen.outcome.usd, chosen.outcome.worst_seconds)
        axes.scatter(*point, s=260, facecolor="none", edgecolor="black", linewidth=1.5, zorder=4)
    _scale(axes, arrivals)
    _explain(figure, axes, schedules, gates, units, chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _points(rows: list[Row]) -> tuple[list[float], list[float]]:
    return [row.outcome.usd for row in rows], [row.outcome.worst_seconds for row in rows]


def _compare(axes: Axes, other: Comparison, lowest: float) -> None:
    outcome = other.outcome
    if outcome.worst_seconds == math.inf:
        return
    # A model that is always on is far quicker than anything that a run could be: it would stretch the scale.
    point = (outcome.usd, max(outcome.worst_seconds, lowest))
    axes.scatter(*point, s=80, color=GREY, marker="x", zorder=3)
    text = f"{other.name} ({show(outcome.worst_seconds)})"
    axes.annotate(text, point, xytext=(-7, 7), textcoords="offset points", ha="right", fontsize=9, color=GREY, zorder=5)


def _scale(axes: Axes, arrivals: Arrivals) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: short(seconds)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda usd, _: f"{usd:,g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(_few_between))
    axes.grid(visible=True, which="major", color="#e5e5e5", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"US$ a {arrivals.period}" if arrivals.period else "US$ in all")
    axes.set_ylabel("worst wait, from upload to label")
    axes.set_title(f"What labelling costs, and how long an image waits\n{arrivals.description}", fontsize=11)


def _few_between(usd: float, _: float) -> str:
    return f"{usd:,g}" if f"{usd:e}"[0] in "25" else ""


def _explain(
    figure: Figure, axes: Axes, schedules: list[str], gates: list[str], units: list[int], chosen: Row | None
) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=COLOURS[index % len(COLOURS)], label=schedule)
        for index, schedule in enumerate(schedules)
    ]
    handles += [
        Line2D([], [], marker=MARKERS[index % len(MARKERS)], linestyle="", color="#444444", label=f"gate {gate}")
        for index, gate in enumerate(gates)
    ]
    if len(units) > 1:
        handles += [
            Line2D(
                [], [], marker="o", linestyle="", color="#aaaaaa", markersize=7 + 2 * index, label=f"up to {most} units"
            )
            for index, most in enumerate(units)
        ]
    handles.append(Line2D([], [], color="#bbbbbb", linewidth=1.5, label="nothing is both\ncheaper and quicker"))
    if chosen is not None:
        handles.append(
            Line2D(
                [],
                [],
                marker="o",
                linestyle="",
                label="recommended, or\nclosest to the promise",
                markerfacecolor="none",
                markeredgecolor="black",
                markersize=13,
            )
        )
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, frameon=False)
    axes.tick_params(labelsize=9)
    axes.tick_params(which="minor", labelsize=8)
