"""What AWS's own services do with the roles and policies of the pipeline, derived from what Terraform applied.

The local stack does these things without a request, or not at all.
"""

import json
from collections.abc import Iterator
from typing import Any

from tests.rig.permissions.needs import Need, Place
from tests.rig.permissions.neighbours import Folders

Json = Any

# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
LOG_WRITES = ("logs:CreateLogStream", "logs:PutLogEvents")
# https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
TRACE_WRITES = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
VPC_ATTACHMENT = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
MACHINE_TRACING = (*TRACE_WRITES, "xray:GetSamplingRules", "xray:GetSamplingTargets")
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
POLLER = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html#resultwriter-iam-policies
RESULT_WRITER = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject")

# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
ON_STREAMS_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
ON_STREAMS_OBJECTS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")


# What of the applied resources is read, here and in policies.py: a record keeps this and nothing else.
READ = {
    "aws_cloudwatch_composite_alarm": ("arn", "alarm_actions", "ok_actions"),
    "aws_cloudwatch_event_rule": ("arn", "name"),
    "aws_cloudwatch_event_target": ("arn", "rule"),
    "aws_cloudwatch_metric_alarm": ("arn", "alarm_actions", "ok_actions"),
    "aws_dynamodb_table": ("hash_key", "name", "server_side_encryption"),
    "aws_iam_role": ("assume_role_policy", "name"),
    "aws_iam_role_policy": ("policy", "role"),
    "aws_iam_role_policy_attachment": ("policy_arn", "role"),
    "aws_kinesis_firehose_delivery_stream": ("arn", "extended_s3_configuration"),
    "aws_lambda_event_source_mapping": ("event_source_arn", "function_arn"),
    # Of the environment only the prefix is kept.
    "aws_lambda_function": ("arn", "environment", "function_name", "role", "tracing_config", "vpc_config"),
    "aws_lambda_permission": ("action", "function_name", "principal", "source_account", "source_arn", "statement_id"),
    "aws_s3_bucket_notification": ("bucket", "queue"),
    "aws_s3_bucket_policy": ("bucket", "policy"),
    "aws_s3_bucket_server_side_encryption_configuration": ("bucket", "rule"),
    "aws_scheduler_schedule": ("group_name", "target"),
    "aws_sfn_state_machine": ("arn", "definition", "logging_configuration", "role_arn", "tracing_configuration"),
    "aws_sns_topic": ("name", "policy"),
    "aws_sqs_queue": ("kms_master_key_id", "name", "policy"),
    "aws_sqs_queue_policy": ("policy", "queue_url"),
}


class UnknownDefinitionError(Exception):
    """Something was defined of which this module does not know what it asks for."""


def read(resources: list[Json]) -> list[Json]:
    """Return what of applied resources is read."""
    found = [
        {"type": each["type"], "values": {name: each["values"][name] for name in READ[each["type"]]}}
        for each in resources
        if each["type"] in READ
    ]
    for each in found:
        if environment := each["values"].pop("environment", None):
            each["values"]["source_prefix"] = environment[0]["variables"].get("SOURCE_PREFIX", "")
    return found


