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
from typing import Any

logger = logging.getLogger(__name__)

_version: ContextVar[str | None] = ContextVar("version", default=None)
_rule_arn: ContextVar[str] = ContextVar("rule_arn", default="")


def install(eventbridge: Any, s3: Any, sqs: Any, expect: Callable[[bool, str], None]) -> None:  # noqa: ANN401
    """Close both gaps."""
    fired, invoked = inspect.getsource(s3._fire_s3_event), inspect.getsource(eventbridge._invoke_target)
    expect('"version-id"' not in fired and "_eb._dispatch_event(eb_event)" in fired, "naming versions in events")
    expect("_dispatch_to_sqs(spec, event_payload" in invoked, "checking what rules send to queues")
    expect("queue_policy_allows" not in inspect.getsource(eventbridge), "checking what rules send to queues")
    _name_versions(eventbridge, s3)
    _check_queue_policies(eventbridge, sqs)


def _name_versions(eventbridge: Any, s3: Any) -> None:  # noqa: ANN401
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*arguments: Any, **named: Any) -> None:  # noqa: ANN401
        _version.set(named.get("version_id"))
        fire(*arguments, **named)

    def dispatch_with_version(event: dict[str, Any], *rest: Any) -> Any:  # noqa: ANN401
        if event.get("Source") == "aws.s3" and _version.get():
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = _version.get()
            event = event | {"Detail": json.dumps(detail)}
        return dispatch(event, *rest)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def _check_queue_policies(eventbridge: Any, sqs: Any) -> None:  # noqa: ANN401
    invoke, send = eventbridge._invoke_target, eventbridge._dispatch_to_sqs

    def invoke_for(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *rest: Any) -> Any:  # noqa: ANN401
        _rule_arn.set(rule["Arn"])
        return invoke(target, event, rule, *rest)

    def send_if_allowed(spec: Any, *rest: Any) -> Any:  # noqa: ANN401
        # AWS documents no aws:SourceAccount for these: a policy that asks for one lets nothing in.
        if not sqs.queue_policy_allows(str(spec), "events.amazonaws.com", _rule_arn.get(), ""):
            logger.warning("the policy of queue %s does not let rule %s send", spec, _rule_arn.get())
            return None
        return send(spec, *rest)

    eventbridge._invoke_target = invoke_for
    eventbridge._dispatch_to_sqs = send_if_allowed
