"""Closes what MiniStack lacks of S3's events on their way through EventBridge to a queue. Runs inside MiniStack.

An event about an object in a bucket with versions names the version, and a queue takes from a rule only what its policy
lets the rule send. Without these a wrong identity or a missing permission would go unnoticed.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
"""

import inspect
import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

_version: ContextVar[str | None] = ContextVar("version", default=None)
_rule_arn: ContextVar[str] = ContextVar("rule_arn", default="")


def install(eventbridge: ModuleType, s3: ModuleType, sqs: ModuleType, expect: Callable[[bool, str], None]) -> None:
    """Close both gaps."""
    fired, invoked = inspect.getsource(s3._fire_s3_event), inspect.getsource(eventbridge._invoke_target)
    expect('"version-id"' not in fired and "_eb._dispatch_event(eb_event)" in fired, "naming versions in events")
    expect("_dispatch_to_sqs(spec, event_payload" in invoked, "checking what rules send to queues")
    expect("queue_policy_allows" not in inspect.getsource(eventbridge), "checking what rules send to queues")
    _name_versions(eventbridge, s3)
    _check_queue_policies(eventbridge, sqs)


def _name_versions(eventbridge: ModuleType, s3: ModuleType) -> None:
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*arguments: object, version_id: str | None = None, **named: object) -> None:
        _version.set(version_id)
        fire(*arguments, version_id=version_id, **named)

    def dispatch_with_version(event: dict[str, Any], *rest: object) -> object:
        if event.get("Source") == "aws.s3" and _version.get():
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = _version.get()
            event = event | {"Detail": json.dumps(detail)}
        return dispatch(event, *rest)

    vars(s3)["_fire_s3_event"] = fire_with_version
    vars(eventbridge)["_dispatch_event"] = dispatch_with_version


def _check_queue_policies(eventbridge: ModuleType, sqs: ModuleType) -> None:
    invoke, send = eventbridge._invoke_target, eventbridge._dispatch_to_sqs

    def invoke_for(target: object, event: object, rule: dict[str, Any], *rest: object) -> object:
        _rule_arn.set(rule["Arn"])
        return invoke(target, event, rule, *rest)

    def send_if_allowed(spec: object, *rest: object) -> object:
        # AWS documents no aws:SourceAccount for these: a policy that asks for one lets nothing in.
        if not sqs.queue_policy_allows(str(spec), "events.amazonaws.com", _rule_arn.get(), ""):
            logger.warning("the policy of queue %s does not let rule %s send", spec, _rule_arn.get())
            return None
        return send(spec, *rest)

    vars(eventbridge).update(_invoke_target=invoke_for, _dispatch_to_sqs=send_if_allowed)
