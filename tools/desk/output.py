"""How the desk shows things: on a terminal in colours and columns, elsewhere as plain lines, to programs as JSON.

Standard output has the answer and nothing else; progress, questions and errors go to the standard error output. What
others wrote, such as keys, is never read as markup, and is shown as `terminal.shown` does it.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.telemetry import logger
from tools.desk.errors import UsageError
from tools.terminal import say, shown

GOOD, BAD, WAIT, QUIET = "green", "bold red", "yellow", "dim"
LABEL_WIDTH = 14


@dataclass(frozen=True)
class Fact:
    """One line of an answer: its label, which is empty for a line that continues the one above, and its text."""

    label: str
    text: str
    style: str = ""


def document(answer: object) -> None:
    """Print JSON for programs: in ASCII, so that no encoding, colour or width changes it. JSON has no NaN."""
    print(json.dumps(answer, indent=2, allow_nan=False))


def facts(title: str, lines: Sequence[Fact]) -> None:
    """Print a title and what is known, label by label."""
    console = on(sys.stdout)
    if not console.is_terminal:
        say(title, *(f"  {line.label:{LABEL_WIDTH}}{line.text}" for line in lines))
        return
    grid = Table.grid(padding=(0, 0))
    grid.add_column(width=LABEL_WIDTH + 2)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text(f"  {line.label}", style=QUIET), text(console, line.text, line.style))
    console.print(text(console, title, "bold"), grid, sep="\n")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print columns, of which `numbers` are flushed right."""
    console = on(sys.stdout)
    if not console.is_terminal:
        harmless = [headers, *([shown(cell) for cell in row] for row in rows)]
        widths = [max(len(row[at]) for row in harmless) for at in range(len(headers))]
        for row in harmless:
            cells = [f"{cell:{'>' if at in numbers else '<'}{widths[at]}}" for at, cell in enumerate(row)]
            say("  ".join(cells).rstrip())
        return
    drawn = Table(box=None, padding=(0, 2, 0, 0), header_style=QUIET)
    for at, header in enumerate(headers):
        drawn.add_column(header, justify="right" if at in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(text(console, cell) for cell in row))
    console.print(drawn)


def sentence(words: str, style: str = "") -> None:
    """Print one sentence of the answer."""
    console = on(sys.stdout)
    if console.is_terminal:
        console.print(text(console, words, style), overflow="fold")
    else:
        say(words)


def pair(first: str, second: str) -> None:
    """Print two things that belong together in one line, or in two where the terminal is too narrow for that."""
    console = on(sys.stdout)
    if not console.is_terminal:
        say(f"{first} {second}")
        return
    is_narrow = len(first) + 1 + len(second) > console.width
    console.print(text(console, first), text(console, second, QUIET), sep="\n  " if is_narrow else " ")


def note(words: str) -> None:
    """Tell people what goes on, beside the answer."""
    say(words, file=sys.stderr)


def expect_a_person(what: str, *, yes: bool) -> None:
    """Refuse to begin what will have to ask when nobody is there to answer. Error: UsageError."""
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"{what} asks first, and there is no terminal to ask on: add --yes")


def ask(question: str, *, yes: bool) -> bool:
    """Whether `--yes` or the person says yes."""
    if yes:
        return True
    say(f"{question} [y/N]", end=" ", file=sys.stderr)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        say(file=sys.stderr)
        return False


def on(file: TextIO) -> Console:
    """Return Rich on a file. It finds out whether that is a terminal, as FORCE_COLOR says too, and how wide it is."""
    return Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=False)


def text(console: Console, words: str, style: str = "") -> Text:
    """Return foreign text for Rich, which then reads no markup in it."""
    return Text(shown(words, console.encoding), style=style, overflow="fold")


def duration(seconds: float) -> str:
    """Return a time as the planner writes it: 45s, 2m 17s, 3h 05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def minute(timestamp: object) -> str:
    """Return an RFC 3339 time in UTC to the minute."""
    return str(timestamp)[:16].replace("T", " ")


def usd(amount: float) -> str:
    """Return dollars, with cents of a cent while it is less than one."""
    return f"US${amount:.4f}" if amount < 1 else f"US${amount:,.2f}"


def images(count: int) -> str:
    """Return how many images, in words."""
    return counted(count, "image")


def counted(count: int, what: str) -> str:
    """Return a number of things, in words: 1 problem, 1,000 problems."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def keep_logs_off_the_answer() -> None:
    """Send what the Lambdas' modules log, and Python's warnings, to the standard error output.

    `shared.telemetry` logs to the standard output, which is a log stream in a function, and the answer here.
    """
    for each in (logging.getLogger(), logging.getLogger(logger.name)):
        for handler in each.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)
