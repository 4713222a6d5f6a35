"""`clb redrive`: the images in the dead-letter queue go back to the image queue.

StartMessageMoveTask is not used: it moves everything, and an unexpected message would be dead-lettered again at once.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client, error_code
from shared.dead_letter_queue import DeadLetterQueue
from shared.retry_state import redriven_attributes
from tools.dead_letters import DeadLetter, put_back
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import DeskError, UsageError, explain
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.switches import yes_or_no

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


def redriven(sqs: SQSClient, deployment: Deployment, *, dry_run: bool) -> Redriven:
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
        QueueUrl=image_queue_url, MessageBody=letter.body, MessageAttributes=redriven_attributes(letter.uncopied)
    )
    queue.delete(letter.receipt_handle)


def _hint(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError) and error.operation_name == "SendMessage" and "AccessDenied" in error_code(error):
        return "; only whom the module's redrive_principal_arns names may send to the queue: add your role"
    return ""


def as_json_of(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter for programs."""
    return {"images": list(letter.images), "body": letter.body, "reason": letter.reason}


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent back.")]
# What make's DRY_RUN says.
DryRunAs = Annotated[str, typer.Option("--dry-run-as", hidden=True, metavar="YES_OR_NO")]


def redrive(
    name: Name = None,
    outputs: Outputs = None,
    dry_run: DryRun = False,
    dry_run_as: DryRunAs = "",
    as_json: AsJson = False,
) -> None:
    """Send the images in the dead-letter queue back to the image queue. Messages that are no uploads stay."""
    try:
        dry_run = yes_or_no(dry_run_as) or dry_run
    except ArgumentTypeError as error:
        raise UsageError(f"DRY_RUN: {error}") from error
    deployment = chosen(name, outputs)
    try:
        done = redriven(client("sqs"), deployment, dry_run=dry_run)
    except (ClientError, BotoCoreError) as error:
        raise DeskError(
            f"{explain(error)[0]}; every message is still in one of the two queues, or in both: run this again"
        ) from error
    if as_json:
        output.document(
            {
                "name": deployment.name,
                "dry_run": dry_run,
                "sent_back": [as_json_of(letter) for letter in done.moved],
                "kept": [as_json_of(letter) for letter in done.kept],
                "refused": [as_json_of(letter) for letter in done.refused],
            }
        )
    else:
        _tell(done, dry_run=dry_run)
    for letter in done.refused:
        output.note(f"not moved: {letter}")
    if done.refused:
        raise DeskError(
            f"{len(done.refused)} messages are still in the dead-letter queue for the reasons above; run this again"
        )


def _tell(done: Redriven, *, dry_run: bool) -> None:
    for letter in done.moved:
        output.sentence(f"{'would be sent' if dry_run else 'sent'} back: {letter}")
    for letter in done.kept:
        output.sentence(f"kept: {letter}")
    output.sentence(f"{len(done.moved)} image messages {'to send' if dry_run else 'sent'} back, {len(done.kept)} kept.")
    if done.moved and not dry_run:
        output.sentence("The next run labels them; `clb status` shows them in the image queue.")
