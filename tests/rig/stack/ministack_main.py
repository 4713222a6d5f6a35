"""Starts MiniStack with the gaps closed that would hide what AWS does. Runs in MiniStack's own environment.

Each gap is closed on one pinned version, and the start fails when that version or the text that is replaced is
another, so that an update is looked at by a person.
"""

import inspect
import json
import os
import re
import sys
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import bucket_events
import call_record
import distributed_map
import kept_code
import object_copies
import passed_roles
import recursive_loops
import service_faults
from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses
from ministack.services import (
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    firehose,
    iam,
    lambda_svc,
    s3,
    sqs,
    stepfunctions,
    sts,
)

Json = Any

PINNED = "1.5.33"

# The member of a worker's answer that is an exception; no answer of ours has it.
MARK = "exception of the handler"

# What MiniStack says of a function whose process died.
DIED = "Worker process died"

# What MiniStack takes of an alarm and does not tell in XML.
ALARM_FIELDS = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "Metrics",
    "OKActions",
    "Period",
    "Statistic",
    "ThresholdMetricId",
    "TreatMissingData",
    "Unit",
)
ALARM_OPERATIONS = ("DescribeAlarms", "PutCompositeAlarm", "PutMetricAlarm")
ALARM_NAME = re.compile(r"<AlarmName>([^<]+)</AlarmName>")
# A name in an expression of DynamoDB, at its top level, and what else looks like one.
ATTRIBUTE = re.compile(r"(?<![:.\w#])#?[A-Za-z_]\w*(?!\w*\()")
OF_EXPRESSIONS = {"SET", "ADD", "REMOVE", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"}
OF_MAPPING = {f"lambda:{verb}EventSourceMapping" for verb in ("Delete", "Get", "Update")}
# Where the launcher keeps them.
REQUESTED = "_requested"


def expect(condition: bool, gap: str) -> None:
    """Stop with one clear line when MiniStack is not what the closing of `gap` was written for."""
    if not condition:
        sys.exit(f"error: MiniStack {version('ministack')} is not what {gap} was written for ({PINNED})")


def answer_exceptions() -> None:
    """Hand on the class name of an exception raised in a handler, and keep its process, as AWS does.

    MiniStack says Runtime.HandlerError for all, and ends the process. Lambda's errorType is that name, and Step
    Functions' Retry and Catch go by it. A process that died is a Runtime.ExitError.
    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/bootstrap.py
    """
    plain = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
    named = f'{{"status": "ok", "result": {{"{MARK}": [type(e).__name__, str(e), traceback.format_exc()]}}}}'
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    expect(script.count(plain) == 1, "answering exceptions")
    expect(f'"error": "{DIED}"' in inspect.getsource(lambda_runtime.Worker.invoke), "naming a process that died")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(plain, named)

    execute = lambda_svc._execute_function_warm

    def execute_and_name(func: dict[str, Any], event: Json, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        body = result.get("body")
        if isinstance(body, dict) and MARK in body:
            name, message, trace = body[MARK]
            log = "\n".join(filter(None, (result.get("log"), trace)))
            return {"body": {"errorMessage": message, "errorType": name}, "error": True, "log": log}
        if result.get("error") and isinstance(body, dict) and body.get("errorMessage") == DIED:
            message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
            body |= {"errorType": "Runtime.ExitError", "errorMessage": message}
        return result

    lambda_svc._execute_function_warm = execute_and_name


def serve_one_port() -> None:
    """Leave port 443 alone, which MiniStack would also serve, and for which stacks side by side would compete."""
    expect("_port_is_bindable(bind_host, 443)" in inspect.getsource(app.main), "serving one port")
    app._port_is_bindable = lambda *_: False


def keep_tracing_configurations() -> None:
    """Answer a state machine's tracing configuration; MiniStack forgets it, and every plan would set it again.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
    """
    machines = stepfunctions._state_machines
    sources = (inspect.getsource(stepfunctions._create_state_machine), inspect.getsource(stepfunctions.handle_request))
    expect("tracingConfiguration" not in sources[0], "keeping tracing configurations")
    expect('"UpdateStateMachine": _update_state_machine' in sources[1], "keeping tracing configurations")

    def keeping(handle: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def handle_and_keep(data: dict[str, Any]) -> object:
            answer = handle(data)
            arn = data.get("stateMachineArn") or json.loads(answer[2]).get("stateMachineArn")
            if "tracingConfiguration" in data and arn in machines:
                machines[arn]["tracingConfiguration"] = data["tracingConfiguration"]
            return answer

        return handle_and_keep

    stepfunctions._create_state_machine = keeping(stepfunctions._create_state_machine)
    stepfunctions._update_state_machine = keeping(stepfunctions._update_state_machine)


def name_actions_on_one_mapping() -> None:
    """Check the right action for reading, updating or deleting one event source mapping; MiniStack checks the list's.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    """
    named = iam_actions._lambda_action
    one_mapping = "/2015-03-31/event-source-mappings/uuid"
    expect(named("GET", one_mapping) == "ListEventSourceMappings", "naming actions on one mapping")
    expect(named("PUT", one_mapping) is None, "naming actions on one mapping")
    verbs = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}

    def named_by_path(method: str, path: str) -> str | None:
        parts = [part for part in path.split("/") if part]
        if parts[1:2] == ["event-source-mappings"] and len(parts) == 3 and method in verbs:
            return f"{verbs[method]}EventSourceMapping"
        name: str | None = named(method, path)
        return name

    iam_actions._lambda_action = named_by_path


def name_callers_to_policies() -> None:
    """Tell conditions who calls as AWS does; MiniStack names a role's session, and services as if they were anybody.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    resolve = iam_evaluator._resolve_condition_key
    source = inspect.getsource(resolve)
    expect("return ctx.principal_arn" in source and "principalisawsservice" not in source, "naming callers to policies")

    def resolve_as_aws(key: str, context: iam_evaluator.EvalContext) -> object:
        if key.lower() == "aws:principalisawsservice":
            return str(context.principal_type == "Service").lower()
        if key.lower() == "aws:principalarn" and context.principal_type == "Service":
            return None
        # Not by the type: a queue's own check takes everybody for root.
        if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
            name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
            role = iam._roles.get_scoped(context.principal_account, None, name)
            return role["Arn"] if role else context.principal_arn
        return resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_as_aws


def tell_conditions_about_requests() -> None:
    """Tell conditions what a request is about: the keys and attributes of items, and the function of a mapping.

    MiniStack says it of a few reads alone.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html#FGAC_DDB.ConditionKeys
    """
    told, tags, enforce = iam_actions.dynamodb_service_context, iam_actions.request_tag_context, iam_evaluator.enforce
    gap = "telling conditions about requests"
    expect(
        "UpdateExpression" not in inspect.getsource(told) and "leadingkeys" not in inspect.getsource(told).lower(), gap
    )
    expect("lambda:functionarn" not in inspect.getsource(iam_actions).lower(), gap)

    def of_items(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = told(body)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return context
        members = [item for each in request.get("TransactItems", []) for item in each.values()] or [request]
        attributes = dict.fromkeys(context.get("dynamodb:Attributes", []))
        leading: dict[str, None] = {}
        for member in members:
            table = dynamodb._tables.get(member.get("TableName", ""))
            if not table or "Key" not in member:
                continue
            [hash_key] = [each["AttributeName"] for each in table["KeySchema"] if each["KeyType"] == "HASH"]
            leading[next(iter(member["Key"][hash_key].values()))] = None
            attributes |= dict.fromkeys(member["Key"])
            names = member.get("ExpressionAttributeNames", {})
            for expression in (member.get("UpdateExpression", ""), member.get("ConditionExpression", "")):
                found = [name for name in ATTRIBUTE.findall(expression) if name.upper() not in OF_EXPRESSIONS]
                attributes |= dict.fromkeys(names.get(name, name) for name in found)
        context |= {"dynamodb:Attributes": list(attributes)} if attributes else {}
        return context | ({"dynamodb:LeadingKeys": list(leading)} if leading else {})

    def of_mappings(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = tags(service, action, body, parameters)
        if service == "lambda" and action.endswith("teEventSourceMapping") and b'"FunctionName"' in body:
            name = json.loads(body)["FunctionName"].rsplit(":", 1)[-1]
            context["lambda:FunctionArn"] = (
                f"arn:aws:lambda:{responses.get_region()}:{responses.get_account_id()}:function:{name}"
            )
        return context

    def enforce_with_function(key: str, action: str, service: str, region: str, **named: Any) -> Any:  # noqa: ANN401
        mapping = lambda_svc._esms.get(named.get("resource_arn", "").rsplit(":", 1)[-1])
        if action in OF_MAPPING and mapping:
            named["service_context"] = {"lambda:FunctionArn": mapping["FunctionArn"]} | (named["service_context"] or {})
        return enforce(key, action, service, region, **named)

    iam_actions.dynamodb_service_context = of_items
    iam_actions.request_tag_context = of_mappings
    iam_evaluator.enforce = enforce_with_function


def keep_alarm_fields() -> None:
    """Describe alarms to Terraform with all that it asked for; MiniStack tells half, and every plan would set the rest.

    Terraform speaks the query protocol: what DescribeAlarms answers has the names that PutMetricAlarm and
    PutCompositeAlarm take. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
    """
    described = inspect.getsource(cloudwatch._describe_alarms)
    gap = "keeping the fields of alarms"
    expect("<AlarmName>{a['AlarmName']}</AlarmName>" in described and "_xml(" in described, gap)
    expect(not any(f"<{name}>" in described for name in ALARM_FIELDS), gap)
    expect(all(f'"{name}": _' in inspect.getsource(cloudwatch.handle_request) for name in ALARM_OPERATIONS), gap)

    def alarm(name: str) -> dict[str, Any]:
        found: dict[str, Any] = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms[name]
        return found

    def nested(parameters: dict[str, list[str]]) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for name, values in parameters.items():
            *parents, leaf = name.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = values[0]
        return tree

    def xml(node: Json) -> str:
        if not isinstance(node, dict):
            return escape(node)
        # A list is numbered from 1 under one name.
        pairs = [
            (name, child)
            for name, value in node.items()
            for child in ([value[number] for number in sorted(value, key=int)] if name == "member" else [value])
        ]
        return "".join(f"<{name}>{xml(child)}</{name}>" for name, child in pairs)

    def keeping(put: Callable[..., Any]) -> Callable[..., Any]:
        def put_and_keep(parameters: dict[str, Any], *rest: object) -> object:
            answer = put(parameters, *rest)
            if answer[0] == 200 and "AlarmName" in parameters:
                asked = nested(parameters)
                # In MiniStack's own records, so that they are kept and forgotten with the alarm.
                alarm(asked["AlarmName"])[REQUESTED] = {name: asked[name] for name in ALARM_FIELDS if name in asked}
            return answer

        return put_and_keep

    describe = cloudwatch._describe_alarms

    def describe_fully(parameters: dict[str, Any], *rest: object) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = describe(parameters, *rest)
        status, headers, body = answer
        for name in ALARM_NAME.findall(body.decode()) if "xml" in headers.get("Content-Type", "") else ():
            head = f"<AlarmName>{name}</AlarmName>".encode()
            body = body.replace(head, head + xml({"ActionsEnabled": "true"} | alarm(name).get(REQUESTED, {})).encode())
        return status, headers, body

    cloudwatch._put_metric_alarm = keeping(cloudwatch._put_metric_alarm)
    cloudwatch._put_composite_alarm = keeping(cloudwatch._put_composite_alarm)
    cloudwatch._describe_alarms = describe_fully


def keep_stream_fields() -> None:
    """Describe a Firehose stream to Terraform with all that it asked for, or every plan would set the rest again."""
    described = inspect.getsource(firehose._dest_description)
    is_known = '"ErrorOutputPrefix": cfg.get(' in described and "FileExtension" not in described
    expect(is_known, "keeping the fields of streams")
    describe = firehose._dest_description

    def describe_fully(destination: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = describe(destination)
        asked = destination["config"]
        of_s3 = answer.get("ExtendedS3DestinationDescription", {})
        of_s3 |= {name: asked[name] for name in ("CustomTimeZone", "FileExtension") if name in asked}
        return answer

    firehose._dest_description = describe_fully


def keep_saved_queries() -> None:
    """Keep the saved queries of CloudWatch Logs, which MiniStack does not know.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
    """
    gap = "keeping saved queries"
    expect("QueryDefinition" not in inspect.getsource(cloudwatch_logs), gap)
    expect('"queries": copy.deepcopy(_queries)' in inspect.getsource(cloudwatch_logs.get_state), gap)
    handle = cloudwatch_logs.handle_request

    def answer(operation: str, asked: dict[str, Any]) -> Json:
        # Beside the queries that were run, so that they are kept with them.
        kept = cloudwatch_logs._queries
        if operation == "PutQueryDefinition":
            identity = asked.get("queryDefinitionId") or str(uuid.uuid4())
            kept[identity] = asked | {"queryDefinitionId": identity, "lastModified": 0, "logGroupName": ""}
            return {"queryDefinitionId": identity}
        if operation == "DeleteQueryDefinition":
            return {"success": kept.pop(asked["queryDefinitionId"], None) is not None}
        prefix = asked.get("queryDefinitionNamePrefix", "")
        saved = [query for query in kept.values() if "queryDefinitionId" in query and query["name"].startswith(prefix)]
        return {"queryDefinitions": saved}

    async def handle_saved_queries(
        method: str, path: str, headers: dict[str, str], body: bytes, parameters: object
    ) -> object:
        operation = headers.get("x-amz-target", "").split(".")[-1]
        if not operation.endswith(("QueryDefinition", "QueryDefinitions")):
            return await handle(method, path, headers, body, parameters)
        return cloudwatch_logs.json_response(answer(operation, json.loads(body)))

    cloudwatch_logs.handle_request = handle_saved_queries


def inject_faults() -> None:
    """Let tests break requests to services, and kill the function that made one; see service_faults."""
    script, depth = lambda_runtime._PYTHON_WORKER_SCRIPT, "        depth = os.environ.get("
    expect(script.count(depth) == 1, "naming the process that calls")
    expect("await _dispatch_service_request(" in inspect.getsource(app.app), "injecting faults")
    named = f'        params["headers"]["{service_faults.WORKER_HEADER}"] = str(os.getpid())\n'
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(depth, named + depth)
    service_faults.install(app, iam_actions, lambda_runtime, sts, s3)


def name_actions_of_batches() -> None:
    """Check a batch of SQS as the single action; MiniStack checks actions that IAM does not have.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api.html
    """
    named = iam_actions._action_from_target
    batch = named({"x-amz-target": "AmazonSQS.SendMessageBatch"})
    expect(batch == "SendMessageBatch", "naming actions of SQS's batches")

    def named_as_one(headers: dict[str, str]) -> str | None:
        action: str | None = named(headers)
        of_sqs = headers.get("x-amz-target", "").startswith("AmazonSQS.")
        return action.removesuffix("Batch") if action and of_sqs else action

    iam_actions._action_from_target = named_as_one


def name_what_events_say() -> None:
    """Check the conditions of PutEvents on an event's source and kind; MiniStack knows neither, so it refuses them all.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    """
    keys_of = iam_actions.request_tag_context
    expect(keys_of("events", "events:PutEvents", b"{}", {}) == {}, "naming what events say")
    expect("**request_tag_context(service, iam_action, body" in inspect.getsource(app), "naming what events say")

    def keys_of_events(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
        keys: dict[str, Any] = keys_of(service, action, body, parameters)
        if action == "events:PutEvents":
            for key, member in (("events:source", "Source"), ("events:detail-type", "DetailType")):
                values = sorted({entry.get(member, "") for entry in json.loads(body)["Entries"]})
                keys[key] = values[0] if len(values) == 1 else values
        return keys

    iam_actions.request_tag_context = keys_of_events


if __name__ == "__main__":
    expect(version("ministack") == PINNED, "this launcher")
    answer_exceptions()
    serve_one_port()
    kept_code.install(lambda_runtime, Path(os.environ["KEPT_CODE"]), expect)
    keep_tracing_configurations()
    name_actions_on_one_mapping()
    name_actions_of_batches()
    name_callers_to_policies()
    tell_conditions_about_requests()
    name_what_events_say()
    keep_alarm_fields()
    keep_saved_queries()
    keep_stream_fields()
    object_copies.install(iam_actions, s3, expect)
    distributed_map.install(stepfunctions, s3, expect)
    bucket_events.install(eventbridge, s3, sqs, expect)
    recursive_loops.install(app, lambda_svc, sqs, expect)
    expect("iam:PassRole" not in inspect.getsource(app), "checking who passes roles")
    passed_roles.install(app, iam_actions, iam_evaluator)
    inject_faults()
    call_record.install(app, iam_actions, sts, service_faults.service_and_operation)
    app.main()
