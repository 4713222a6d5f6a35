"""SQL over the results at the desk, with DuckDB: the same tables, views and named queries as in Athena."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb

from analyze_image.lines import line_of
from shared.retry_state import mark_of
from shared.s3_events import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SQL = Path(__file__).resolve().parents[1] / "terraform" / "modules" / "query"
LINES = "stream/lines/"
FOLDERS = ("processed/", "failed/")
DOWNLOADS_AT_ONCE = 16

COLUMNS = {
    **dict.fromkeys(("id", "analyzed_at", "run_id", "outcome", "bucket", "key", "version_id", "etag"), "VARCHAR"),
    "size_bytes": "BIGINT",
    **dict.fromkeys(("image_bucket", "image_key", "model"), "VARCHAR"),
    "min_confidence": "DOUBLE",
    **dict.fromkeys(("error_code", "error_message"), "VARCHAR"),
    "labels": "STRUCT(name VARCHAR, confidence DOUBLE, passes BOOLEAN, threshold DOUBLE, "
    "box_left DOUBLE, box_top DOUBLE, box_width DOUBLE, box_height DOUBLE)[]",
}
# Athena takes a row apart into columns with these names; in DuckDB the row is one column, whose members have them.
ROW_ALIAS = re.compile(r" AS item \([a-z_, ]+\)")


class QueryError(Exception):
    """The query cannot be answered; the message says why in one sentence."""


@dataclass(frozen=True)
class Rows:
    """What a query answers: the names of its columns, and the rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def named_queries() -> dict[str, str]:
    """Return the SQL of each named query, whose first line says in a comment what it is for."""
    return {path.stem: path.read_text() for path in sorted((SQL / "queries").glob("*.sql"))}


def run(sql: str, where: Path) -> Rows:
    """Answer `sql` over the views `images` and `labels` of what lies in a folder.

    It holds lines of the stream (`*.jsonl`), or the JSON files of results and failures, as `download` fetches them.
    Error: QueryError.
    """
    with TemporaryDirectory() as scratch, duckdb.connect() as database:
        lines = sorted(map(str, where.rglob("*.jsonl"))) or [str(_lines_of_documents(where, Path(scratch)))]
        try:
            database.execute(
                "CREATE TABLE results AS SELECT * FROM read_json($lines, format = 'newline_delimited', "
                "hive_partitioning = false, columns = $columns)",
                {"lines": lines, "columns": COLUMNS},
            )
        except duckdb.Error as error:
            raise QueryError(f"the results in {where} cannot be read: {_first_line(error)}") from error
        for view in ("images", "labels"):
            text = ROW_ALIAS.sub(" AS items (item)", (SQL / "views" / f"{view}.sql").read_text())
            database.execute(f"CREATE VIEW {view} AS {text}")
        # A query sees the results, and no file of this machine.
        database.execute("SET enable_external_access = false")
        try:
            answer = database.sql(sql) if sql.strip() else None
            if answer is None:
                raise QueryError("the query cannot be run: it is no SELECT")
            return Rows(answer.columns, answer.fetchall())
        except duckdb.Error as error:
            raise QueryError(f"the query cannot be run: {_first_line(error)}") from error


def download(s3: S3Client, bucket: str, prefix: str, folder: Path, *, files: bool = False) -> int:
    """Fetch what `run` reads from the final bucket below `prefix`: the stream's lines, or else all results.

    `files`: the results in any case, because the stream begins when it is applied. Return how many objects there were.
    Error: QueryError, when there are none.
    """
    keys = [] if files else list(_keys(s3, bucket, f"{prefix}{LINES}", ".jsonl"))
    keys = keys or [key for part in FOLDERS for key in _keys(s3, bucket, f"{prefix}{part}", ".json")]
    if not keys:
        raise QueryError(f"there are no results below s3://{bucket}/{prefix}")

    def fetch(number: int) -> None:
        # By number, because a key may be no file name.
        target = folder / f"{number}{Path(keys[number]).suffix}"
        target.write_bytes(s3.get_object(Bucket=bucket, Key=keys[number])["Body"].read())

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(fetch, range(len(keys))))
    return len(keys)


def _keys(s3: S3Client, bucket: str, prefix: str, suffix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item["Key"] for item in page.get("Contents", []) if item["Key"].endswith(suffix))


def _lines_of_documents(where: Path, scratch: Path) -> Path:
    """Write the lines of the JSON files in a folder; what is no result of this system is left out."""
    target, count = scratch / "results.jsonl", 0
    with target.open("w", encoding="utf-8") as lines:
        for path in sorted(where.rglob("*.json")):
            try:
                document = json.loads(path.read_bytes())
                upload = Upload(**document["source"])
                line = line_of(mark_of(upload), document)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            lines.write(json.dumps(line) + "\n")
            count += 1
    if not count:
        raise QueryError(f"there are no results in {where}")
    return target


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
