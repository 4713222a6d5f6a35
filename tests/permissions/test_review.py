"""The rendered policies are sound, and the review finds those that are not."""

from typing import Any

import pytest

from tests.permissions.test_check import evidence
from tests.rig.permissions.review import lint, open_grants

DOCUMENTS = dict(evidence().documents)
FOR_SERVICES = [name for name in DOCUMENTS if name.split()[0] in ("queue", "topic", "trust", "function")]


@pytest.mark.parametrize("subject", DOCUMENTS)
def test_a_policy_of_the_sample_is_sound(subject: str) -> None:
    assert [*lint(subject, DOCUMENTS[subject]), *open_grants(subject, DOCUMENTS[subject])] == []


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "s3:GetObjectTypo", "Resource": "*"}, "UNKNOWN_ACTION"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket"}, "RESOURCE_MISMATCH"),
        (
            {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Lik": {"a": "b"}}},
            "UNKNOWN_OPERATOR",
        ),
    ],
)
def test_the_linter_finds_what_aws_would_ignore_or_refuse(statement: dict[str, Any], issue: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", **statement}]}
    assert [line for line in lint("a", document) if line.startswith(f"a: {issue} ")]


@pytest.mark.parametrize("key", ["aws:SourceArn", "aws:SourceAccount"])
@pytest.mark.parametrize("subject", FOR_SERVICES)
def test_a_grant_to_a_service_without_its_condition_is_found(subject: str, key: str) -> None:
    bare = {"Statement": [statement | {"Condition": {}} for statement in DOCUMENTS[subject]["Statement"]]}
    found = [line for line in open_grants(subject, bare) if line.endswith(f"without a condition on {key.lower()}")]
    services = [one["Principal"].get("Service") for one in bare["Statement"] if one["Effect"] == "Allow"]
    names_none = services in ([], ["lambda.amazonaws.com"])
    names_no_account = key == "aws:SourceAccount" and services == ["events.amazonaws.com"]
    assert len(found) == (0 if names_none or names_no_account else 1)


def test_a_grant_to_everybody_is_found() -> None:
    everybody = {"Sid": "A", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    assert len(list(open_grants("queue a", {"Statement": [everybody]}))) == 1
    assert len(list(open_grants("queue a", {"Statement": [everybody | {"Principal": {"AWS": "*"}}]}))) == 1
