"""Sends the images in the dead-letter queue back to the image queue: python -m tools.redrive --name NAME.

StartMessageMoveTask is not used: it moves everything, and an unexpected message would be dead-lettered again at once.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client, error_code
from shared.dead_letter_queue import DeadLetterQueue
from shared.retry_state import redriven_attributes
from tools.dead_letters import DeadLetter, put_back
from tools.deployment import Deployment, NotFoundError, find
from tools.switches import yes_or_no
from tools.terminal import complain, say

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# Longer than it takes to read a long queue, so that each message is received once.
HIDDEN_SECONDS = 600


@dataclass(frozen=True)
class Redriven:
    """What became of the dead letters: `kept` are unexpected messages, `refused` those that SQS refused to move."""

    moved: list[DeadLetter] = field(default_factory=list)
    kept: list[DeadLetter] = field(default_factory=list)
    refused: list[DeadLetter] = field(default_factory=list)


def redrive(sqs: SQSClient, deployment: Deployment, *, dry_run: bool) -> Redriven:
    """Move every image message that SQS allows to move. Errors: botocore's, when the queue cannot be read."""
    done = Redriven()
    queue = DeadLetterQueue(sqs, deployment.dead_letter_queue_url)
    try:
        for messages in queue.read(hidden_seconds=HIDDEN_SECONDS):
            for letter in (DeadLetter.of(message, deployment.source) for message in messages):
                try:
                    if letter.images and not dry_run:
                        _move(sqs, queue, deployment.queue_url, letter)
                    (done.moved if letter.images else done.kept).append(letter)
                except (BotoCoreError, ClientError) as error:
                    done.refused.append(replace(letter, reason=f"{error}{_hint(error)}"))
    finally:
        put_back(queue, done.kept + done.refused + (done.moved if dry_run else []))
    return done


def _move(sqs: SQSClient, queue: DeadLetterQueue, image_queue_url: str, letter: DeadLetter) -> None:
    # Sent before it is deleted: an image with two messages is labelled once, but an image without one is lost.
    sqs.send_message(
        QueueUrl=image_queue_url, MessageBody=letter.body, MessageAttributes=redriven_attributes(letter.lacks_copy)
    )
    queue.delete(letter.receipt_handle)


def _hint(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError) and error.operation_name == "SendMessage" and "AccessDenied" in error_code(error):
        return (
            "; only whom the module's redrive_principal_arns names may send to the queue: add your role"
        )
    return ""


def main() -> int:
    """Move, and print what was moved and what was not."""
    parser = argparse.ArgumentParser(description="Send the images in the dead-letter queue back to the image queue.")
    parser.add_argument("--name", required=True, help="the module's name")
    parser.add_argument(
        "--dry-run", nargs="?", type=yes_or_no, const=True, default=False, help="only print what would be moved"
    )
    arguments = parser.parse_args()
    try:
        deployment = find(arguments.name)
        done = redrive(client("sqs"), deployment, dry_run=arguments.dry_run)
    except NotFoundError as error:
        complain(error)
        return 1
    except (ClientError, BotoCoreError) as error:
        complain(f"{error}; every message is still in one of the two queues, or in both: run this again")
        return 1
    say(*(f"{'would be sent' if arguments.dry_run else 'sent'} back: {letter}" for letter in done.moved))
    say(*(f"kept: {letter}" for letter in done.kept))
    say(f"{len(done.moved)} image messages {'to send' if arguments.dry_run else 'sent'} back, {len(done.kept)} kept.")
    if done.moved and not arguments.dry_run:
        say("The next run labels them; `make status` shows them in the image queue.")
    if done.refused:
        say(*(f"not moved: {letter}" for letter in done.refused), file=sys.stderr)
        complain(
            f"{len(done.refused)} messages are still in the dead-letter queue for the reasons above; run this again"
        )
    return 1 if done.refused else 0


if __name__ == "__main__":
    sys.exit(main())
