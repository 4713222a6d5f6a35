"""A user with the policy that `make aws-permissions` prints may apply and destroy, with IAM enforced."""

import json
import re

import pytest

from tests.stack.local_stack import ACCOUNT, REGION, LocalStack
from tools.aws_permissions import planned, policy

# Of these MiniStack checks the action and not the resource that AWS checks: of a call about tags and of what is created
# it finds none, nor of alarms that are deleted, for there may be several; it names a rule by its bus, and a schedule by
# the default group.
MISPLACED = re.compile(r"Tag|^events:|^lambda:Create|^cloudwatch:DeleteAlarms$|^scheduler:\w+Schedule$")

pytestmark = pytest.mark.timeout(900)


def test_the_printed_policy_is_enough_to_apply_plan_and_destroy() -> None:
    with LocalStack("deploying", enforces_iam=True) as stack:
        stack.terraform.init()
        made = policy(planned(stack.terraform.plan()), stack.name, "aws", REGION, ACCOUNT)
        actions = sorted({action for one in made["Statement"] for action in one["Action"]})
        misplaced = [action for action in actions if MISPLACED.search(action)]
        made["Statement"].append({"Effect": "Allow", "Action": misplaced, "Resource": "*"})
        iam = stack.client("iam")
        iam.create_user(UserName="deployer")
        iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(made))
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        # Over the keys of the example, which are root's.
        (stack.terraform.folder / "override.tf").write_text(
            f'provider "aws" {{\n  access_key = "{key["AccessKeyId"]}"\n  secret_key = "{key["SecretAccessKey"]}"\n}}\n'
        )
        stack.apply()
        assert stack.terraform.planned_changes() == []
        stack.terraform.destroy()
        assert stack.terraform.resources() == []
