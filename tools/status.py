"""Shows a deployment's model, trigger, queues, lease and last receipts: python -m tools.status --name NAME."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import project_version
from shared.clients import client
from shared.dead_letter_queue import DeadLetterQueue
from shared.items import Items
from shared.model_state import ModelStates
from shared.sqs import count_messages
from tools.dead_letters import DeadLetter, put_back
from tools.deployment import Deployment, NotFoundError, find
from tools.terminal import complain, say

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

RECEIPTS_SHOWN = 5
DEAD_LETTERS_SHOWN = 10
# Each deployment has this alarm.
ALARM = "run-failed"
# A network without a route to SNS must not keep the rest of the status back for minutes.
BOUNDED = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
# Short, so that the next reader sees the messages again soon.
HIDDEN_SECONDS = 5


class Model(TypedDict):
    """The model, and the run that started it, if one did."""

    project_version_arn: str
    status: str
    inference_units: int | None
    started_by: str | None


class HeldLease(TypedDict):
    """Who holds the lease (None: nobody), and for how long; negative: it ran out so long ago."""

    owner: str | None
    seconds_left: int | None
    clean_up: str | None


class Counts(TypedDict):
    """The messages of a queue."""

    waiting: int
    in_flight: int
    delayed: int


class DeadLetters(Counts):
    """The dead-letter queue's messages, the first of them as people read them."""

    messages: list[str]


class Alarms(TypedDict):
    """The topics that the alarms go to, and how many have subscribed. `unknown` is why nobody could say."""

    topics: list[str]
    subscribers: int
    unconfirmed: int
    unknown: str | None


class Status(TypedDict):
    """What --json prints. `runs` are the last receipts, as the run wrote them."""

    name: str
    model: Model
    trigger: str
    lease: HeldLease
    queue: Counts
    dead_letter_queue: DeadLetters
    alarms: Alarms
    runs: list[dict[str, Any]]


def status(deployment: Deployment) -> Status:
    """Return what is known of the deployment now. Errors: botocore's."""
    sqs, dynamodb = client("sqs"), client("dynamodb")
    model = project_version.connect(deployment.project_arn, deployment.project_version_arn, deployment.name).describe()
    trigger = client("lambda").get_event_source_mapping(UUID=deployment.event_source_mapping_uuid)["State"]
    state = ModelStates(Items(dynamodb, deployment.runs_table, deployment.project_version_arn)).read()
    return {
        "name": deployment.name,
        "model": {
            "project_version_arn": deployment.project_version_arn,
            "status": model.status,
            "inference_units": model.inference_units,
            "started_by": state.started_by,
        },
        "trigger": trigger,
        "lease": {
            "owner": str(state.owner) if state.owner else None,
            "seconds_left": state.lease_expires_at - int(time.time()) if state.owner else None,
            "clean_up": f"{state.clean_up.code}: {state.clean_up.reason}" if state.clean_up else None,
        },
        "queue": _counts(sqs, deployment.queue_url),
        "dead_letter_queue": {
            **_counts(sqs, deployment.dead_letter_queue_url),
            "messages": _dead_letters(sqs, deployment),
        },
        "alarms": _alarms(deployment.name),
        "runs": _receipts(client("s3"), deployment),
    }


# Of two clients without installed stubs, the calls that are made here.
class _CloudWatch(Protocol):
    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, list[dict[str, Any]]]: ...  # noqa: N803


class _Subscriptions(Protocol):
    def paginate(self, *, TopicArn: str) -> Iterable[dict[str, list[dict[str, str]]]]: ...  # noqa: N803


class _Sns(Protocol):
    def get_paginator(self, operation: Literal["list_subscriptions_by_topic"], /) -> _Subscriptions: ...


def _alarms(name: str) -> Alarms:
    """Return who hears the alarms of a deployment. Whoever may not see it still sees the rest of the status."""
    alarms: Alarms = {"topics": [], "subscribers": 0, "unconfirmed": 0, "unknown": None}
    make: Callable[..., object] = boto3.client
    try:
        cloudwatch = cast("_CloudWatch", make("cloudwatch", config=BOUNDED))
        sns = cast("_Sns", make("sns", config=BOUNDED))
        # All alarms of a deployment go to the same topic.
        found = cloudwatch.describe_alarms(AlarmNames=[f"{name}-{ALARM}"])["MetricAlarms"]
        alarms["topics"] = sorted({topic for alarm in found for topic in alarm.get("AlarmActions", [])})
        for topic in alarms["topics"]:
            for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
                for subscription in page["Subscriptions"]:
                    # Instead of an ARN, SNS answers PendingConfirmation or Deleted.
                    is_confirmed = subscription["SubscriptionArn"].startswith("arn:")
                    alarms["subscribers" if is_confirmed else "unconfirmed"] += 1
    except (ClientError, BotoCoreError) as error:
        alarms["unknown"] = str(error)
    return alarms


