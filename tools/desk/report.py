"""`clb report`: a folder that opens in a browser, about the images of a run or since a day."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shared.clients import client
from tools import report as reports
from tools.desk import output as desk
from tools.desk.errors import NotFoundError, UsageError
from tools.desk.options import AsJson, Name, Outputs, chosen

# Custom Labels began in December 2019.
FIRST_YEAR = 2019

Run = Annotated[str | None, typer.Option("--run", help="The images of one run, by its ID.", metavar="ID")]
SinceDay = Annotated[
    str | None,
    typer.Option("--since", help="Instead: since a day (UTC) or a time, such as 2026-01-31.", metavar="DATE"),
]
Output = Annotated[Path, typer.Option("--output", help="The folder to write, new or an earlier report.", metavar="DIR")]


def report(
    name: Name = None,
    outputs: Outputs = None,
    run: Run = None,
    since: SinceDay = None,
    output: Output = Path("clb-report"),
    as_json: AsJson = False,
) -> None:
    """Write a folder that shows labelled images in a browser, with no server."""
    selection = _selection(run, since)
    deployment = chosen(name, outputs)
    final = reports.FinalBucket(client("s3", connections=32), deployment.final_bucket, deployment.final_prefix)
    try:
        written = reports.build_report(final, selection, output, title=deployment.name)
    except reports.ReportError as error:
        raise NotFoundError(str(error)) from error
    if as_json:
        desk.document(
            {
                "name": deployment.name,
                "index": str(written.index),
                "data": str(written.data),
                "images": {"processed": written.processed, "failed": written.failed},
                "notes": list(written.notes),
            }
        )
        return
    for words in written.notes:
        desk.note(words)
    desk.sentence(f"{written.index}: {written.processed:,} labelled, {written.failed:,} failed. Open it in a browser.")


def _selection(run: str | None, since: str | None) -> reports.Selection:
    if run is not None and since is None:
        return reports.OfRun(run)
    if since is None or run is not None:
        raise UsageError("say what the report is about: --run ID, which `clb runs` shows, or --since DATE")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise UsageError(f"--since {since}: write a day or a time, such as 2026-01-31 or 2026-01-31T08:00Z") from error
    if moment.year < FIRST_YEAR:
        raise UsageError(f"--since {since}: no image was labelled before {FIRST_YEAR}")
    return reports.Since(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
