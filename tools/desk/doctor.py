"""`clb doctor`: what has to be right before the first run, each with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared import project_version
from shared.clients import client
from shared.project_version import CUSTOM_LABELS, Phase
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import Exit, explain
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.output import BAD, GOOD, WAIT
from tools.desk.status import alarms_of, heard

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

Verdict = Literal["ok", "problem", "unknown"]
STYLES: dict[Verdict, str] = {"ok": GOOD, "problem": BAD, "unknown": WAIT}

# S3 takes about so long to begin to notify after a change.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications.html
NOTIFIES_AFTER_SECONDS = 300
# Until when Lambda supports a runtime. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
SUPPORTED_UNTIL = {
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
# Words of a quota's name in Service Quotas, the fewest that are needed, and what for.
RUNNING_MODELS, UNITS = ("running models",), ("inference units",)
# The functions beside the analysis, at their most.
OTHER_CONCURRENCY = 5


@dataclass(frozen=True)
class Finding:
    """What one check found. A program may rely on `check` and `verdict`."""

    check: str
    verdict: Verdict
    words: str


Check = Callable[[Deployment], Iterator[Finding]]


def account(deployment: Deployment) -> Iterator[Finding]:
    """The credentials are of the model's account, and the region is the model's."""
    _, _, _, _, region, owner, *_ = ("", *deployment.project_version_arn.split(":"))
    sts: STSClient = boto3.client("sts")
    identity = sts.get_caller_identity()
    if identity["Account"] != owner or sts.meta.region_name != region:
        yield Finding(
            "account",
            "problem",
            f"you work in account {identity['Account']} and region {sts.meta.region_name}, but the model is in {owner} "
            f"and {region}: sign in there",
        )
    else:
        yield Finding("account", "ok", f"{identity['Arn']} in {region}")


def model(deployment: Deployment) -> Iterator[Finding]:
    """The model is there, is of Custom Labels, and can be started."""
    found = project_version.connect(deployment.project_arn, deployment.project_version_arn, deployment.name).describe()
    if found.feature != CUSTOM_LABELS:
        words = f"the model is of {found.feature}, not of Custom Labels: name another in project_version_arn"
        yield Finding("model", "problem", words)
    elif found.phase in (Phase.UNUSABLE, Phase.UNKNOWN):
        words = f"the model is {found.status} ({found.message}) and cannot be started: train or name another"
        yield Finding("model", "problem", words)
    else:
        yield Finding("model", "ok", f"{found.status}")


def quotas(deployment: Deployment) -> Iterator[Finding]:
    """The account may run the model with the units that a run may rent, and has Lambda's concurrency for them."""
    told = client("lambda").get_function_configuration(FunctionName=f"{deployment.name}-start-model")
    most = int(told.get("Environment", {}).get("Variables", {}).get("MAX_INFERENCE_UNITS", "1"))
    service: ServiceQuotasClient = boto3.client("service-quotas")
    pages = service.get_paginator("list_service_quotas").paginate(ServiceCode="rekognition")
    applied = {quota["QuotaName"].lower(): quota["Value"] for page in pages for quota in page["Quotas"]}
    for words, least, named in ((UNITS, most, "inference units"), (RUNNING_MODELS, 1, "running models")):
        value = next((value for name, value in applied.items() if all(word in name for word in words)), None)
        if value is None:
            yield Finding("quotas", "unknown", f"Service Quotas tells no quota of {named}: look at it in its console")
        else:
            enough = value >= least
            needs = f"quota of {named}: {value:g}, needed: {least}"
            yield Finding("quotas", "ok" if enough else "problem", needs if enough else f"{needs}: ask AWS for more")
    limits = client("lambda").get_account_settings()["AccountLimit"]
    free, least = limits["UnreservedConcurrentExecutions"], max(2, most) + OTHER_CONCURRENCY
    needs = f"concurrent executions of Lambda: {free}, needed: {least}"
    yield Finding("quotas", "ok" if free >= least else "problem", needs if free >= least else f"{needs}: ask for more")


def notification(deployment: Deployment) -> Iterator[Finding]:
    """The source bucket tells the image queue of uploads, and has done so for five minutes."""
    sqs, bucket = client("sqs"), deployment.source.bucket
    told = client("s3").get_bucket_notification_configuration(Bucket=bucket)
    arn, created = _queue(sqs, deployment.queue_url)
    to_queue = [rule for rule in told.get("QueueConfigurations", []) if rule["QueueArn"] == arn]
    if to_queue:
        rules = [
            {one["Name"].lower(): one["Value"] for one in rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])}
            for rule in to_queue
        ]
        missing = {
            suffix
            for suffix in deployment.source.suffixes
            if not any(suffix.endswith(rule.get("suffix", "")) for rule in rules)
        }
        narrower = [rule["prefix"] for rule in rules if not deployment.source.prefix.startswith(rule.get("prefix", ""))]
        if missing or narrower:
            what = f"suffixes {', '.join(sorted(missing))}" if missing else f"keys outside {', '.join(narrower)}"
            yield Finding("notification", "problem", f"{bucket} sends no events for {what}: apply the module again")
            return
        by = "a notification"
    elif dict(told).get("EventBridgeConfiguration") is not None and (rule_name := _rule_to(arn)):
        by = f"the EventBridge rule {rule_name}"
    else:
        yield Finding(
            "notification",
            "problem",
            f'{bucket} tells the image queue of no upload: apply the module, or with source_events "external" add the '
            "output source_notification to the bucket; until then the daily reconcile finds the images",
        )
        return
    age = (datetime.now(UTC) - created).total_seconds()
    if age < NOTIFIES_AFTER_SECONDS:
        words = f"{by} is there for {output.duration(age)}, and S3 may take five minutes to begin: upload after that"
        yield Finding("notification", "problem", words)
    else:
        yield Finding("notification", "ok", f"{bucket} tells the image queue by {by}")


