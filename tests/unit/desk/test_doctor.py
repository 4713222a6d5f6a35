"""`clb doctor` finds what would spoil the first run, and `clb init` what there is to run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import FINAL, MODEL_ARN, PROJECT_ARN, SOURCE, ScriptedModel, aws_error
from tests.unit.desk.conftest import Account, encrypt, notify
from tools.deployment import Deployment, find
from tools.desk import __main__ as desk
from tools.desk import doctor
from tools.desk.init import Trained, block


def problems(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    capsys.readouterr()
    code = desk.command(["doctor", "--name", "labels", "--json"])
    found = json.loads(capsys.readouterr().out)
    wrong = [(check["check"], check["words"]) for check in found["checks"] if check["verdict"] == "problem"]
    assert (code, found["healthy"]) == ((3, False) if wrong else (0, True))
    return wrong


def test_nothing_is_wrong_with_a_healthy_deployment(healthy: Account, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert problems(capsys) == []
    assert desk.command(["doctor", "--name", "labels"]) == 0
    assert capsys.readouterr().out.endswith("Nothing is wrong.\n")


def test_what_could_not_be_looked_at_is_not_called_right(
    healthy: Account,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def denied(_: Deployment) -> Iterator[doctor.Finding]:
        raise aws_error("AccessDenied", operation="ListServiceQuotas")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (denied, *doctor.CHECKS[:1]))
    assert desk.command(["doctor", "--name", "labels"]) == 0
    assert capsys.readouterr().out.endswith("No problem was found, but 1 of 2 things could not be looked at.\n")


def other(account: Account) -> None:
    account.identity = "999999999999"


def expired(account: Account) -> None:
    account.model = ScriptedModel(["EXPIRED"])


def few_units(account: Account) -> None:
    account.variables["MAX_INFERENCE_UNITS"] = "6"


def few_executions(account: Account) -> None:
    account.concurrency = 5


def nobody(account: Account) -> None:
    account.subscriptions = ["PendingConfirmation"]


@pytest.mark.parametrize(
    ("break_it", "check", "words"),
    [
        (other, "account", "you work in account 999999999999 and region us-east-1, but the model is in 123456789012"),
        (expired, "model", "the model is EXPIRED (is EXPIRED) and cannot be started"),
        (few_units, "quotas", "quota of inference units: 5, needed: 6: ask AWS for more"),
        (few_executions, "quotas", "concurrent executions of Lambda: 5, needed: 7"),
        (nobody, "subscribers", "reach NOBODY"),
    ],
)
def test_each_problem_is_found_and_none_beside_it(
    healthy: Account,
    break_it: Callable[[Account], None],
    check: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_it(healthy)
    [(found, said)] = problems(capsys)
    assert (found, words in said) == (check, True), said


def test_a_runtime_that_lambda_no_longer_supports_is_a_problem(
    healthy: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy.runtime = "python3.12"
    assert problems(capsys) == []
    monkeypatch.setitem(doctor.SUPPORTED_UNTIL, "python3.12", doctor.date(2020, 1, 1))
    [(_, said)] = problems(capsys)
    assert said == "Lambda has not supported python3.12 since 2020-01-01: set lambda_runtime"


def test_the_modules_own_runtime_is_known() -> None:
    text = (REPOSITORY / "terraform" / "variables.tf").read_text()
    assert any(f'"{name}"' in text for name in doctor.SUPPORTED_UNTIL)


def test_a_key_that_is_disabled_is_a_problem(healthy: Account, s3: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401
    encrypt(s3, FINAL, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:123456789012:key/1"})
    assert problems(capsys) == []
    healthy.key_state = "PendingDeletion"
    [(_, said)] = problems(capsys)
    assert said.startswith("arn:aws:kms:us-east-1:123456789012:key/1 is PendingDeletion")


def test_a_notification_that_misses_uploads_is_a_problem(
    healthy: Account,  # noqa: ARG001
    deployment: Deployment,
    s3: Any,  # noqa: ANN401
    sqs: Any,  # noqa: ANN401
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = sqs.get_queue_attributes(QueueUrl=deployment.queue_url, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    notify(s3, arn, ".jpg")
    assert problems(capsys) == [
        ("notification", "source-bucket sends no events for suffixes .png: apply the module again")
    ]
    notify(s3, arn, ".jpg", ".png", prefix="new/")
    assert "sends no events for keys outside new/" in problems(capsys)[0][1]
    s3.put_bucket_notification_configuration(Bucket=SOURCE, NotificationConfiguration={})
    assert "tells the image queue of no upload" in problems(capsys)[0][1]


def test_a_bucket_that_tells_eventbridge_needs_a_rule_to_the_queue(
    healthy: Account,
    s3: Any,  # noqa: ANN401
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # moto does not tell of EventBridge, which S3 does with an empty member.
    answer = {"EventBridgeConfiguration": {}}
    monkeypatch.setattr(s3, "get_bucket_notification_configuration", lambda **_: answer)
    assert "tells the image queue of no upload" in problems(capsys)[0][1]
    healthy.rules = ["labels-images"]
    assert problems(capsys) == []


def test_a_notification_that_is_younger_than_five_minutes_is_waited_for(
    healthy: Account,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = doctor.datetime.now(doctor.UTC)
    queue = doctor._queue
    monkeypatch.setattr(doctor, "_queue", lambda *given: (queue(*given)[0], now))
    [(_, said)] = problems(capsys)
    assert "S3 may take five minutes to begin" in said


def test_a_check_that_may_not_look_keeps_no_other_from_looking(
    healthy: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy.broken = {name: aws_error("AccessDeniedException", "no", "Call") for name in ("service-quotas", "sts")}
    assert problems(capsys) == []
    found = doctor.examine(find("labels"))
    unknown = {finding.check: finding.words for finding in found if finding.verdict == "unknown"}
    assert unknown == dict.fromkeys(("account", "quotas"), "you may not call Call: no")


# --- init


def version(number: int, status: str = "TRAINING_COMPLETED", **more: str) -> dict[str, Any]:
    return {"ProjectVersionArn": f"{MODEL_ARN}{number}", "Status": status, **more}


def test_the_only_model_gets_its_block(account: Account, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    account.projects = {
        PROJECT_ARN: [
            version(1),
            version(2, "TRAINING_FAILED"),
            version(3, "EXPIRED"),
            version(4, Feature="CONTENT_MODERATION"),
        ]
    }
    assert desk.command(["init", "--name", "logos"]) == 0
    printed = capsys.readouterr().out
    [module] = [one["labels"] for one in hcl2.loads(printed)["module"] if "labels" in one] or [
        next(iter(hcl2.loads(printed)["module"][0].values()))
    ]
    assert str(module["project_version_arn"]).strip('"') == f"{MODEL_ARN}1"
    target = tmp_path / "main.tf"
    assert desk.command(["init", "--name", "logos", "--output", str(target)]) == 0
    assert target.read_text() == printed
    target.write_text("mine")
    assert desk.command(["init", "--output", str(target)]) == 2
    assert target.read_text() == "mine"


def test_of_several_models_one_is_picked(account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account.projects = {PROJECT_ARN: [version(1), version(2, "STOPPED")]}
    assert desk.command(["init"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[1] for line in printed.out.splitlines()] == [f"{MODEL_ARN}1", f"{MODEL_ARN}2"]
    assert desk.command(["init", "--model", f"{MODEL_ARN}2"]) == 0
    assert f'"{MODEL_ARN}2"' in capsys.readouterr().out
    assert desk.command(["init", "--model", "another"]) == 3
    # A file was asked for, and is not there.
    target = tmp_path / "main.tf"
    assert desk.command(["init", "--output", str(target)]) == 3
    assert desk.command(["init", "--output", str(target), "--json"]) == 3
    assert not target.exists()


def test_no_trained_model_is_said(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.projects = {PROJECT_ARN: [version(1, "TRAINING_IN_PROGRESS")]}
    assert desk.command(["init"]) == 3
    assert "there is no trained Custom Labels model" in capsys.readouterr().err


def test_a_name_is_text_in_the_block_whatever_it_holds() -> None:
    written = block(Trained("p", "v", "STOPPED"), 'a"b${c}%{d}')
    assert 'name                = "a\\"b$${c}%%{d}"' in written
