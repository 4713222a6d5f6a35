"""Every example for an existing account, applied to one local stack: each labels a batch. Some are planned again, to
show that nothing would change, and destroyed.

They all live at once, each in a thread of its own.
"""

import io
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

import release
from tests.rig.permissions import record
from tests.rig.stack import invariants, pictures, runs, snapshot
from tests.rig.stack.invariants import Uploaded
from tests.rig.stack.local_stack import ACCOUNT, REGION, REPOSITORY, LocalStack, Model
from tests.rig.stack.pictures import photo

# They live at once on the servers of one worker.
pytestmark = [pytest.mark.timeout(900), pytest.mark.long]

IMAGES = 4
# One of the pictures has it.
ALERT_LABELS = {"red-circle": 90}


@dataclass(frozen=True)
class Deployment:
    """One copy of the module: its model, and where it reads and writes. `key` picks it from several in one example."""

    model: str
    source_prefix: str = ""
    final_prefix: str = ""
    key: str | None = None

    @property
    def arns(self) -> Model:
        """The model's two ARNs."""
        arn = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/{self.model}"
        return Model(f"{arn}/1700000000001", f"{arn}/version/{self.model}.1/1700000000002")


EXAMPLES = {
    "existing-bucket-eventbridge": [Deployment("bridge", source_prefix="incoming/")],
    "existing-bucket-notification": [Deployment("notice")],
    "existing-bucket-external": [Deployment("external", final_prefix="labels/")],
    "enterprise-controls": [Deployment("house")],
    "packages-from-s3": [Deployment("packages")],
    "one-bucket": [Deployment("onebucket", source_prefix="incoming/", final_prefix="labels/")],
    "alert-mail": [Deployment("told")],
    "many-models": [Deployment(model, f"{model}/incoming/", f"{model}/", key=model) for model in ("logos", "parts")],
}
# To plan again and to destroy takes the processor longer than to apply. One has a rule and a prefix, one a notification
# of the caller's, one keys, a boundary and a VPC, one code from a bucket; what the others have is in these or in the
# module's own stack.
PLANNED_AND_DESTROYED = [
    "existing-bucket-eventbridge",
    "existing-bucket-notification",
    "enterprise-controls",
    "packages-from-s3",
]
# Applied from the archive of a release, which Terraform fetches; the others from the repository.
RELEASED = "existing-bucket-notification"
# They are for people who begin; tests/e2e/test_pipeline.py and `make aws-plan` use them.
OTHER_EXAMPLES = {"aws", "local"}
DEPLOYMENTS = [deployment for deployments in EXAMPLES.values() for deployment in deployments]


@dataclass
class Life:
    """What became of one example."""

    stack: LocalStack
    outcomes: list[list[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    labelled: int = 0
    documents: list[dict[str, Any]] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    waiting: int = 0
    planned: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    ignoring_controls: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)


def variables(example: str, deployments: list[Deployment]) -> dict[str, str]:
    """Return what the example wants to know besides the name."""
    if example != "many-models":
        return {
            **({"alert_labels": json.dumps(ALERT_LABELS)} if example == "alert-mail" else {}),
            "project_arn": deployments[0].arns.project_arn,
            "project_version_arn": deployments[0].arns.version_arn,
        }
    models = {
        deployment.model: {
            "project_arn": deployment.arns.project_arn,
            "project_version_arn": deployment.arns.version_arn,
            "schedule_expression": f"cron({20 * number} 3 1 1 ? 2040)",
        }
        for number, deployment in enumerate(deployments)
    }
    return {"models": json.dumps(models)}


def live(servers: LocalStack, example: str, deployments: list[Deployment], archive: str | None) -> Life:
    """Apply, label a batch; for some plan again and destroy. `archive`: where the module is fetched from instead."""
    stack = servers.with_example(example, f"e2e-{deployments[0].model}", deployments[0].arns)
    if archive:
        main = stack.terraform.folder / "main.tf"
        released, taken = re.subn(r'source = "\.\./\.\."', f'source = "{archive}"', main.read_text())
        assert taken == 1
        main.write_text(released)
    stack.apply(**variables(example, deployments))
    life = Life(stack)
    inbox = inbox_of(stack) if example == "alert-mail" else ""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda deployment: label(life, deployment), deployments))
    if example == "enterprise-controls":
        life.ignoring_controls = ignoring_controls(stack)
    for deployment in deployments:
        if deployment.key:
            record.keep(stack, f"{stack.name}-{deployment.key}", f'module.pipeline["{deployment.key}"].')
        else:
            record.keep(stack)
    if inbox:
        life.mails = mails(stack, inbox)
    if example in PLANNED_AND_DESTROYED:
        life.planned = stack.terraform.planned_changes()
        empty_buckets(stack)
        stack.terraform.destroy(refresh=False)
        life.left_over = left_over(stack)
    return life