def _queue(sqs: SQSClient, url: str) -> tuple[str, datetime]:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "CreatedTimestamp"])["Attributes"]
    return attributes["QueueArn"], datetime.fromtimestamp(float(attributes["CreatedTimestamp"]), UTC)


def _rule_to(queue_arn: str) -> str | None:
    events: EventBridgeClient = boto3.client("events")
    for name in events.list_rule_names_by_target(TargetArn=queue_arn)["RuleNames"]:
        if events.describe_rule(Name=name).get("State") != "DISABLED":
            return name
    return None


def keys(deployment: Deployment) -> Iterator[Finding]:
    """The KMS keys of buckets and queues are enabled."""
    named = set(_key_names(deployment))
    # Typed here: kms is not among the services that are stubbed.
    kms = cast("Callable[[str], Any]", boto3.client)("kms")
    for name in sorted(named):
        state = kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"]
        if state == "Enabled":
            yield Finding("keys", "ok", f"{name} is enabled")
        else:
            yield Finding("keys", "problem", f"{name} is {state}: enable it, or nothing can be read")
    if not named:
        yield Finding("keys", "ok", "no KMS key of yours is used")


def _key_names(deployment: Deployment) -> Iterator[str]:
    s3 = client("s3")
    for bucket in (deployment.source.bucket, deployment.final_bucket):
        for rule in s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]:
            if name := rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID"):
                yield name
    for url in (deployment.queue_url, deployment.dead_letter_queue_url):
        found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
        name = found.get("Attributes", {}).get("KmsMasterKeyId", "")
        # AWS's own keys are always enabled.
        if name and not name.startswith("alias/aws/"):
            yield name


def subscribers(deployment: Deployment) -> Iterator[Finding]:
    """Somebody hears the alarms."""
    found = alarms_of(deployment.name)
    if found["unknown"]:
        yield Finding("subscribers", "unknown", f"who hears the alarms is not known: {found['unknown']}")
        return
    verdict: Verdict = "ok" if found["subscribers"] else "problem"
    then = ": set alarm_emails, or subscribe to the topic" if verdict == "problem" else ""
    yield Finding("subscribers", verdict, f"the alarms {heard(found)}{then}")


def runtime(deployment: Deployment) -> Iterator[Finding]:
    """Lambda supports the functions' runtime."""
    told = client("lambda").get_function_configuration(FunctionName=f"{deployment.name}-analyze-image")
    name = told.get("Runtime", "none")
    until = SUPPORTED_UNTIL.get(name)
    if until is None:
        yield Finding("runtime", "unknown", f"{name}: see Lambda's page of runtimes whether it is supported")
    elif until < datetime.now(UTC).date():
        yield Finding("runtime", "problem", f"Lambda has not supported {name} since {until}: set lambda_runtime")
    else:
        yield Finding("runtime", "ok", f"{name}, supported until {until}")


CHECKS: tuple[Check, ...] = (account, model, quotas, notification, keys, subscribers, runtime)


def examine(deployment: Deployment) -> list[Finding]:
    """Return what every check found. One that may not look says so, and keeps no other from looking."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(deployment)
        except (ClientError, BotoCoreError) as error:
            findings.append(Finding(check.__name__, "unknown", explain(error)[0]))
    return findings


def _summary(findings: list[Finding]) -> str:
    found = Counter(finding.verdict for finding in findings)
    if problems := found["problem"]:
        return f"{output.counted(problems, 'problem')}."
    if unknown := found["unknown"]:
        return f"No problem was found, but {unknown} of {len(findings)} things could not be looked at."
    return "Nothing is wrong."


def doctor(name: Name = None, outputs: Outputs = None, as_json: AsJson = False) -> int:
    """Check what has to be right before the first run. The exit code is 3 if something is not."""
    deployment = chosen(name, outputs)
    findings = examine(deployment)
    problems = [finding for finding in findings if finding.verdict == "problem"]
    if as_json:
        checks = [asdict(finding) for finding in findings]
        output.document({"name": deployment.name, "healthy": not problems, "checks": checks})
    else:
        lines = [
            output.Fact(finding.check, f"{finding.verdict}: {finding.words}", STYLES[finding.verdict])
            for finding in findings
        ]
        output.facts(deployment.name, lines)
        output.sentence(_summary(findings))
    return Exit.ATTENTION if problems else Exit.OK
