"""Queues the images below a prefix that have no message: python -m tools.backfill --name NAME --prefix 2019/.

The reconcile workflow does it; first as a dry run, whose report is shown, and then, if you say so, for good.
"""

import argparse
import json
import sys
import time
import uuid
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client
from tools.deployment import Deployment, NotFoundError, find
from tools.terminal import as_json, complain, say

POLL_SECONDS = 2


class BackfillFailedError(Exception):
    """The workflow did not end well; the message is its error."""


def backfill(deployment: Deployment, prefix: str, margin_minutes: int, *, dry_run: bool) -> dict[str, Any]:
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


def main() -> int:
    """Show the dry run, ask, and queue."""
    parser = argparse.ArgumentParser(description="Queue the images below a prefix that have no message.")
    parser.add_argument("--name", required=True, help="the module's name")
    parser.add_argument(
        "--prefix", default="", help="beginning of the keys; default: all that the deployment looks after"
    )
    parser.add_argument("--margin-minutes", type=int, default=60, help="leave younger images to their events (60)")
    parser.add_argument("--yes", action="store_true", help="queue without asking")
    arguments = parser.parse_args()
    try:
        deployment = find(arguments.name)
        found = backfill(deployment, arguments.prefix, arguments.margin_minutes, dry_run=True)
        print(as_json(found))
        if found["refused"]:
            say(f"{found['refused']} images are refused and stay where they are; refused_examples says why.")
        if not found["orphans"]:
            say("Nothing to queue.")
            return 0
        say(f"Queue {found['orphans']} images from s3://{deployment.source.bucket}/{found['prefix']}? [y/N]", end=" ")
        if not arguments.yes and not is_agreed():
            say("Nothing was queued.")
            return 0
        queued = backfill(deployment, arguments.prefix, arguments.margin_minutes, dry_run=False)
    except (NotFoundError, BackfillFailedError, ClientError, BotoCoreError) as error:
        complain(error)
        return 1
    say(f"{queued['queued']} images queued; the next run labels them.")
    return 0


def is_agreed() -> bool:
    """Whether the person says yes; one who is not there does not."""
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        say()
        return False


if __name__ == "__main__":
    sys.exit(main())