def circle() -> bytes:
    """Return a picture that the model finds something in."""
    target = io.BytesIO()
    pictures.draw(pictures.DRAWINGS[0])[0].save(target, "PNG")
    return target.getvalue()


def inbox_of(stack: LocalStack) -> str:
    """Let a queue get what the example's topic mails, for nobody reads mails here; return its URL."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=stack.outputs["topic_arn"], Protocol="sqs", Endpoint=arn, Attributes=raw)
    return url


def mails(stack: LocalStack, inbox: str) -> list[str]:
    """Return what came into the inbox."""
    found: list[str] = []
    while messages := stack.client("sqs").receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def label(life: Life, deployment: Deployment) -> None:
    """Upload images, and what is none of this deployment's business; run twice."""
    pipelines = life.stack.outputs
    stack = life.stack.with_example("", life.stack.name, deployment.arns)
    stack.outputs = pipelines["pipelines"][deployment.key] if deployment.key else pipelines["pipeline"]
    prefix, final_prefix = deployment.source_prefix, deployment.final_prefix
    others = [invariants.upload(stack, f"{prefix}minutes of {deployment.model}.txt", b"no picture")]
    if prefix:
        others.append(invariants.upload(stack, f"elsewhere/{deployment.model}.png", photo(0)))
    uploads = [
        invariants.upload(stack, f"{prefix}a b/{number} +%20é.png", circle() if number == 0 else photo(10 + number))
        for number in range(IMAGES)
    ]
    receipts = [runs.receipt(stack, runs.run(stack, seconds=240), final_prefix) for _ in range(2)]
    life.outcomes.append([receipt["outcome"] for receipt in receipts])
    life.labelled += sum(receipt["images"]["processed"] for receipt in receipts)
    life.faults += invariants.broken(stack, uploads, final_prefix)
    life.documents += invariants.final_bucket(stack, final_prefix).documents.values()
    life.touched += touched(stack, others)
    life.waiting += invariants.messages(stack, "queue_url", "dead_letter_queue_url")


def touched(stack: LocalStack, others: list[Uploaded]) -> list[str]:
    """Return the keys of what is nobody's business and is not where it was."""
    there = invariants.waiting_in_source(stack)
    return [other.key for other in others if (other.key, other.etag) not in there]


def buckets_of(stack: LocalStack) -> list[str]:
    """Return the buckets of the example, the account's and the module's."""
    return [bucket["Name"] for bucket in stack.client("s3").list_buckets()["Buckets"] if is_of(stack, bucket["Name"])]


def is_of(stack: LocalStack, name: str) -> bool:
    """Whether something belongs to the example by its name."""
    return name.startswith(f"{stack.name}-")


def empty_buckets(stack: LocalStack) -> None:
    """Take everything out, as a person has to before a destroy."""
    s3 = stack.client("s3")
    for bucket in buckets_of(stack):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def names(stack: LocalStack, service: str, operation: str, member: str, name: str) -> list[str]:
    """Return what the pages of a listing hold of the example, by the member that is the name."""
    pages = stack.client(service).get_paginator(operation).paginate()
    return [entry[name] for page in pages for entry in page[member] if is_of(stack, entry[name])]