class Applied:
    """The resources of one apply."""

    def __init__(self, resources: list[Json], place: Place) -> None:
        self._resources = resources
        self.place = place

    def of_type(self, kind: str) -> list[Json]:
        """Return the values of the resources of a type."""
        assert kind in READ, f"a record has no {kind}: add it to READ"
        return [resource["values"] for resource in self._resources if resource["type"] == kind]

    def hash_keys(self) -> dict[str, str]:
        """Return the name of each table's hash key."""
        return {table["name"]: table["hash_key"] for table in self.of_type("aws_dynamodb_table")}

    def needs(self) -> Iterator[Need]:
        """Yield what the services ask for. UnknownDefinitionError."""
        yield from self._of_functions()
        yield from self._of_machines()
        yield from self._of_schedules()
        yield from self._of_resource_policies()
        yield from self._of_streams()

    def folders(self) -> Iterator[Folders]:
        """Yield where the uploads and the results of each Distributed Map lie."""
        for machine in self.of_type("aws_sfn_state_machine"):
            for state in _states(json.loads(machine["definition"])):
                if "ItemReader" in state and "ResultWriter" in state:
                    bucket, place = state["ItemReader"]["Arguments"]["Bucket"], state["ResultWriter"]["Arguments"]
                    # final_prefix is what is before the reconciliation's own folder.
                    before = _constant(place["Prefix"]).rstrip("/").rpartition("/")
                    uploads = f"{self.place.s3(bucket)}/{self._source_prefix()}"
                    results = f"{self.place.s3(place['Bucket'])}/{before[0]}{before[1]}"
                    yield Folders(frozenset({uploads}), frozenset({results}))

    def _source_prefix(self) -> str:
        prefixes: list[str] = [function["source_prefix"] for function in self.of_type("aws_lambda_function")]
        return max(prefixes, key=len)

    def _role(self, arn: str) -> str:
        return self.place.short(arn.rsplit("/", 1)[1])

    def _trust(self, role: str, service: str, source: str = "") -> Need:
        return Need(
            f"trust of {role}",
            "sts:AssumeRole",
            "*",
            self._caller(source) if source else (),
            f"{service}.amazonaws.com",
            f"{service} assumes the role",
        )

    def _caller(self, source_arn: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("aws:sourcearn", (source_arn,)), ("aws:sourceaccount", (self.place.account,)))

    def _of_functions(self) -> Iterator[Need]:
        roles = {function["arn"]: self._role(function["role"]) for function in self.of_type("aws_lambda_function")}
        for function in self.of_type("aws_lambda_function"):
            role = roles[function["arn"]]
            # Lambda names no source. https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
            yield self._trust(role, "lambda")
            log = self.place.arn("logs", f"log-group:/aws/lambda/{function['function_name']}:log-stream:a")
            for action in LOG_WRITES:
                yield Need(role, action, log, because="Lambda writes the function's log")
            for action in TRACE_WRITES if function["tracing_config"][0]["mode"] == "Active" else ():
                yield Need(role, action, "*", because="the function is traced")
            for action in VPC_ATTACHMENT if function["vpc_config"] else ():
                yield Need(role, action, "*", because="Lambda attaches the function to its VPC")
        for mapping in self.of_type("aws_lambda_event_source_mapping"):
            for action in POLLER:
                role = roles[mapping["function_arn"]]
                yield Need(role, action, mapping["event_source_arn"], because="Lambda polls the queue")

    def _of_machines(self) -> Iterator[Need]:
        for machine in self.of_type("aws_sfn_state_machine"):
            role = self._role(machine["role_arn"])
            yield self._trust(role, "states", machine["arn"])
            for state in _states(json.loads(machine["definition"])):
                yield from self._of_state(role, state, machine["arn"])
            if machine["logging_configuration"][0]["level"] != "OFF":
                for action in LOG_DELIVERY:
                    yield Need(role, action, "*", because="the state machine delivers logs")
            for action in MACHINE_TRACING if machine["tracing_configuration"][0]["enabled"] else ():
                yield Need(role, action, "*", because="the state machine is traced")

    def _of_state(self, role: str, state: Json, machine: str) -> Iterator[Need]:
        if state["Type"] == "Task":
            if not state["Resource"].endswith(":states:::lambda:invoke"):
                raise UnknownDefinitionError(f"tests/rig/permissions/definitions.py knows no task {state['Resource']}")
            yield Need(role, "lambda:InvokeFunction", state["Arguments"]["FunctionName"], because="a task")
        if state["Type"] != "Map" or state["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED":
            return
        # Which of the two a child belongs to, the machine or NAME/LABEL, differs from page to page of AWS: so both.
        # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        yield self._trust(role, "states", f"{machine}/{state['Label']}")
        yield Need(role, "states:StartExecution", machine, because="a Distributed Map")
        executions = machine.replace(":stateMachine:", ":execution:")
        for action in ("states:DescribeExecution", "states:StopExecution"):
            for belongs in (executions, f"{executions}/{state['Label']}"):
                yield Need(role, action, f"{belongs}:child", because="a Distributed Map")
        # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html
        children = f"{executions}/{state['Label']}:child"
        yield Need(role, "states:RedriveExecution", children, because="a redrive of a Distributed Map")
        reader, writer = state["ItemReader"], state.get("ResultWriter")
        if not reader["Resource"].endswith(":s3:listObjectsV2"):
            raise UnknownDefinitionError(f"tests/rig/permissions/definitions.py knows no reader {reader['Resource']}")
        # The prefix is an expression: what the function lets through, which is its own or longer. Without one, a map is
        # not reached where there is a source_prefix.
        bucket, has_prefix = self.place.s3(reader["Arguments"]["Bucket"]), "Prefix" in reader["Arguments"]
        context = (("s3:prefix", (self._source_prefix(),)),) if has_prefix else ()
        if has_prefix or not self._source_prefix():
            yield Need(role, "s3:ListBucket", bucket, context, because="the map's reader")
        if writer:
            place = writer["Arguments"]
            folder = _constant(place["Prefix"])
            for action in RESULT_WRITER:
                resource = self.place.s3(place["Bucket"], f"{folder}run/SUCCEEDED_0.json")
                yield Need(role, action, resource, because="the map's writer")

    def _of_schedules(self) -> Iterator[Need]:
        for schedule in self.of_type("aws_scheduler_schedule"):
            target = schedule["target"][0]
            role = self._role(target["role_arn"])
            # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
            yield self._trust(
                role, "scheduler", self.place.arn("scheduler", f"schedule-group/{schedule['group_name']}")
            )
            actions = {"lambda": "lambda:InvokeFunction", "states": "states:StartExecution"}
            yield Need(role, actions[target["arn"].split(":")[2]], target["arn"], because="a schedule")

    def _of_streams(self) -> Iterator[Need]:
        for stream in self.of_type("aws_kinesis_firehose_delivery_stream"):
            [place] = stream["extended_s3_configuration"]
            role = self._role(place["role_arn"])
            yield self._trust(role, "firehose", stream["arn"])
            for action in ON_STREAMS_BUCKET:
                yield Need(role, action, place["bucket_arn"], because="the stream's delivery")
            for prefix in (place["prefix"], place["error_output_prefix"]):
                for action in ON_STREAMS_OBJECTS:
                    resource = f"{place['bucket_arn']}/{prefix.split('!')[0]}day/lines.jsonl"
                    yield Need(role, action, resource, because="the stream's delivery")

    def _of_resource_policies(self) -> Iterator[Need]:
        rules = {rule["name"]: rule["arn"] for rule in self.of_type("aws_cloudwatch_event_rule")}
        for target in self.of_type("aws_cloudwatch_event_target"):
            # EventBridge names the rule, and no account.
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
            caller = self._caller(rules[target["rule"]])[:1]
            uses = {
                "lambda": ("function", "lambda:InvokeFunction"),
                "sns": ("topic", "sns:Publish"),
                "sqs": ("queue", "sqs:SendMessage"),
            }
            kind, action = uses[target["arn"].split(":")[2]]
            name = self.place.short(target["arn"].rsplit(":", 1)[1])
            yield Need(f"{kind} {name}", action, target["arn"], caller, "events.amazonaws.com", "the rule's target")
        for notification in self.of_type("aws_s3_bucket_notification"):
            for arn in {queue["queue_arn"] for queue in notification["queue"]}:
                queue = self.place.short(arn.rsplit(":", 1)[1])
                context = self._caller(self.place.s3(notification["bucket"]))
                asked = ("sqs:SendMessage", arn, context, "s3.amazonaws.com", "the bucket's notification")
                yield Need(f"queue {queue}", *asked)
        for kind in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"):
            for alarm in self.of_type(kind):
                for arn in {*alarm["alarm_actions"], *(alarm["ok_actions"] or ())}:
                    topic = self.place.short(arn.rsplit(":", 1)[1])
                    asked = ("sns:Publish", arn, self._caller(alarm["arn"]), "cloudwatch.amazonaws.com", "an alarm")
                    yield Need(f"topic {topic}", *asked)


def _constant(expression: str) -> str:
    """Return the constant that begins an expression."""
    return expression.removeprefix("{% '").split("'")[0]


def _states(definition: Json) -> Iterator[Json]:
    for state in definition["States"].values():
        yield state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from _states(inner)
