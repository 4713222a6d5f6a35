"""`clb status`: a deployment's model, trigger, queues, lease and last receipts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import project_version
from shared.clients import client
from shared.dead_letter_queue import DeadLetterQueue
from shared.items import Items
from shared.model_state import ModelState, ModelStates
from shared.project_version import STATUS_UNAVAILABLE, ModelDescription
from shared.sqs import count_messages
from tools.dead_letters import DeadLetter, put_back
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import Exit, explain
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.output import BAD, GOOD, QUIET, WAIT, Fact
from tools.desk.runs import latest, paid

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

QUEUES: tuple[Literal["queue", "dead_letter_queue"], ...] = ("queue", "dead_letter_queue")
COUNTS: tuple[Literal["waiting", "in_flight", "delayed"], ...] = ("waiting", "in_flight", "delayed")
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


class SourceImages(TypedDict):
    """The objects in the source bucket that could be images, of the first thousand; `more`: there are more of them."""

    images: int
    more: bool


class Alarms(TypedDict):
    """The topics that the alarms go to, and how many have subscribed. `unknown` is why nobody could say."""

    topics: list[str]
    subscribers: int
    unconfirmed: int
    unknown: str | None


Part = Literal["model", "trigger", "lease", "source", "queue", "dead_letter_queue", "runs"]


class Status(TypedDict):
    """What --json prints. `runs` are the last receipts, as the run wrote them.

    `unknown` says of each part that AWS did not tell why, in a sentence; the part itself is then empty.
    """

    name: str
    model: Model
    trigger: str
    lease: HeldLease
    source: SourceImages
    queue: Counts
    dead_letter_queue: DeadLetters
    alarms: Alarms
    runs: list[dict[str, Any]]
    unknown: dict[Part, str]


T = TypeVar("T")

# What a part holds of which AWS did not tell.
NO_COUNTS: Counts = {"waiting": 0, "in_flight": 0, "delayed": 0}
NO_DEAD_LETTERS: DeadLetters = {"waiting": 0, "in_flight": 0, "delayed": 0, "messages": []}
NO_IMAGES: SourceImages = {"images": 0, "more": False}


def status_of(deployment: Deployment) -> Status:
    """Return what is known of the deployment now. What AWS does not tell keeps nothing else back."""
    unknown: dict[Part, str] = {}

    def told(part: Part, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            unknown[part] = explain(error)[0]
            return otherwise

    table = Items(client("dynamodb"), deployment.runs_table, deployment.project_version_arn)
    state = told("lease", ModelStates(table).read, ModelState())
    model = told("model", lambda: _describe(deployment), ModelDescription(STATUS_UNAVAILABLE, "", None))
    return {
        "name": deployment.name,
        "model": {
            "project_version_arn": deployment.project_version_arn,
            "status": model.status,
            "inference_units": model.inference_units,
            "started_by": state.started_by,
        },
        "trigger": told("trigger", lambda: _trigger(deployment), ""),
        "lease": _lease(state),
        "source": told("source", lambda: _source_images(client("s3"), deployment), NO_IMAGES),
        "queue": told("queue", lambda: _counts(client("sqs"), deployment.queue_url), NO_COUNTS),
        "dead_letter_queue": told(
            "dead_letter_queue", lambda: _dead_letters(client("sqs"), deployment), NO_DEAD_LETTERS
        ),
        "alarms": alarms_of(deployment.name),
        "runs": told("runs", lambda: latest(client("s3"), deployment, RECEIPTS_SHOWN), []),
        "unknown": unknown,
    }


def _describe(deployment: Deployment) -> ModelDescription:
    model = project_version.connect(deployment.project_arn, deployment.project_version_arn, deployment.name)
    return model.describe()


def _trigger(deployment: Deployment) -> str:
    return client("lambda").get_event_source_mapping(UUID=deployment.event_source_mapping_uuid)["State"]


def _lease(state: ModelState) -> HeldLease:
    return {
        "owner": str(state.owner) if state.owner else None,
        "seconds_left": state.lease_expires_at - int(time.time()) if state.owner else None,
        "clean_up": f"{state.clean_up.code}: {state.clean_up.reason}" if state.clean_up else None,
    }


def alarms_of(name: str) -> Alarms:
    """Return who hears the alarms of a deployment. Whoever may not see it still sees the rest of the status."""
    alarms: Alarms = {"topics": [], "subscribers": 0, "unconfirmed": 0, "unknown": None}
    try:
        cloudwatch: CloudWatchClient = boto3.client("cloudwatch", config=BOUNDED)
        sns: SNSClient = boto3.client("sns", config=BOUNDED)
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


def _source_images(s3: S3Client, deployment: Deployment) -> SourceImages:
    page = s3.list_objects_v2(Bucket=deployment.source.bucket, Prefix=deployment.source.prefix)
    keys = [entry["Key"] for entry in page.get("Contents", [])]
    images = [key for key in keys if not key.endswith(("/", ".json"))]
    return {"images": len(images), "more": page.get("IsTruncated", False)}


def _dead_letters(sqs: SQSClient, deployment: Deployment) -> DeadLetters:
    counts = _counts(sqs, deployment.dead_letter_queue_url)
    queue, shown = DeadLetterQueue(sqs, deployment.dead_letter_queue_url), []
    for messages in queue.read(hidden_seconds=HIDDEN_SECONDS):
        letters = [DeadLetter.of(message, deployment.source) for message in messages]
        put_back(queue, letters)
        shown += [str(letter) for letter in letters]
        if len(shown) >= DEAD_LETTERS_SHOWN:
            break
    return {**counts, "messages": shown[:DEAD_LETTERS_SHOWN]}


def facts(found: Status) -> list[Fact]:
    """Return the status as people read it."""
    model, queue, dead = found["model"], found["queue"], found["dead_letter_queue"]
    started_by = f", started by run {model['started_by']}" if model["started_by"] else ""
    letters = dead["waiting"] + dead["in_flight"]

    def fact(part: Part, label: str, words: str, style: str = "") -> Fact:
        if part in found["unknown"]:
            return Fact(label, f"not known: {found['unknown'][part]}", BAD)
        return Fact(label, words, style)

    shown = [
        fact("model", "model", f"{model['status']}{started_by}", _model_style(model["status"])),
        Fact("", model["project_version_arn"], QUIET),
        fact("trigger", "trigger", found["trigger"]),
        fact("lease", "lease", _holder(found["lease"])),
        fact("source", "source", _in_source(found)),
        fact(
            "queue", "queue", f"{queue['waiting']} waiting, {queue['in_flight']} in flight, {queue['delayed']} delayed"
        ),
        fact("dead_letter_queue", "dead letters", f"{letters}", BAD if letters else ""),
        *(Fact("", f"- {letter}") for letter in dead["messages"]),
        Fact("alarms", told := heard(found["alarms"]), BAD if "NOBODY" in told else ""),
    ]
    runs = [each for run in found["runs"] for each in run_facts(run)] or [fact("runs", "", "none")]
    return [*shown, replace(runs[0], label="last runs"), *runs[1:]]


def _model_style(model_status: str) -> str:
    if model_status == "RUNNING":
        return GOOD
    return WAIT if model_status in ("STARTING", "STOPPING") else ""


def _holder(lease: HeldLease) -> str:
    holder, left = "free", lease["seconds_left"]
    if lease["owner"] and left is not None:
        holder = f"held by {lease['owner']}, {left} s left"
        if left <= 0:
            holder = f"free: {lease['owner']} let it expire {-left} s ago"
    return f"{holder}, cleaning up: {lease['clean_up']}" if lease["clean_up"] else holder


def _in_source(found: Status) -> str:
    source = found["source"]
    images = f"{'more than ' if source['more'] else ''}{source['images']} images"
    messages = sum(found[queue][count] for queue in QUEUES for count in COUNTS)
    if not source["images"] or messages or found["unknown"].keys() & {"queue", "dead_letter_queue"}:
        return images
    return (
        f"{images}, no message: S3 begins to notify about five minutes after an apply. "
        f"`clb backfill --name {found['name']} --margin-minutes 0` queues them"
    )


def heard(alarms: Alarms) -> str:
    """Return who hears the alarms, in words."""
    topics = ", ".join(alarms["topics"])
    waiting = f" ({alarms['unconfirmed']} not confirmed)" if alarms["unconfirmed"] else ""
    if alarms["unknown"] is not None:
        return f"not known who hears them: {alarms['unknown']}"
    if not topics:
        return "reach NOBODY: they have no topic; apply the module again"
    if not alarms["subscribers"]:
        return f"reach NOBODY: nobody has subscribed to {topics}{waiting}"
    return f"reach {output.counted(alarms['subscribers'], 'subscriber')} of {topics}{waiting}"


def run_facts(run: dict[str, Any]) -> list[Fact]:
    """Return a receipt as people read it; of an object that is none, why."""
    if "unreadable" in run:
        return [Fact("", f"{run['key']} is no receipt: {run['unreadable']}", BAD)]
    images, ended = run["images"], output.minute(run["finished_at"])
    counts = f"{images['processed']} labelled, {images['failed']} failed, {paid(run)}"
    shown = [Fact("", f"{ended}  {run['outcome']}: {counts}"), Fact("", f"{run['run_id']}", QUIET)]
    if run["error"]:
        shown.append(Fact("", f"{run['error']['code']}: {run['error']['message']}", BAD))
    return shown


def status(name: Name = None, outputs: Outputs = None, as_json: AsJson = False) -> Exit:
    """Show the model, trigger, lease, queues, dead letters, alarms and last receipts."""
    found = status_of(chosen(name, outputs))
    if as_json:
        output.document(found)
    else:
        output.facts(found["name"], facts(found))
    return Exit.FAILED if found["unknown"] else Exit.OK
