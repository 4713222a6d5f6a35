"""Puts the dead-letter queue's images back into the image queue: python -m tools.redrive --name NAME.

Not StartMessageMoveTask: it moves everything, and a message that is no image upload would come straight back.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import argparse
import sys
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client
from tools import dead_letters
from tools.dead_letters import DeadLetter
from tools.deployment import Deployment, NotFoundError, find
from tools.switches import yes_or_no
from tools.terminal import complain, say

# Not those that it had: what counted against the image begins anew. But one, for any attribute tells the analysis that
# an earlier attempt may have claimed a name.
ATTRIBUTES = {"redriven": {"DataType": "Number", "StringValue": "1"}}

# Longer than it takes to go through a long queue, so that each message is met once.
HIDDEN_SECONDS = 600


def redrive(sqs: Any, deployment: Deployment, *, dry_run: bool) -> tuple[list[DeadLetter], list[DeadLetter]]:  # noqa: ANN401
    """Move every image message and return them, and those that stay because they are no image upload."""
    moved: list[DeadLetter] = []
    kept: list[DeadLetter] = []
    source = deployment.dead_letter_queue_url
    for batch in dead_letters.read(sqs, source, deployment.source, visibility_seconds=HIDDEN_SECONDS):
        for letter in batch:
            if letter.images and not dry_run:
                # Sent before it is deleted: an image whose event comes twice is labelled once, one without is lost.
                sqs.send_message(QueueUrl=deployment.queue_url, MessageBody=letter.body, MessageAttributes=ATTRIBUTES)
                sqs.delete_message(QueueUrl=source, ReceiptHandle=letter.receipt_handle)
            (moved if letter.images else kept).append(letter)
    for letter in kept + (moved if dry_run else []):
        sqs.change_message_visibility(QueueUrl=source, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0)
    return moved, kept


def main() -> int:
    """Move, and print what was moved and what was kept."""
    parser = argparse.ArgumentParser(description="Put the dead-letter queue's images back into the image queue.")
    parser.add_argument("--name", required=True, help="the module's name")
    parser.add_argument(
        "--dry-run", nargs="?", type=yes_or_no, const=True, default=False, help="only say what would be moved"
    )
    arguments = parser.parse_args()
    try:
        deployment = find(arguments.name)
        moved, kept = redrive(client("sqs"), deployment, dry_run=arguments.dry_run)
    except NotFoundError as error:
        complain(error)
        return 1
    except (ClientError, BotoCoreError) as error:
        complain(f"{error}; each message is in one of the two queues, or for a while in both: run this again")
        return 1
    say(*(f"{'would go' if arguments.dry_run else 'went'} back: {letter}" for letter in moved))
    say(*(f"kept: {letter}" for letter in kept))
    say(f"{len(moved)} image messages {'to put' if arguments.dry_run else 'put'} back, {len(kept)} kept.")
    if moved and not arguments.dry_run:
        say("The next run takes them; `make status` shows them waiting.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
