"""Prints the IAM policy that a role needs to apply and destroy a plan, from `terraform show -json` of that plan.

Usage: terraform show -json PLAN | python -m tools.aws_permissions [--name NAME] [--project-version-arn ARN]
           [--module ADDRESS]

Each action is on the resources whose names begin with NAME, where AWS has a resource level, and on what of an estate is
named in the plan. The policy is for later changes in place too. What of the plan is not in it is an error, or a warning
on stderr. What the provider calls: its sources at 5.100, and
https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.terminal import complain, say

Json = Any

# IAM's limit for a managed policy, white space not counted.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_CHARACTERS_AT_MOST = 6144

TAGS = ("*TagResource", "ListTagsForResource")
ANY = "*"

# Stands in a planned resource's values for what the plan does not know yet.
UNKNOWN = "(known after apply)"

OF_ROLES = "role{path}{name}-*"

# What a resource is named by, or the one that it belongs to.
NAMED_BY = ("name", "bucket", "function_name", "alarm_name", "dashboard_name", "rule")


@dataclass(frozen=True)
class Actions:
    """Actions of one service on one kind of resource."""

    service: str
    # The part of the ARN, {name} being the prefix, {database} the same for Athena and {path} that of roles; or a whole
    # ARN; ANY where AWS has no resource level.
    resource: str
    names: tuple[str, ...]
    # A condition's test, key and values; of those with a test on ARNs, the values are parts as `resource` is.
    condition: tuple[str, str, tuple[str, ...]] | None = None


def s3(*names: str) -> tuple[Actions, ...]:
    """Actions on the buckets."""
    return (Actions("s3", "{name}-*", names),)


def on_functions(*names: str) -> tuple[Actions, ...]:
    """Actions on the functions."""
    return (Actions("lambda", "function:{name}-*", names),)


def pass_role(service: str) -> Actions:
    """Hand a role of the deployment to one service: to another, such as EC2, it would be for somebody's own use."""
    return Actions(
        "iam", OF_ROLES, ("PassRole",), ("StringEquals", "iam:PassedToService", (f"{service}.amazonaws.com",))
    )


def alarm(put: str) -> tuple[Actions, ...]:
    """Actions of one kind of alarm; a description is of all."""
    names = (put, "DeleteAlarms", *TAGS)
    return (Actions("cloudwatch", "alarm:{name}-*", names), Actions("cloudwatch", ANY, ("DescribeAlarms",)))


OF_DATABASE = ("CreateDatabase", "DeleteDatabase", "GetDatabase", "GetTags", "UpdateDatabase")
OF_GLUE_TABLE = ("CreateTable", "DeleteTable", "GetPartitionIndexes", "GetTable", "UpdateTable")

# A mapping's ARN says nothing of its function.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
OF_FUNCTIONS = ("ArnLike", "lambda:FunctionArn", ("function:{name}-*",))

