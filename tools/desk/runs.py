"""`clb runs`: the receipts of the last runs."""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import ClientError

from shared.clients import client
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.output import QUIET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SHOWN = 20
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most runs to show.")]


def latest(s3: S3Client, deployment: Deployment, limit: int) -> list[dict[str, Any]]:
    """Return the last receipts, the newest first; for an object that is none, `key` and the reason as `unreadable`."""
    final_bucket, folder = deployment.final_bucket, f"{deployment.final_prefix}runs/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=final_bucket, Prefix=folder)
    entries = (entry for page in pages for entry in page.get("Contents", []))
    newest = heapq.nlargest(limit, entries, key=lambda entry: entry["LastModified"])
    return [receipt_of(s3, final_bucket, entry["Key"]) for entry in newest]


def receipt_of(s3: S3Client, final_bucket: str, key: str) -> dict[str, Any]:
    """Return one receipt; for an object that is none, `key` and the reason as `unreadable`."""
    try:
        receipt: dict[str, Any] = json.loads(s3.get_object(Bucket=final_bucket, Key=key)["Body"].read())
        _row(receipt)
        receipt["error"]["code"] if receipt["error"] else None
    except (ClientError, ValueError, LookupError, TypeError) as error:
        return {"key": key, "unreadable": f"{type(error).__name__}: {error}"}
    return receipt


def paid(receipt: dict[str, Any]) -> str:
    """Return what a run's model cost, in words."""
    cost = receipt["model"]["cost_usd"]
    return "model of someone else" if cost is None else output.usd(cost)


def _row(receipt: dict[str, Any]) -> str:
    images, model = receipt["images"], receipt["model"]
    is_ours = model["cost_usd"] is not None
    cells = [
        f"{output.minute(receipt['finished_at']):16}",
        f"{receipt['outcome']!s:23}",
        f"{images['processed']:>8,}",
        f"{images['failed']:>6,}",
        f"{output.duration(model['running_seconds']) if is_ours else '':>7}",
        f"{output.usd(model['cost_usd']) if is_ours else 'not ours':>10}",
    ]
    return " ".join(cells)


HEADER = f"{'ended (UTC)':16} {'outcome':23} {'labelled':>8} {'failed':>6} {'model':>7} {'cost':>10}"


def runs(name: Name = None, outputs: Outputs = None, limit: Limit = SHOWN, as_json: AsJson = False) -> None:
    """Show the receipts of the last runs, the newest first."""
    deployment = chosen(name, outputs)
    found = latest(client("s3"), deployment, limit)
    if as_json:
        output.document({"name": deployment.name, "runs": found})
        return
    if not found:
        output.sentence(f"No run of {deployment.name} has ended yet; `clb run` starts one.")
        return
    output.sentence(f"{HEADER} run", QUIET)
    for one in found:
        if "unreadable" in one:
            output.note(f"{one['key']} is no receipt: {one['unreadable']}")
        else:
            output.pair(_row(one), str(one["run_id"]))