def ignoring_controls(stack: LocalStack) -> list[str]:
    """Return what ignores a control of examples/enterprise-controls, and whether some of it was not looked at."""
    iam, functions, s3, sqs = (stack.client(service) for service in ("iam", "lambda", "s3", "sqs"))
    pipeline = stack.outputs["pipeline"]
    [key] = [key["KeyArn"] for key in stack.client("kms").list_keys()["Keys"]]
    follows: dict[str, bool] = {}
    for role in names(stack, "iam", "list_roles", "Roles", "RoleName"):
        found = iam.get_role(RoleName=role)["Role"]
        boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
        follows[role] = found["Path"] == "/vision/labels/" and boundary.endswith("policy/platform/e2e-house-boundary")
    for name in names(stack, "lambda", "list_functions", "Functions", "FunctionName"):
        network = functions.get_function_configuration(FunctionName=name).get("VpcConfig", {})
        follows[name] = bool(network.get("SubnetIds") and network.get("SecurityGroupIds"))
    for page in stack.client("logs").get_paginator("describe_log_groups").paginate():
        groups = [group for group in page["logGroups"] if f"/{stack.name}-" in group["logGroupName"]]
        follows |= {group["logGroupName"]: group.get("kmsKeyId") == key for group in groups}
    for bucket in buckets_of(stack):
        [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        follows[bucket] = rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID") == key
    for url in (pipeline["queue_url"], pipeline["dead_letter_queue_url"]):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        follows[url] = attributes.get("KmsMasterKeyId") == key
    table = stack.client("dynamodb").describe_table(TableName=pipeline["runs_table_name"])["Table"]
    follows["table"] = table.get("SSEDescription", {}).get("KMSMasterKeyArn") == key
    topic = stack.client("sns").get_topic_attributes(TopicArn=pipeline["alarm_topic_arn"])["Attributes"]
    # The alarms must reach people when the key is disabled.
    follows["topic"] = topic.get("KmsMasterKeyId", "") == ""
    # Eight functions, each with a role and a log group; two machines with two roles and a log group each; the
    # watchdog's schedule with a role; two buckets, two queues, a table and a topic.
    counted = [] if len(follows) == 8 + 8 + 8 + 4 + 2 + 1 + 2 + 2 + 1 + 1 else [f"{len(follows)} things were looked at"]
    return counted + [name for name, is_followed in follows.items() if not is_followed]


def left_over(stack: LocalStack) -> list[str]:
    """Return the names of what still bears the example's name."""
    listings = {
        ("dynamodb", "list_tables"): lambda answer: answer["TableNames"],
        ("events", "list_rules"): lambda answer: [rule["Name"] for rule in answer["Rules"]],
        ("iam", "list_roles"): lambda answer: [role["RoleName"] for role in answer["Roles"]],
        ("lambda", "list_functions"): lambda answer: [function["FunctionName"] for function in answer["Functions"]],
        ("scheduler", "list_schedule_groups"): lambda answer: [group["Name"] for group in answer["ScheduleGroups"]],
        ("sqs", "list_queues"): lambda answer: [url.rsplit("/", 1)[1] for url in answer.get("QueueUrls", [])],
        ("stepfunctions", "list_state_machines"): lambda answer: [one["name"] for one in answer["stateMachines"]],
    }
    left = buckets_of(stack)
    for (service, operation), names_in in listings.items():
        for page in stack.client(service).get_paginator(operation).paginate():
            left += [name for name in names_in(page) if is_of(stack, name)]
    return left


@pytest.fixture(scope="module")
def servers() -> Iterator[LocalStack]:
    with LocalStack(
        "examples", snapshot.TIME, enforces_iam=True, records_calls=True, running_models=len(DEPLOYMENTS)
    ) as local:
        for deployment in DEPLOYMENTS:
            local.add_model(deployment.arns)
        yield local


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a release's archive."""
    folder = tmp_path_factory.mktemp("release")
    version = release.release(folder)["version"]
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/custom-labels-batch-{version}.zip"
        server.shutdown()


@pytest.fixture(scope="module")
def lives(servers: LocalStack, archive: str, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Life]]]:
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {spec.params["life"] for spec in specs if spec and "life" in spec.params}
    # All at once: an apply mostly waits in the provider, and takes up to 600 MB meanwhile.
    with ThreadPoolExecutor(len(EXAMPLES)) as pool:
        yield {
            example: pool.submit(live, servers, example, EXAMPLES[example], archive if example == RELEASED else None)
            for example in chosen
        }