# A type that is here with nothing needs no permission. A wildcard is for reads, tags and descriptions alone, and
# spares a managed policy characters, of which it has few.
OF_TYPE: dict[str, tuple[Actions, ...]] = {
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
    "aws_athena_named_query": (
        Actions("athena", "workgroup/{name}-*", ("CreateNamedQuery", "DeleteNamedQuery", "GetNamedQuery")),
    ),
    "aws_athena_workgroup": (
        Actions(
            "athena",
            "workgroup/{name}-*",
            ("CreateWorkGroup", "DeleteWorkGroup", "GetWorkGroup", "UpdateWorkGroup", *TAGS),
        ),
    ),
    "aws_cloudwatch_composite_alarm": alarm("PutCompositeAlarm"),
    "aws_cloudwatch_dashboard": (
        Actions("cloudwatch", "dashboard/{name}-*", ("DeleteDashboards", "GetDashboard", "PutDashboard")),
    ),
    "aws_cloudwatch_event_rule": (
        Actions("events", "rule/{name}-*", ("DeleteRule", "DescribeRule", "PutRule", *TAGS)),
    ),
    "aws_cloudwatch_event_target": (
        Actions("events", "rule/{name}-*", ("ListTargetsByRule", "PutTargets", "RemoveTargets")),
    ),
    "aws_cloudwatch_log_group": (
        Actions(
            "logs",
            "log-group:/aws/*/{name}-*",
            (
                "AssociateKmsKey",
                "CreateLogGroup",
                "DeleteLogGroup",
                "DeleteRetentionPolicy",
                "DisassociateKmsKey",
                "PutRetentionPolicy",
                *TAGS,
            ),
        ),
        Actions("logs", ANY, ("DescribeLogGroups",)),
    ),
    "aws_cloudwatch_metric_alarm": alarm("PutMetricAlarm"),
    # None can be limited to one query.
    "aws_cloudwatch_query_definition": (
        Actions("logs", ANY, ("DeleteQueryDefinition", "DescribeQueryDefinitions", "PutQueryDefinition")),
    ),
    "aws_dynamodb_table": (
        Actions(
            "dynamodb",
            "table/{name}-*",
            (
                "CreateTable",
                "DeleteTable",
                "Describe*",
                "ListTagsOfResource",
                "*TagResource",
                "UpdateTable",
                "UpdateTimeToLive",
            ),
        ),
    ),
    # A table is checked on the catalog and its database too.
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
    "aws_glue_catalog_database": (
        Actions("glue", "catalog", OF_DATABASE),
        Actions("glue", "database/{database}_*", OF_DATABASE),
    ),
    "aws_glue_catalog_table": (
        Actions("glue", "catalog", OF_GLUE_TABLE),
        Actions("glue", "database/{database}_*", OF_GLUE_TABLE),
        Actions("glue", "table/{database}_*", OF_GLUE_TABLE),
    ),
    "aws_iam_role": (
        Actions(
            "iam",
            OF_ROLES,
            (
                "DeleteRole",
                "GetRole",
                "List*",
                "*TagRole",
                "UpdateAssumeRolePolicy",
                "UpdateRole*",
            ),
        ),
    ),
    "aws_iam_role_policy": (Actions("iam", OF_ROLES, ("GetRolePolicy",)),),
    "aws_kinesis_firehose_delivery_stream": (
        Actions(
            "firehose",
            "deliverystream/{name}-*",
            (
                "CreateDeliveryStream",
                "DeleteDeliveryStream",
                "DescribeDeliveryStream",
                "ListTagsForDeliveryStream",
                "StartDeliveryStreamEncryption",
                "StopDeliveryStreamEncryption",
                "TagDeliveryStream",
                "UntagDeliveryStream",
                "UpdateDestination",
            ),
        ),
        pass_role("firehose"),
    ),
    "aws_lambda_event_source_mapping": (
        Actions("lambda", ANY, ("CreateEventSourceMapping",), OF_FUNCTIONS),
        Actions(
            "lambda",
            "event-source-mapping:*",
            ("DeleteEventSourceMapping", "UpdateEventSourceMapping"),
            OF_FUNCTIONS,
        ),
        # AWS has no condition on the function for tags. A mapping that is gone has no function any more.
        Actions("lambda", "event-source-mapping:*", ("GetEventSourceMapping", "ListTags", "*TagResource")),
    ),
    "aws_lambda_function": (
        *on_functions(
            "CreateFunction",
            "DeleteFunction",
            "GetFunction*",
            "ListTags",
            "ListVersionsByFunction",
            "*TagResource",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
        ),
        pass_role("lambda"),
    ),
    "aws_lambda_function_event_invoke_config": on_functions(
        "DeleteFunctionEventInvokeConfig", "GetFunction*", "PutFunctionEventInvokeConfig"
    ),
    "aws_lambda_function_recursion_config": on_functions("*FunctionRecursionConfig"),  # get and put
    "aws_lambda_invocation": on_functions("InvokeFunction"),
    "aws_lambda_permission": on_functions("AddPermission", "GetPolicy", "RemovePermission"),
    "aws_s3_bucket": s3(
        "CreateBucket",
        "DeleteBucket",
        "GetAccelerateConfiguration",
        "GetBucket*",
        "GetEncryptionConfiguration",
        "GetLifecycleConfiguration",
        "GetReplicationConfiguration",
        "ListBucket",
        "PutBucketTagging",
        *TAGS,  # of S3 Control, which the provider asks from 6.23 on
    ),
    "aws_s3_bucket_lifecycle_configuration": s3("GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    "aws_s3_bucket_notification": s3("GetBucket*", "PutBucketNotification"),
    "aws_s3_bucket_ownership_controls": s3("GetBucket*", "PutBucketOwnershipControls"),
    "aws_s3_bucket_policy": s3("DeleteBucketPolicy", "GetBucket*", "PutBucketPolicy"),
    "aws_s3_bucket_public_access_block": s3("GetBucket*", "PutBucketPublicAccessBlock"),
    "aws_s3_bucket_server_side_encryption_configuration": s3(
        "GetEncryptionConfiguration", "PutEncryptionConfiguration"
    ),
    "aws_s3_bucket_versioning": s3("GetBucket*", "PutBucketVersioning"),
    "aws_scheduler_schedule": (
        Actions(
            "scheduler", "schedule/{name}-*", ("CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule")
        ),
        pass_role("scheduler"),
    ),
    "aws_scheduler_schedule_group": (
        Actions(
            "scheduler",
            "schedule-group/{name}-*",
            ("CreateScheduleGroup", "DeleteScheduleGroup", "GetScheduleGroup", *TAGS),
        ),
    ),
    "aws_sfn_state_machine": (
        Actions(
            "states",
            "stateMachine:{name}-*",
            (
                "CreateStateMachine",
                "DeleteStateMachine",
                "DescribeStateMachine",
                "ListStateMachineVersions",
                "UpdateStateMachine",
                *TAGS,
            ),
        ),
        Actions("states", ANY, ("ValidateStateMachineDefinition",)),
        pass_role("states"),
    ),
    "aws_sns_topic": (
        Actions("sns", "{name}-*", ("CreateTopic", "DeleteTopic", "GetTopicAttributes", "SetTopicAttributes", *TAGS)),
    ),
    "aws_sns_topic_subscription": (
        Actions("sns", "{name}-*", ("Subscribe",)),
        Actions("sns", ANY, ("GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe")),
    ),
    "aws_sqs_queue": (
        Actions(
            "sqs",
            "{name}-*",
            (
                "CreateQueue",
                "DeleteQueue",
                "GetQueueAttributes",
                "GetQueueUrl",
                "ListQueueTags",
                "SetQueueAttributes",
                "*TagQueue",
            ),
        ),
    ),
    "terraform_data": (),
}

# What gives a role its permissions. With a boundary given, only to a role that has it: otherwise this would be worth
# an administrator. So nothing here removes a boundary, and none is set where none is given.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
OF_PERMISSIONS = {
    "aws_iam_role": ("CreateRole", "PutRolePermissionsBoundary"),
    "aws_iam_role_policy": ("DeleteRolePolicy", "PutRolePolicy"),
}

# Only when the bucket may be deleted with what is in it.
FORCE_DESTROY = (
    *s3("ListBucketVersions"),
    Actions("s3", "{name}-*/*", ("DeleteObject", "DeleteObjectVersion")),
)


# What the maker of a table needs of its key.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
OF_TABLE_KEY = ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
OF_VPC = ("DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs")


def boundaries(resources: Iterable[Json]) -> set[str | None]:
    """Return the permissions boundaries of the roles: with None when a role has none, with UNKNOWN for one to come."""
    return {each["values"].get("permissions_boundary") for each in resources if each["type"] == "aws_iam_role"}


def of_permissions(resources: Iterable[Json]) -> Iterator[Actions]:
    """Yield what it takes to give roles their permissions, under their boundary if there is one."""
    resources = list(resources)
    given = boundaries(resources) - {None}
    known = tuple(sorted(str(boundary) for boundary in given - {UNKNOWN}))
    for kind in sorted({each["type"] for each in resources} & OF_PERMISSIONS.keys()):
        if known:
            yield Actions("iam", OF_ROLES, OF_PERMISSIONS[kind], ("StringEquals", "iam:PermissionsBoundary", known))
        elif not given:
            names = tuple(name for name in OF_PERMISSIONS[kind] if name != "PutRolePermissionsBoundary")
            yield Actions("iam", OF_ROLES, names)


class UnknownTypeError(Exception):
    """A plan has resources of which this tool does not know what they need; the message names the first of them."""


def policy(resources: Iterable[Json], name: str, partition: str, region: str, account: str) -> Json:
    """Return the policy for planned resources: each with its `address`, `type` and `values`. UnknownTypeError."""
    resources = list(resources)
    if unknown := [each["address"] for each in resources if each["type"] not in OF_TYPE]:
        raise UnknownTypeError(f"tools/aws_permissions.py does not know what these need: {listed(unknown)}")
    paths = {each["values"].get("path") or "/" for each in resources if each["type"] == "aws_iam_role"}
    paths = paths - {UNKNOWN} or {"/"}
    needed = [actions for each in resources for actions in OF_TYPE[each["type"]]]
    needed += of_permissions(resources)
    needed += [
        actions
        for each in resources
        for actions in of_estate(each["type"], each["values"], name, partition, region)
        if UNKNOWN not in actions.resource
    ]
    if any(each["values"].get("force_destroy") for each in resources):
        needed += FORCE_DESTROY

    def arn(service: str, resource: str, path: str = "") -> str:
        if resource == ANY or resource.startswith("arn:"):
            return resource
        # Dashboards are in no region.
        service_or_kind = "dashboard" if resource.startswith("dashboard/") else service
        places = {"s3": ":", "iam": f":{account}", "dashboard": f":{account}"}
        place = places.get(service_or_kind, f"{region}:{account}")
        named = resource.format(name=name, path=path, database=name.replace("-", "_"))
        return f"arn:{partition}:{service}:{place}:{named}"

    # A role that several services get is passed in one statement.
    services = tuple(sorted({service for actions in needed for service in passed_to(actions, partition)}))
    grouped: dict[tuple[str, Any], set[str]] = defaultdict(set)
    for actions in needed:
        condition = actions.condition
        if condition and condition[1] == "iam:PassedToService":
            condition = (*condition[:2], services)
        elif condition and condition[0].startswith("Arn"):
            condition = (*condition[:2], tuple(arn(actions.service, value) for value in condition[2]))
        for resource in {arn(actions.service, actions.resource, path) for path in paths}:
            grouped[resource, condition] |= {f"{actions.service}:{action}" for action in actions.names}
    # Together where the same is needed, as of the zips, for there is a limit to the policy's length.
    alike: dict[tuple[tuple[str, ...], Any], list[str]] = defaultdict(list)
    for (resource, condition), names in sorted(grouped.items(), key=lambda group: group[0][0]):
        alike[tuple(sorted(names)), condition].append(resource)
    statements = []
    for (action_names, condition), among in alike.items():
        resources = among if len(among) > 1 else among[0]
        statement: Json = {"Effect": "Allow", "Action": list(action_names), "Resource": resources}
        if condition:
            values = condition[2]
            statement["Condition"] = {condition[0]: {condition[1]: list(values) if len(values) > 1 else values[0]}}
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def passed_to(actions: Actions, partition: str) -> Iterator[str]:
    """Yield how a service to which roles are passed may be called: in China some have a name of their own as well."""
    if actions.condition and actions.condition[1] == "iam:PassedToService":
        for service in actions.condition[2]:
            yield from [service, *([f"{service}.cn"] if partition == "aws-cn" else [])]


def of_estate(kind: str, values: Json, name: str, partition: str, region: str) -> Iterator[Actions]:
    """Yield what a planned resource needs of things that are the estate's: a key, a VPC, and buckets."""
    if kind == "aws_dynamodb_table":
        encryptions = values.get("server_side_encryption") or []
        # Without a key given, what there will be is the provider's to say.
        for encryption in [] if encryptions == UNKNOWN else encryptions:
            if key := encryption.get("kms_key_arn"):
                # For this table, and not to read what else the key encrypts.
                via = f"dynamodb.{region}.{'amazonaws.com.cn' if partition == 'aws-cn' else 'amazonaws.com'}"
                yield Actions("kms", key, OF_TABLE_KEY, ("StringEquals", "kms:ViaService", (via,)))
    elif kind == "aws_lambda_function":
        if values.get("vpc_config"):
            yield Actions("ec2", ANY, OF_VPC)
        if bucket := values.get("s3_bucket"):
            zip_arn = f"arn:{partition}:s3:::{bucket}/{values['s3_key']}"
            yield Actions("s3", zip_arn, ("GetObjectVersion" if values.get("s3_object_version") else "GetObject",))
    elif kind == "aws_s3_bucket_notification":
        bucket = values.get("bucket") or ""
        if bucket and not bucket.startswith(f"{name}-"):
            yield Actions("s3", f"arn:{partition}:s3:::{bucket}", ("GetBucketNotification", "PutBucketNotification"))


def planned(plan: Json, module: str = "") -> list[Json]:
    """Return the resources of a plan as they are and as they will be; with a module's address, only what is in it."""
    resources = []
    for change in plan.get("resource_changes", []):
        if change["mode"] != "managed" or not is_in(change["address"], module):
            continue
        before, after = change["change"]["before"], change["change"]["after"]
        if after is not None:
            after = with_unknown(after, change["change"].get("after_unknown"))
        # One that changes may be elsewhere now: under another path, with another key.
        states = [after] if before in (None, after) else [after, before]
        resources += [
            {"address": change["address"], "type": change["type"], "values": values}
            for values in states
            if values is not None
        ]
    return resources


def is_in(address: str, module: str) -> bool:
    """Tell whether a resource is in a module, or in any instance of it; in "" is every resource."""
    return not module or address.startswith((f"{module}.", f"{module}["))


def with_unknown(known: Json, unknown: Json) -> Json:
    """Return planned values with UNKNOWN in place of each that the plan says it does not know."""
    if unknown is True:
        return UNKNOWN
    if isinstance(known, dict) and isinstance(unknown, dict):
        return known | {key: with_unknown(known.get(key), each) for key, each in unknown.items()}
    if isinstance(known, list) and isinstance(unknown, list) and len(known) == len(unknown):
        return [with_unknown(*pair) for pair in zip(known, unknown, strict=True)]
    return known


def not_known_yet(resources: Iterable[Json], name: str, partition: str) -> list[str]:
    """Return the addresses of resources that need something of the estate's which the plan cannot name."""
    return [
        each["address"]
        for each in resources
        if (each["type"] == "aws_iam_role" and each["values"].get("path") == UNKNOWN)
        or (each["type"] == "aws_iam_role" and each["values"].get("permissions_boundary") == UNKNOWN)
        or any(UNKNOWN in needs.resource for needs in of_estate(each["type"], each["values"], name, partition, ""))
    ]


def named_otherwise(resources: Iterable[Json], name: str) -> list[str]:
    """Return the addresses of resources that the policy is not about, as their names do not begin as all others do."""
    return [
        each["address"]
        for each in resources
        if each["type"] != "aws_s3_bucket_notification"  # the policy is about its bucket, whatever that is called
        for own in [next((each["values"][key] for key in NAMED_BY if each["values"].get(key)), UNKNOWN)]
        if own != UNKNOWN and not re.split("[/:]", own)[-1].startswith(f"{name}-")
    ]


def listed(addresses: Iterable[str], at_most: int = 5) -> str:
    """Return addresses for a message: each once, and the first of them when there are many."""
    once = list(dict.fromkeys(addresses))
    more = f" and {len(once) - at_most} more" if len(once) > at_most else ""
    return ", ".join(once[:at_most]) + more


def main() -> int:
    """Read a plan and print the policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--name", help="the prefix of all names; by default the plan's variable `name`")
    parser.add_argument("--project-version-arn", help="the model; by default the plan's variable of that name")
    parser.add_argument(
        "--module", default="", help="the address of this module in your root, such as module.labels; by default all"
    )
    arguments = parser.parse_args()
    plan = json.load(sys.stdin)
    variables = {name: variable.get("value") for name, variable in plan.get("variables", {}).items()}
    name = arguments.name or variables.get("name")
    model = arguments.project_version_arn or variables.get("project_version_arn")
    if not name or not model:
        complain("the plan has no variables of these names: give --name and --project-version-arn")
        return 1
    _, partition, _, region, account, _ = model.split(":", 5)
    resources = planned(plan, arguments.module)
    if arguments.module and not resources:
        complain(f"the plan has no resources in {arguments.module}")
        return 1
    try:
        made = policy(resources, name, partition, region, account)
    except UnknownTypeError as error:
        hint = "" if arguments.module else "; for what is in this module alone, give --module, such as module.labels"
        complain(f"{error}{hint}")
        return 1
    print(json.dumps(made, indent=2))
    if others := named_otherwise(resources, name):
        say(f"warning: not in the policy, as no name of theirs begins with {name}-: {listed(others)}", file=sys.stderr)
    if needy := not_known_yet(resources, name, partition):
        say(
            "warning: not in the policy is what the plan cannot name yet, a key, bucket, boundary or path of the "
            f"estate's that these need: {listed(needy)}; plan again when it is there",
            file=sys.stderr,
        )
    of_roles = boundaries(resources)
    if of_roles == {None}:
        say(
            "warning: without permissions_boundary_arn this policy is worth an administrator, because it may give any "
            f"permission to a role called {name}-…; set a boundary, and plan again",
            file=sys.stderr,
        )
    elif None in of_roles:
        say(
            "warning: the policy does not allow to add or remove a role's boundary as a whole: some roles of the plan "
            "have none, before or after; let an administrator apply this change",
            file=sys.stderr,
        )
    size = len("".join(json.dumps(made).split()))
    if size > MANAGED_POLICY_CHARACTERS_AT_MOST:
        say(f"warning: {size} characters, where a managed policy may have 6144: split it in two", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
