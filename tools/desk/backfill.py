"""`clb backfill`: the images below a prefix that have no message are queued.

The reconcile workflow does it; first as a dry run, whose report is shown, and then, if you say so, for good.
"""

import json
import time
import uuid
from typing import Annotated, Any

import typer

from shared.clients import client
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import DeskError
from tools.desk.options import AsJson, Name, Outputs, Yes, chosen
from tools.terminal import as_json as readable_json

POLL_SECONDS = 2


class BackfillFailedError(DeskError):
    """The workflow did not end well; the message is its error."""


def reconciled(deployment: Deployment, prefix: str, margin_minutes: int, *, dry_run: bool) -> dict[str, Any]:
    """Run the workflow to its end and return its report. Errors: BackfillFailedError, botocore's."""
    states = client("stepfunctions")
    request = {"prefix": prefix, "uploaded_before": "now", "margin_minutes": margin_minutes, "dry_run": dry_run}
    name = f"backfill-{'dry-run-' if dry_run else ''}{uuid.uuid4().hex[:12]}"
    execution = states.start_execution(
        stateMachineArn=deployment.reconcile_state_machine_arn, name=name, input=json.dumps(request)
    )["executionArn"]
    while (described := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    if described["status"] != "SUCCEEDED":
        raise BackfillFailedError(
            f"{execution} {described['status']}: {described.get('error')} {described.get('cause')}"
        )
    stored = client("s3").get_object(
        Bucket=deployment.final_bucket, Key=f"{deployment.final_prefix}reconcile/{name}.json"
    )
    report: dict[str, Any] = json.loads(stored["Body"].read())
    return report


Prefix = Annotated[
    str, typer.Option("--prefix", help="Beginning of the keys. Default: all that the deployment looks after.")
]
Margin = Annotated[int, typer.Option("--margin-minutes", min=0, help="Leave younger images to their events.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be queued.")]


def backfill(
    name: Name = None,
    outputs: Outputs = None,
    prefix: Prefix = "",
    margin_minutes: Margin = 60,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Queue the images that have no message, after a dry run and a question."""
    if not dry_run:
        output.expect_a_person("clb backfill", yes=yes)
    deployment = chosen(name, outputs)
    found = reconciled(deployment, prefix, margin_minutes, dry_run=True)
    if not as_json:
        # Its keys may be in any letters, and people read it.
        print(readable_json(found))
        if found["refused"]:
            output.sentence(
                f"{found['refused']} images are refused and stay where they are; refused_examples says why."
            )
    queued = None
    if found["orphans"] and not dry_run:
        where = f"s3://{deployment.source.bucket}/{found['prefix']}"
        if output.ask(f"Queue {output.images(found['orphans'])} from {where}?", yes=yes):
            queued = reconciled(deployment, prefix, margin_minutes, dry_run=False)
    if as_json:
        output.document({"name": deployment.name, "dry_run": found, "queued": queued})
    elif queued is not None:
        output.sentence(f"{queued['queued']} images queued; the next run labels them.")
    else:
        output.sentence("Nothing was queued." if found["orphans"] else "Nothing to queue.")
