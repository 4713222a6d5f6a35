"""`clb watch`: the active run until it ends, as a live display, or as lines where there is no terminal."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shared.clients import NOT_FOUND, client, error_code
from shared.outcome import Outcome
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import Exit
from tools.desk.leases import lease_of
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.output import BAD, GOOD, QUIET, WAIT
from tools.desk.progress import ENDED, LABELLING, Progress, as_json, look
from tools.desk.runs import paid
from tools.terminal import shown

# A run that was just started takes its lease within so many seconds.
APPEARS_SECONDS = 20
# Lines for a log: at once when the phase changes, and else no more often than this.
LINE_SECONDS = 30
NEEDS_A_PERSON = frozenset({Outcome.FAILED, Outcome.ABORTED, Outcome.STOP_NOT_CONFIRMED, Outcome.LEASE_LOST})

Every = Annotated[int, typer.Option("--every", min=1, max=300, help="Seconds between two looks.")]


def watch(name: Name = None, outputs: Outputs = None, every: Every = 5, as_json: AsJson = False) -> int:
    """Show the active run until it ends. With --json: one line of JSON for each change."""
    deployment = chosen(name, outputs)
    run_id = _active(deployment, every)
    if run_id is None:
        if as_json:
            print(json.dumps({"name": deployment.name, "run_id": None}))
        else:
            output.sentence("No run is active; `clb run` starts one, and `clb status` shows what waits.")
        return Exit.OK
    _follow(deployment, run_id, every, as_json=as_json)
    return _end(deployment, run_id, as_json=as_json)


def _active(deployment: Deployment, every: int) -> str | None:
    deadline = time.monotonic() + APPEARS_SECONDS
    while (run_id := lease_of(deployment).running) is None and time.monotonic() < deadline:
        time.sleep(min(every, 2))
    return run_id


def _follow(deployment: Deployment, run_id: str, every: int, *, as_json: bool) -> None:
    console = output.on(sys.stdout)
    is_live = console.is_terminal and not as_json
    lines = Lines(as_json=as_json)
    with Live(console=console, auto_refresh=False) if is_live else nullcontext() as live:
        while True:
            seen = look(deployment, run_id)
            if live is None:
                lines.show(seen)
            else:
                live.update(display(deployment.name, seen, console.width), refresh=True)
            # A dead run closes no record; then its lease is the watchdog's.
            if seen.has_ended or lease_of(deployment).running != run_id:
                return
            time.sleep(every)


class Lines:
    """Prints a look when something of it changed, and of the counts no more than one in `LINE_SECONDS`."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._last: Progress | None = None
        self._at = 0.0

    def show(self, seen: Progress) -> None:
        """Print the look, if it tells something new."""
        is_new_phase = self._last is None or (self._last.phase, self._last.model) != (seen.phase, seen.model)
        if not is_new_phase and time.monotonic() < self._at + LINE_SECONDS:
            return
        self._last, self._at = seen, time.monotonic()
        if self._as_json:
            print(json.dumps(as_json(seen)), flush=True)
        else:
            output.sentence(line(seen))


def line(seen: Progress) -> str:
    """Return a look as one line."""
    return "  ".join([f"{time.strftime('%H:%M:%S', time.gmtime())}Z", f"{seen.phase:27}", *_parts(seen)])


def _parts(seen: Progress) -> list[str]:
    money = "model of someone else" if seen.usd is None else output.usd(seen.usd)
    failed = f" ({seen.failed:,} failed)" if seen.failed else ""
    parts = [f"{seen.done:,} done{failed}, {seen.left:,} left", f"model {seen.model}", money]
    if seen.seconds_left:
        parts.append(f"about {output.duration(_rounded(seen.seconds_left))} left")
    return parts


def _rounded(seconds: int) -> int:
    # An estimate that seems exact to the second would be a promise.
    step = 10 if seconds < 120 else 60
    return max(step, round(seconds / step) * step)


def display(name: str, seen: Progress, width: int) -> Group:
    """Return what a terminal shows of a look."""
    total = seen.done + seen.left
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=QUIET, width=10)
    grid.add_column(overflow="fold")
    grid.add_row("", ProgressBar(total=total or 1, completed=seen.done, width=max(4, min(width - 12, 60))))
    style = {LABELLING: GOOD, ENDED: GOOD}.get(seen.phase, WAIT)
    grid.add_row("phase", Text(seen.phase, style))
    units = f", {output.counted(seen.units, 'inference unit')}" if seen.units else ""
    grid.add_row("model", f"{seen.model}{units}")
    failed = f", {seen.failed:,} of them failed" if seen.failed else ""
    grid.add_row("images", f"{seen.done:,} done{failed}; {seen.left:,} left")
    paid_so_far = "someone else pays" if seen.usd is None else output.usd(seen.usd)
    grid.add_row("so far", f"{paid_so_far} for {output.duration(seen.running_seconds)}")
    left = f"about {output.duration(_rounded(seen.seconds_left))}" if seen.seconds_left else "…"
    grid.add_row("time left", left if not seen.has_ended else "none")
    return Group(Text.assemble((name, "bold"), "  ", (shown(seen.run_id), QUIET)), grid)


def _end(deployment: Deployment, run_id: str, *, as_json: bool) -> int:
    receipt = _receipt(deployment, run_id)
    if as_json:
        print(json.dumps({"run_id": run_id, "phase": ENDED, "receipt": receipt}), flush=True)
    elif receipt is None:
        output.sentence(f"Run {run_id} no longer holds the lease, and has no receipt yet: see `clb status`.", WAIT)
    else:
        images, error = receipt["images"], receipt["error"]
        reason = f"; {error['code']}: {error['message']}" if error else ""
        words = f"{receipt['outcome']}: {images['processed']:,} labelled, {images['failed']:,} failed, {paid(receipt)}"
        output.sentence(f"{words}{reason}", BAD if error else GOOD)
    if receipt is None or receipt["outcome"] in NEEDS_A_PERSON:
        return Exit.ATTENTION
    return Exit.OK


def _receipt(deployment: Deployment, run_id: str) -> dict[str, Any] | None:
    key = f"{deployment.final_prefix}runs/{run_id}.json"
    try:
        stored = client("s3").get_object(Bucket=deployment.final_bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error_code(error) in NOT_FOUND:
            return None
        raise
    receipt: dict[str, Any] = json.loads(stored)
    return receipt
