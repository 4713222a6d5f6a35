"""Puts the dead-letter queue's images back into the image queue: python -m tools.redrive --name NAME.

Not StartMessageMoveTask: it moves everything, and a message that is no image upload would come straight back.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import argparse
import sys
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class Redriven:
    """What became of the dead letters: `kept` are no image uploads, `refused` ones that SQS did not let us move."""

    moved: list[DeadLetter] = field(default_factory=list)
    kept: list[DeadLetter] = field(default_factory=list)
    refused: list[DeadLetter] = field(default_factory=list)


def redrive(sqs: Any, deployment: Deployment, *, dry_run: bool) -> Redriven:  # noqa: ANN401
    """Move every image message that SQS lets us move. Errors: botocore's, when the queue cannot be read."""
    done = Redriven()
    source = deployment.dead_letter_queue_url
    try:
        for batch in dead_letters.read(sqs, source, deployment.source, visibility_seconds=HIDDEN_SECONDS):
            for letter in batch:
                try:
                    if letter.images and not dry_run:
                        _move(sqs, deployment, letter)
                    (done.moved if letter.images else done.kept).append(letter)
                except (BotoCoreError, ClientError) as error:
                    done.refused.append(replace(letter, reason=str(error)))
    finally:
        dead_letters.put_back(sqs, source, done.kept + done.refused + (done.moved if dry_run else []))
    return done


def _move(sqs: Any, deployment: Deployment, letter: DeadLetter) -> None:  # noqa: ANN401
    # Sent before it is deleted: an image whose event comes twice is labelled once, one without is lost.
    sqs.send_message(QueueUrl=deployment.queue_url, MessageBody=letter.body, MessageAttributes=ATTRIBUTES)
    sqs.delete_message(QueueUrl=deployment.dead_letter_queue_url, ReceiptHandle=letter.receipt_handle)


def main() -> int:
    """Move, and print what was moved and what was not."""
    parser = argparse.ArgumentParser(description="Put the dead-letter queue's images back into the image queue.")
    parser.add_argument("--name", required=True, help="the module's name")
    parser.add_argument(
        "--dry-run", nargs="?", type=yes_or_no, const=True, default=False, help="only say what would be moved"
    )
    arguments = parser.parse_args()
    try:
        deployment = find(arguments.name)
        done = redrive(client("sqs"), deployment, dry_run=arguments.dry_run)
    except NotFoundError as error:
        complain(error)
        return 1
    except (ClientError, BotoCoreError) as error:
        complain(f"{error}; each message is in one of the two queues, or for a while in both: run this again")
        return 1
    say(*(f"{'would go' if arguments.dry_run else 'went'} back: {letter}" for letter in done.moved))
    say(*(f"kept: {letter}" for letter in done.kept))
    say(f"{len(done.moved)} image messages {'to put' if arguments.dry_run else 'put'} back, {len(done.kept)} kept.")
    if done.moved and not arguments.dry_run:
        say("The next run takes them; `make status` shows them waiting.")
    if done.refused:
        say(*(f"not moved: {letter}" for letter in done.refused), file=sys.stderr)
        complain(
            f"{len(done.refused)} messages are still in the dead-letter queue, for the reasons above; run this again"
        )
    return 1 if done.refused else 0


if __name__ == "__main__":
    sys.exit(main())
