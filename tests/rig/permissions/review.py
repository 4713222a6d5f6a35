"""What is wrong with a policy whatever is done with it: a linter's findings, and grants that could be borrowed."""

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

with warnings.catch_warnings():
    # It says itself that its way of finding its files is deprecated; the setuptools that has it is pinned.
    warnings.simplefilter("ignore", UserWarning)
    import parliament

Json = Any

# The linter knows identity policies alone: a trust policy has no Resource, for it is the role's.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
OF_EVERY_TRUST_POLICY = "Statement contains neither Resource nor NotResource"
# The linter wants each of an action's resource types in one statement, also those of which there are none: a Standard
# workflow has no express executions, and only one with a Distributed Map has map runs.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
OF_OTHER_WORKFLOWS = [
    {"action": "states:DescribeExecution", "required_format": "arn:*:states:*:*:express:*:*:*"},
    {"action": "states:ListExecutions", "required_format": "arn:*:states:*:*:mapRun:*/*:*"},
]
# Younger than the linter, whose list of actions is from before June 2026.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
YOUNGER = {
    "s3:GetObjectAnnotation",
    "s3:GetObjectVersionAnnotation",
    "s3:ListObjectAnnotations",
    "s3:ListObjectVersionAnnotations",
    "s3:PutObjectAnnotation",
}
# Lambda asks for all resources, whatever interfaces it makes; the code's own calls name the function to every service.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
OF_VPC = re.compile(r"Unknown condition lambda:SourceFunctionArn for action ec2:\w+")
OF_ALL_INTERFACES = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
]

# Services that name no account, or no source at all, when they use a grant; a condition would never hold.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
WITHOUT_ACCOUNT = "events.amazonaws.com"
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
WITHOUT_SOURCE = ("lambda.amazonaws.com", "sts:AssumeRole")


def lint(subject: str, document: Json) -> Iterator[str]:
    """Yield what parliament finds in a policy."""
    for finding in parliament.analyze_policy_string(json.dumps(document)).findings:
        is_trust = subject.startswith("trust of ") and finding.detail == OF_EVERY_TRUST_POLICY
        is_of_vpc = finding.detail == OF_ALL_INTERFACES or OF_VPC.fullmatch(str(finding.detail))
        is_young = finding.issue == "UNKNOWN_ACTION" and finding.location["string"] in YOUNGER
        is_of_others = finding.detail in [[one] for one in OF_OTHER_WORKFLOWS]
        if not is_trust and not is_of_vpc and not is_young and not is_of_others:
            yield f"{subject}: {finding.issue} {finding.detail} {finding.location}"


def open_grants(subject: str, document: Json) -> Iterator[str]:
    """Yield the statements that a service could use for somebody else, or that let everybody in.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    for statement in document["Statement"]:
        if statement["Effect"] != "Allow" or "Principal" not in statement:
            continue
        sid, principal = statement["Sid"], statement["Principal"]
        if set(principal) != {"Service"} if isinstance(principal, dict) else True:
            yield f"{subject}: statement {sid} lets in {principal}, which is no service"
            continue
        if not isinstance(principal["Service"], str) or not isinstance(statement["Action"], str):
            yield f"{subject}: statement {sid} grants several things to several services at once"
            continue
        use = (principal["Service"], statement["Action"])
        keys = {key.lower() for test in statement.get("Condition", {}).values() for key in test}
        wanted = {"aws:sourcearn", "aws:sourceaccount"}
        if use == WITHOUT_SOURCE:
            wanted = set()
        elif use[0] == WITHOUT_ACCOUNT:
            wanted = {"aws:sourcearn"}
        for key in sorted(wanted - keys):
            yield f"{subject}: statement {sid} lets {use[0]} do {use[1]} without a condition on {key}"