def _counts(sqs: SQSClient, queue_url: str) -> Counts:
    counts = count_messages(sqs, queue_url)
    return {"waiting": counts.visible, "in_flight": counts.in_flight, "delayed": counts.delayed}


def _dead_letters(sqs: SQSClient, deployment: Deployment) -> list[str]:
    queue, shown = DeadLetterQueue(sqs, deployment.dead_letter_queue_url), []
    for messages in queue.read(hidden_seconds=HIDDEN_SECONDS):
        letters = [DeadLetter.of(message, deployment.source) for message in messages]
        put_back(queue, letters)
        shown += [str(letter) for letter in letters]
        if len(shown) >= DEAD_LETTERS_SHOWN:
            break
    return shown[:DEAD_LETTERS_SHOWN]


def _receipts(s3: S3Client, deployment: Deployment) -> list[dict[str, Any]]:
    final_bucket, folder = deployment.final_bucket, f"{deployment.final_prefix}runs/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=final_bucket, Prefix=folder)
    receipts = [entry for page in pages for entry in page.get("Contents", [])]
    latest = sorted(receipts, key=lambda entry: entry["LastModified"], reverse=True)[:RECEIPTS_SHOWN]
    return [_receipt(s3, final_bucket, entry["Key"]) for entry in latest]


def _receipt(s3: S3Client, final_bucket: str, key: str) -> dict[str, Any]:
    """Return the receipt; for an object that is none, `key` and the reason as `unreadable`."""
    try:
        receipt: dict[str, Any] = json.loads(s3.get_object(Bucket=final_bucket, Key=key)["Body"].read())
        _run_lines(receipt)
    except (ClientError, ValueError, LookupError, TypeError) as error:
        return {"key": key, "unreadable": f"{type(error).__name__}: {error}"}
    return receipt


def lines(found: Status) -> list[str]:
    """Return the status as people read it."""
    model, lease, queue, dead = found["model"], found["lease"], found["queue"], found["dead_letter_queue"]
    started_by = f", started by run {model['started_by']}" if model["started_by"] else ""
    holder, left = "free", lease["seconds_left"]
    if lease["owner"] and left is not None:
        holder = f"held by {lease['owner']}, {left} s left"
        if left <= 0:
            holder = f"free: {lease['owner']} let it expire {-left} s ago"
    shown = [
        f"{found['name']}",
        f"  model         {model['status']}{started_by}",
        f"                {model['project_version_arn']}",
        f"  trigger       {found['trigger']}",
        f"  lease         {holder}{', cleaning up: ' + lease['clean_up'] if lease['clean_up'] else ''}",
        f"  queue         {queue['waiting']} waiting, {queue['in_flight']} in flight, {queue['delayed']} delayed",
        f"  dead letters  {dead['waiting'] + dead['in_flight']}",
    ]
    shown += [f"                {letter}" for letter in dead["messages"]]
    shown.append(f"  alarms        {_heard(found['alarms'])}")
    shown.append("  last runs" if found["runs"] else "  last runs     none")
    for run in found["runs"]:
        shown += _run_lines(run)
    return shown


def _heard(alarms: Alarms) -> str:
    topics = ", ".join(alarms["topics"])
    waiting = f" ({alarms['unconfirmed']} not confirmed)" if alarms["unconfirmed"] else ""
    if alarms["unknown"] is not None:
        return f"not known who hears them: {alarms['unknown']}"
    if not topics:
        return "reach NOBODY: they have no topic; apply the module again"
    if not alarms["subscribers"]:
        return f"reach NOBODY: nobody has subscribed to {topics}{waiting}"
    return f"reach {alarms['subscribers']} subscribers of {topics}{waiting}"


def _run_lines(run: dict[str, Any]) -> list[str]:
    if "unreadable" in run:
        return [f"                {run['key']} is no receipt: {run['unreadable']}"]
    seconds, cost = run["model"]["running_seconds"], run["model"]["cost_usd"]
    paid = "model of someone else" if cost is None else f"model {seconds:.0f} s, US${cost:.4f}"
    images = run["images"]
    shown = [
        f"                {run['finished_at']}  {run['outcome']}: {images['processed']} labelled, "
        f"{images['failed']} failed, {paid}  ({run['run_id']})"
    ]
    if run["error"]:
        shown.append(f"                  {run['error']['code']}: {run['error']['message']}")
    return shown


def main() -> int:
    """Print the status."""
    parser = argparse.ArgumentParser(description="Show a deployment's model, trigger, queues, lease and last receipts.")
    parser.add_argument("--name", required=True, help="the module's name")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    arguments = parser.parse_args()
    try:
        found = status(find(arguments.name))
    except (NotFoundError, ClientError, BotoCoreError) as error:
        complain(error)
        return 1
    if arguments.json:
        # In ASCII: a program reads it, whatever encoding this shell has.
        print(json.dumps(found, indent=2))
    else:
        say(*lines(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
