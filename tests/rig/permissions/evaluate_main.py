"""Whether statements match requests, judged by MiniStack's evaluator of policies, conditions and all. Runs in
MiniStack's own environment: a line of JSON in, a line of JSON out, until there is no more.
"""

import json
import sys
from typing import Any

from ministack.core import iam_evaluator


def matches(statement: dict[str, Any], need: dict[str, Any]) -> bool:
    """Whether the statement is about the request, whatever its effect."""
    context = iam_evaluator.EvalContext(
        principal_arn="",
        principal_type="AssumedRole",
        principal_account=need["account"],
        action=need["action"],
        resource_arn=need["resource"],
        region=need["region"],
        secure_transport=True,
        service_context={
            "aws:principalisawsservice": str(bool(need["principal"])).lower(),
            **{key: values if len(values) > 1 else values[0] for key, values in need["context"]},
        },
    )
    document = {"Statement": [statement]}
    if "Principal" in statement:
        result = iam_evaluator.evaluate_resource_policy(document, context, need["principal"])
    else:
        result = iam_evaluator.evaluate(context, [iam_evaluator.parse_policy_document(document)])
    return bool(result.decision != "ImplicitDeny")


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        found = [matches(asked["statements"][one], asked["needs"][other]) for one, other in asked["pairs"]]
        print(json.dumps(found), flush=True)
