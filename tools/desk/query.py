"""`clb query "select …"`: SQL over the results, on this machine."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from shared.clients import client
from tools import query as queries
from tools.desk import output
from tools.desk.errors import NotFoundError, UsageError
from tools.desk.options import AsJson, Name, Outputs, chosen

Files = Annotated[
    bool, typer.Option("--files", help="Read the JSON files of all results, also where there is a stream of lines.")
]
Sql = Annotated[str, typer.Argument(help="A SELECT over the views images and labels, or the name of a named query.")]


def query(sql: Sql, name: Name = None, outputs: Outputs = None, files: Files = False, as_json: AsJson = False) -> None:
    """Answer SQL over the results of the final bucket. `clb query help` lists the named queries."""
    named = queries.named_queries()
    if sql == "help":
        purposes = {known: text.splitlines()[0].removeprefix("--").strip() for known, text in named.items()}
        if as_json:
            output.document({"named_queries": purposes})
            return
        for known, purpose in purposes.items():
            output.pair(f"{known:24}", purpose)
        return
    deployment = chosen(name, outputs)
    with TemporaryDirectory() as folder:
        try:
            s3 = client("s3", connections=queries.DOWNLOADS_AT_ONCE)
            queries.download(s3, deployment.final_bucket, deployment.final_prefix, Path(folder), files=files)
        except queries.QueryError as error:
            raise NotFoundError(str(error)) from error
        try:
            found = queries.run(named.get(sql, sql), Path(folder))
        except queries.QueryError as error:
            raise UsageError(str(error)) from error
    plain = [[_plain(cell) for cell in row] for row in found.rows]
    if as_json:
        output.document({"name": deployment.name, "columns": found.columns, "rows": plain})
        return
    numbers = [
        at for at in range(len(found.columns)) if plain and all(isinstance(row[at], int | float) for row in plain)
    ]
    shown = [["" if cell is None else str(cell) for cell in row] for row in plain]
    output.table(found.columns, shown, numbers=numbers)


def _plain(cell: object) -> bool | int | float | str | None:
    """Return a cell as JSON has it: a time, a decimal, a nested value and what is no finite number are text."""
    if cell is None or isinstance(cell, bool | int) or (isinstance(cell, float) and math.isfinite(cell)):
        return cell
    return str(cell)
