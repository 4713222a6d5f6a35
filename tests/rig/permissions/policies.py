"""The rendered policies, taken apart: one grant for each action on each resource of each statement."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.rig.permissions.definitions import Applied, UnknownDefinitionError

Json = Any


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a statement allows or denies."""

    subject: str
    sid: str
    effect: str
    action: str
    resource: str
    # Which of the statement's resources it is: the names differ between stacks, the place does not.
    number: int
    # The statement with nothing but that action and that resource, as JSON.
    statement: str


def documents(applied: Applied) -> Iterator[tuple[str, Json]]:
    """Yield every policy with its subject: roles, who may assume them, and resources' own. UnknownDefinitionError."""
    short = applied.place.short
    for role in applied.of_type("aws_iam_role"):
        yield f"trust of {short(role['name'])}", json.loads(role["assume_role_policy"])
    for policy in applied.of_type("aws_iam_role_policy"):
        yield short(policy["role"]), json.loads(policy["policy"])
    for attachment in applied.of_type("aws_iam_role_policy_attachment"):
        raise UnknownDefinitionError(f"the text of {attachment['policy_arn']} is not known here: write it out")
    for queue in applied.of_type("aws_sqs_queue"):
        if queue["policy"]:
            yield f"queue {short(queue['name'])}", json.loads(queue["policy"])
    for policy in applied.of_type("aws_sqs_queue_policy"):
        yield f"queue {short(policy['queue_url'].rsplit('/', 1)[1])}", json.loads(policy["policy"])
    for policy in applied.of_type("aws_s3_bucket_policy"):
        yield f"bucket {short(policy['bucket'])}", json.loads(policy["policy"])
    for topic in applied.of_type("aws_sns_topic"):
        yield f"topic {short(topic['name'])}", json.loads(topic["policy"])
    functions = {function["function_name"]: function["arn"] for function in applied.of_type("aws_lambda_function")}
    for permission in applied.of_type("aws_lambda_permission"):
        # As Lambda writes it. https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
        conditions: dict[str, dict[str, str]] = {}
        if permission["source_arn"]:
            conditions["ArnLike"] = {"AWS:SourceArn": permission["source_arn"]}
        if permission["source_account"]:
            conditions["StringEquals"] = {"AWS:SourceAccount": permission["source_account"]}
        statement = {
            "Sid": permission["statement_id"],
            "Effect": "Allow",
            "Principal": {"Service": permission["principal"]},
            "Action": permission["action"],
            "Resource": functions[permission["function_name"]],
            "Condition": conditions,
        }
        yield f"function {short(permission['function_name'])}", {"Version": "2012-10-17", "Statement": [statement]}


def grants(subject: str, document: Json) -> Iterator[Grant]:
    """Take a policy apart."""
    for statement in document["Statement"]:
        resources = _list(statement.get("Resource", []))
        for action in _list(statement["Action"]):
            for number, resource in enumerate(resources or ["*"]):
                alone = statement | {"Action": action} | ({"Resource": resource} if resources else {})
                text = json.dumps(alone, sort_keys=True)
                yield Grant(subject, statement["Sid"], statement["Effect"], action, resource, number, text)


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
