"""A deployment in moto, and stand-ins for the services that the fast tests have no moto of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from shared.s3_events import Source
from tests.rig import quick_moto
from tests.unit.conftest import FINAL, MODEL_ARN, PROJECT_ARN, SOURCE, TABLE, ScriptedModel, aws_error
from tools.deployment import Deployment
from tools.desk import doctor

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:labels-label-batch"
TOPIC = "arn:aws:sns:us-east-1:123456789012:labels-alarms"


@pytest.fixture
def deployment(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> Deployment:  # noqa: ANN401
    # A long poll of moto's waits in earnest.
    monkeypatch.setattr("shared.dead_letter_queue.WAIT_SECONDS", 0)
    return Deployment(
        name="labels",
        project_arn=PROJECT_ARN,
        project_version_arn=MODEL_ARN,
        source=Source(SOURCE, suffixes=(".jpg", ".png")),
        final_bucket=FINAL,
        final_prefix="",
        queue_url=sqs.create_queue(QueueName="images")["QueueUrl"],
        dead_letter_queue_url=sqs.create_queue(QueueName="images-dead-letter")["QueueUrl"],
        runs_table=TABLE,
        state_machine_arn=MACHINE,
        event_source_mapping_uuid="uuid",
        unit_hour_usd=4.0,
    )


class Pages:
    """A paginator that answers one list of pages, whatever it is asked."""

    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self._pages = pages

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return self._pages


@dataclass
class Account:
    """What the desk sees of a deployment beside its buckets, queues and table. A test changes it."""

    variables: dict[str, str]
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel(["STOPPED"]))
    trigger: str = "Disabled"
    subscriptions: list[str] = field(default_factory=lambda: [f"{TOPIC}:1"])
    log: list[dict[str, Any]] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)
    identity: str = "123456789012"
    quotas: dict[str, float] = field(
        default_factory=lambda: {
            "Amazon Rekognition Custom Labels: maximum number of concurrently running models": 2.0,
            "Maximum number of inference units per started model": 5.0,
        }
    )
    concurrency: int = 1000
    rules: list[str] = field(default_factory=list)
    key_state: str = "Enabled"
    runtime: str = "python3.13"
    # Projects' ARNs, each with its versions.
    projects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # By service: what any call of it raises.
    broken: dict[str, Exception] = field(default_factory=dict)

    def client(self, service: str, **_: object) -> Any:  # noqa: ANN401
        if service in self.broken:
            raise self.broken[service]
        if service in quick_moto.SERVICES:
            return quick_moto.client(service)
        return self.model if service == "rekognition" and not self.projects else self

    @property
    def meta(self) -> Any:  # noqa: ANN401
        return type("Meta", (), {"region_name": "us-east-1"})

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        if not FunctionName.startswith("labels-"):
            raise aws_error("ResourceNotFoundException", "no such function", "GetFunctionConfiguration")
        return {"Environment": {"Variables": self.variables}, "Runtime": self.runtime}

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.concurrency}}

    def get_caller_identity(self) -> dict[str, Any]:
        return {"Account": self.identity, "Arn": f"arn:aws:iam::{self.identity}:user/me"}

    def list_rule_names_by_target(self, *, TargetArn: str) -> dict[str, Any]:  # noqa: ARG002, N803
        return {"RuleNames": self.rules}

    def describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        return {"Name": Name, "State": "ENABLED"}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        return {"KeyMetadata": {"KeyId": KeyId, "KeyState": self.key_state}}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self.trigger} if UUID == "uuid" else {}

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"MetricAlarms": [{"AlarmName": name, "AlarmActions": [TOPIC]} for name in AlarmNames]}

    def get_paginator(self, operation: str) -> Pages:
        subscribed = [{"SubscriptionArn": arn} for arn in self.subscriptions]
        quotas = [{"QuotaName": name, "Value": value} for name, value in self.quotas.items()]
        versions = [version for every in self.projects.values() for version in every]
        return {
            "list_subscriptions_by_topic": Pages([{"Subscriptions": subscribed}]),
            "filter_log_events": Pages([{"events": self.log}]),
            "list_service_quotas": Pages([{"Quotas": quotas}]),
            "describe_projects": Pages([{"ProjectDescriptions": [{"ProjectArn": arn} for arn in self.projects]}]),
            "describe_project_versions": Pages([{"ProjectVersionDescriptions": versions}]),
        }[operation]

    def start_execution(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.started.append(request)
        return {"executionArn": f"{MACHINE.replace('stateMachine', 'execution')}:run-9"}

    def stop_execution(self, **request: Any) -> None:  # noqa: ANN401
        self.stopped.append(request)


@pytest.fixture
def account(
    deployment: Deployment,
    s3: Any,  # noqa: ANN401, ARG001
    dynamodb: Any,  # noqa: ANN401, ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    """The account in which the commands find the deployment `labels`."""
    found = Account(
        {
            "PROJECT_ARN": deployment.project_arn,
            "PROJECT_VERSION_ARN": deployment.project_version_arn,
            "SOURCE_BUCKET_NAME": deployment.source.bucket,
            "IMAGE_SUFFIXES": '[".jpg", ".png"]',
            "FINAL_BUCKET_NAME": deployment.final_bucket,
            "QUEUE_URL": deployment.queue_url,
            "DEAD_LETTER_QUEUE_URL": deployment.dead_letter_queue_url,
            "RUNS_TABLE_NAME": deployment.runs_table,
            "STATE_MACHINE_ARN": deployment.state_machine_arn,
            "EVENT_SOURCE_MAPPING_UUID": deployment.event_source_mapping_uuid,
            "INFERENCE_UNIT_HOUR_USD": "4",
        }
    )
    monkeypatch.setattr(boto3, "client", found.client)
    return found


@pytest.fixture
def healthy(
    account: Account,
    deployment: Deployment,
    s3: Any,  # noqa: ANN401
    sqs: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    """A deployment with which nothing is wrong, an hour after its apply."""
    asked = sqs.get_queue_attributes(QueueUrl=deployment.queue_url, AttributeNames=["QueueArn"])
    notify(s3, asked["Attributes"]["QueueArn"], *deployment.source.suffixes)
    sqs.purge_queue(QueueUrl=deployment.queue_url)
    for bucket in (SOURCE, FINAL):
        encrypt(s3, bucket, {"SSEAlgorithm": "AES256"})
    queue, before = doctor._queue, datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(doctor, "_queue", lambda *given: (queue(*given)[0], before))
    return account


def notify(s3: Any, arn: str, *suffixes: str, prefix: str = "") -> None:  # noqa: ANN401
    """Let the source bucket tell a queue of uploads with each suffix."""
    within = [{"Name": "prefix", "Value": prefix}] if prefix else []
    rules = [
        {
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [*within, {"Name": "suffix", "Value": suffix}]}},
        }
        for suffix in suffixes
    ]
    s3.put_bucket_notification_configuration(Bucket=SOURCE, NotificationConfiguration={"QueueConfigurations": rules})


def encrypt(s3: Any, bucket: str, by: dict[str, str]) -> None:  # noqa: ANN401
    """Set a bucket's default encryption."""
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
