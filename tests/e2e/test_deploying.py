"""The user with the policy that `make aws-permissions` prints, who applied the stack, may plan and destroy it too."""

import pytest

from tests.stack import snapshot

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]


def test_the_printed_policy_is_enough_to_apply_plan_and_destroy() -> None:
    with snapshot.copy() as stack, snapshot.deployer(stack):
        assert stack.terraform.resources(), "the same user applied them"
        assert stack.terraform.planned_changes() == []
        stack.terraform.destroy()
        assert stack.terraform.resources() == []
