"""A deployment in moto, and stand-ins for the services that the fast tests have no moto of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from shared.s3_events import Source
from tests.rig import quick_moto
from tests.unit.conftest import FINAL, MODEL_ARN, PROJECT_ARN, SOURCE, TABLE, ScriptedModel, aws_error
from tools.deployment import Deployment

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
    # By service: what any call of it raises.
    broken: dict[str, Exception] = field(default_factory=dict)

    def client(self, service: str, **_: object) -> Any:  # noqa: ANN401
        if service in self.broken:
            raise self.broken[service]
        if service in quick_moto.SERVICES:
            return quick_moto.client(service)
        return self.model if service == "rekognition" else self

    @property
    def meta(self) -> Any:  # noqa: ANN401
        return type("Meta", (), {"region_name": "us-east-1"})

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        if not FunctionName.startswith("labels-"):
            raise aws_error("ResourceNotFoundException", "no such function", "GetFunctionConfiguration")
        return {"Environment": {"Variables": self.variables}}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self.trigger} if UUID == "uuid" else {}

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"MetricAlarms": [{"AlarmName": name, "AlarmActions": [TOPIC]} for name in AlarmNames]}

    def get_paginator(self, operation: str) -> Pages:
        return {
            "list_subscriptions_by_topic": Pages(
                [{"Subscriptions": [{"SubscriptionArn": s} for s in self.subscriptions]}]
            ),
            "filter_log_events": Pages([{"events": self.log}]),
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