@pytest.fixture
def life(request: pytest.FixtureRequest, lives: dict[str, Future[Life]]) -> Life:
    """The life of the test's example, once it is over; what broke in it is raised in each of its tests."""
    return lives[request.param].result()


each_example = pytest.mark.parametrize("life", list(EXAMPLES), indirect=True)
planned_and_destroyed = pytest.mark.parametrize("life", PLANNED_AND_DESTROYED, indirect=True)


def test_every_example_is_tested() -> None:
    folders = {folder.name for folder in (REPOSITORY / "terraform" / "examples").iterdir() if folder.is_dir()}
    assert folders == EXAMPLES.keys() | OTHER_EXAMPLES


@each_example
def test_a_batch_is_labelled_once_and_nothing_runs_on(life: Life, request: pytest.FixtureRequest) -> None:
    deployments = EXAMPLES[request.node.callspec.params["life"]]
    assert life.faults == []
    assert life.outcomes == [["completed", "nothing_to_do"]] * len(deployments), "what was written is no upload"
    assert life.labelled == len(life.documents) == IMAGES * len(deployments)
    assert life.waiting == 0


@each_example
def test_what_is_none_of_the_deployments_business_is_left_alone(life: Life) -> None:
    assert life.touched == []


@planned_and_destroyed
def test_a_second_plan_is_empty(life: Life) -> None:
    assert life.planned == []


@planned_and_destroyed
def test_a_destroy_leaves_nothing(life: Life) -> None:
    assert life.left_over == []


@pytest.mark.parametrize("life", ["enterprise-controls"], indirect=True)
def test_everything_follows_the_controls(life: Life) -> None:
    assert life.ignoring_controls == []


@pytest.mark.parametrize("life", ["alert-mail"], indirect=True)
def test_a_mail_tells_of_each_image_with_an_alert_label_and_of_no_run_that_ended_well(life: Life) -> None:
    [document] = [each for each in life.documents if each.get("CustomLabels")]
    [label], image = document["CustomLabels"], document["image"]
    # EventBridge takes the quotes out of an object that is part of a text.
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    found = f"{{red-circle: {label['Confidence']}}}"
    assert life.mails == [f'"Found {found} in s3://{image["bucket"]}/{image["key"]}"']


@pytest.mark.parametrize("life", ["existing-bucket-eventbridge", "one-bucket"], indirect=True)
def test_eventbridge_names_the_version_of_an_upload(life: Life) -> None:
    assert all(document["source"]["version_id"] for document in life.documents)


def test_a_queue_takes_nothing_from_a_rule_that_its_policy_does_not_name(servers: LocalStack) -> None:
    """The stack refuses it: without this the other tests would show nothing about the queue's policy."""
    s3, sqs, events = (servers.client(service) for service in ("s3", "sqs", "events"))
    s3.create_bucket(Bucket="strangers")
    s3.put_bucket_notification_configuration(
        Bucket="strangers", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    url = sqs.create_queue(QueueName="strangers")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["strangers"]}}})
    rule = events.put_rule(Name="strangers", EventPattern=pattern)["RuleArn"]
    events.put_targets(Rule="strangers", Targets=[{"Id": "queue", "Arn": arn}])

    def arrived_after(allowed: str) -> int:
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": allowed}},
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allow]})})
        s3.put_object(Bucket="strangers", Key="a.png", Body=b"")
        time.sleep(1)
        names = ["ApproximateNumberOfMessages"]
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])

    assert arrived_after(rule + "-of-another") == 0
    assert arrived_after(rule) == 1
