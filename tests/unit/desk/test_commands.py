"""The commands as people and programs call them: what they print, where, and with which exit code."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore import exceptions as aws

from shared.items import Items
from shared.lease import Lease
from shared.owner import Owner
from tests.rig.quick_moto import client
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import FINAL, MODEL_ARN, PROJECT_ARN, SOURCE, TABLE, ScriptedModel, aws_error
from tests.unit.desk.conftest import MACHINE, Account
from tests.unit.test_terminal import HOSTILE, assert_harmless
from tools.dead_letters import DeadLetter
from tools.desk import __main__ as desk
from tools.desk import backfill, cost, init, report, status, watch, why
from tools.desk.evidence import Evidence
from tools.desk.init import Trained
from tools.report import Report

ANSWERS = Path(__file__).parent / "answers"
RECEIPTS = Path(__file__).parents[1] / "receipts"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
REPORT = {"orphans": 2, "prefix": "2019/", "queued": 0, "refused": 0}
# Rich reads these. A program may set any of them for the people who watch it.
LOUD = {"FORCE_COLOR": "1", "COLUMNS": "20", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


@pytest.fixture
def scene(healthy: Account, s3: Any, sqs: Any, monkeypatch: pytest.MonkeyPatch) -> Account:  # noqa: ANN401
    """A deployment with something of everything."""
    account = healthy
    receipt = json.loads((RECEIPTS / "completed.json").read_text())["receipt"]
    s3.put_object(Bucket=FINAL, Key="runs/run-1.json", Body=json.dumps(receipt))
    key = "processed/a.jpg"
    source = {"bucket": SOURCE, "key": "a.jpg", "etag": "e", "version_id": None, "size": 1}
    result = json.loads((RECEIPTS.parent / "results" / "one_label.json").read_text())["result"]
    document = {**result, "source": source, "analyzed_at": "2026-01-31T10:00:00.000Z"}
    s3.put_object(Bucket=FINAL, Key=key, Body=b"image")
    s3.put_object(Bucket=FINAL, Key=f"{key}.json", Body=json.dumps(document))
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": SOURCE}, "object": {"key": "b.jpg", "size": 1, "eTag": "e"}},
    }
    for body in (json.dumps({"Records": [record]}), "no event"):
        sqs.send_message(QueueUrl=account.variables["DEAD_LETTER_QUEUE_URL"], MessageBody=body)
    monkeypatch.setattr(watch, "APPEARS_SECONDS", 0)
    monkeypatch.setattr(cost, "datetime", Today)
    # The planner's own figures change with the module.
    monkeypatch.setattr(cost, "advise", lambda *_: cost.Advice("rate(1 hour)", 2000, 180.0, 1, 0.3, 0.07))
    written = Report(Path("/r/index.html"), Path("/r/data.json"), processed=780, failed=20, notes=("One is missing.",))
    monkeypatch.setattr(report.reports, "build_report", lambda *_, **__: written)
    monkeypatch.setattr(init, "trained", lambda _: iter([Trained(PROJECT_ARN, MODEL_ARN, "STOPPED")]))
    monkeypatch.setattr(backfill, "reconciled", lambda *_, dry_run: REPORT | {"queued": 0 if dry_run else 2})
    return account


class Today(datetime):
    """The day after the run of receipts/completed.json."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime(2026, 1, 2, 12, tzinfo=tz)


# By the name of the file with the answer.
COMMANDS = {
    "status": ["status"],
    "run": ["run"],
    "stop": ["stop", "--yes"],
    "watch": ["watch"],
    "query": ["query", "select key, label from labels"],
    "report": ["report", "--run", "run-1"],
    "cost": ["cost", "--days", "2"],
    "doctor": ["doctor"],
    "init": ["init"],
    "why": ["why", "a.jpg"],
    "runs": ["runs"],
    "redrive": ["redrive"],
    "backfill": ["backfill", "--yes"],
}


def test_every_command_has_its_answer() -> None:
    registered = {info.name or info.callback.__name__ for info in desk.app.registered_commands if info.callback}
    assert {path.stem for path in ANSWERS.glob("*.json")} == registered == COMMANDS.keys()


@pytest.mark.parametrize("environment", [{}, LOUD], ids=["quiet", "forced colour in 20 columns"])
@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_alone_on_the_standard_output_and_always_the_same(
    scene: Account,  # noqa: ARG001
    name: str,
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert desk.command([*COMMANDS[name], "--name", "labels", "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    # `watch` prints a line for each change.
    assert printed == json.dumps(json.loads(printed), indent=None if name == "watch" else 2) + "\n"
    expected = json.loads((ANSWERS / f"{name}.json").read_text())
    if "runs" in expected:
        # Receipts are handed on as they were written; the answer names theirs.
        expected["runs"] = [json.loads((RECEIPTS / one).read_text())["receipt"] for one in expected["runs"]]
    assert json.loads(printed) == expected


@pytest.mark.parametrize("columns", ["20", "80"])
@pytest.mark.parametrize("name", COMMANDS)
def test_colours_are_ours_alone(
    scene: Account,  # noqa: ARG001
    name: str,
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in {**LOUD, "COLUMNS": columns}.items():
        monkeypatch.setenv(variable, value)
    assert desk.command([*COMMANDS[name], "--name", "labels"]) == 0
    printed = COLOUR.sub("", capsys.readouterr().out)
    assert_harmless(printed)
    if name not in ("backfill", "init"):
        # The dry run's report and the module block are not wrapped: JSON and HCL are copied.
        assert max(map(len, printed.splitlines())) <= int(columns)


def test_a_terminal_gets_colours(
    scene: Account,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The premise: without it the tests about forced colour would show nothing."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    desk.command(["status", "--name", "labels"])
    assert COLOUR.search(capsys.readouterr().out)
    monkeypatch.delenv("FORCE_COLOR")
    desk.command(["status", "--name", "labels"])
    assert not COLOUR.search(capsys.readouterr().out)


KEYS = {**HOSTILE, "markup": "[red]a[/red][/]", "link markup": "[link=https://example.com]a", "1,024 bytes": "é" * 512}
# S3 takes no half of a pair, and no shell hands one on.
del KEYS["half a pair"]


@pytest.mark.parametrize("environment", [{}, LOUD], ids=["quiet", "forced colour in 20 columns"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_hostile_key_is_shown_literally_and_harmlessly(
    scene: Account,  # noqa: ARG001
    key: str,
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # moto writes control characters into XML, which no parser takes.
    monkeypatch.setattr(why, "gather", lambda *_: Evidence())
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert desk.command(["why", key, "--name", "labels"]) == 3
    printed = COLOUR.sub("", capsys.readouterr().out)
    assert_harmless(printed)
    if "[" in key and not environment:
        assert key in printed.replace("\\x1b", "\x1b")
    assert desk.command(["why", key, "--name", "labels", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["key"] == key


def test_markup_in_a_dead_letter_is_text(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    scene: Account,  # noqa: ARG001
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(DeadLetter, "__str__", lambda _: "[bold]loud[/bold] [/]")
    assert desk.command(["status", "--name", "labels"]) == 0
    assert "[bold]loud[/bold] [/]" in COLOUR.sub("", capsys.readouterr().out)


@pytest.mark.parametrize("part", get_args(status.Part))
def test_what_aws_refuses_keeps_nothing_else_of_the_status_back(
    scene: Account, part: status.Part, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is gone or a key that is disabled must not hide whether the model runs."""
    held_by("run-7")
    scene.model = ScriptedModel(["RUNNING"])

    def refuse(*_: object, **__: object) -> None:
        raise aws_error("AccessDeniedException", "the key is disabled", "OfThisPart")

    asks: dict[status.Part, tuple[object, str]] = {
        "model": (scene.model, "describe_project_versions"),
        "trigger": (scene, "get_event_source_mapping"),
        "lease": (status.ModelStates, "read"),
        "source": (status, "_source_images"),
        "queue": (status, "_counts"),
        "dead_letter_queue": (status, "_dead_letters"),
        "runs": (status, "latest"),
    }
    monkeypatch.setattr(*asks[part], refuse)
    assert desk.command(["status", "--name", "labels"]) == 1
    shown = capsys.readouterr().out
    assert "not known: you may not call OfThisPart: the key is disabled" in shown
    for known, words in {"model": "RUNNING", "lease": "held by run-7", "trigger": "Disabled"}.items():
        assert (words in shown) is (known != part)
    assert desk.command(["status", "--name", "labels", "--json"]) == 1
    assert part in json.loads(capsys.readouterr().out)["unknown"]


# --- run and stop


def held_by(owner: str) -> None:
    Lease(Items(client("dynamodb"), TABLE, MODEL_ARN), 900).acquire(Owner.parse(owner))


def test_a_run_is_started_as_by_hand_and_only_if_none_is_active(
    scene: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.command(["run", "--name", "labels"]) == 0
    assert scene.started == [{"stateMachineArn": MACHINE, "input": "{}"}]
    held_by("run-7")
    assert desk.command(["run", "--name", "labels"]) == 0
    assert len(scene.started) == 1
    assert "Run run-7 is active" in capsys.readouterr().out


def test_a_stop_ends_the_execution_that_holds_the_lease(scene: Account, capsys: pytest.CaptureFixture[str]) -> None:
    held_by("run-7")
    scene.model = ScriptedModel(["RUNNING"])
    assert desk.command(["stop", "--name", "labels", "--yes"]) == 0
    [stopped] = scene.stopped
    assert stopped["executionArn"] == f"{MACHINE.replace('stateMachine', 'execution')}:run-7"
    assert "The watchdog stops the model within minutes" in capsys.readouterr().out


@pytest.mark.parametrize("owner", [None, "watchdog/1"])
def test_a_stop_without_a_run_stops_nothing_and_says_whose_the_model_is(
    scene: Account, owner: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if owner:
        held_by(owner)
    scene.model = ScriptedModel(["RUNNING"])
    assert desk.command(["stop", "--name", "labels", "--yes"]) == 0
    assert scene.stopped == []
    assert "because someone else started it" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["stop", "backfill"])
def test_what_changes_much_is_refused_where_nobody_can_be_asked(
    scene: Account, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by("run-7")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert desk.command([command, "--name", "labels"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, scene.stopped) == ("", [])
    assert "there is no terminal to ask on: add --yes" in printed.err


@pytest.mark.parametrize(("said", "stops"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_a_stop_asks_the_person(scene: Account, said: str, stops: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    held_by("run-7")
    person = io.StringIO(said)
    monkeypatch.setattr(person, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", person)
    assert desk.command(["stop", "--name", "labels"]) == 0
    assert bool(scene.stopped) is stops


# --- what is wrong


REFUSALS: dict[str, tuple[Exception, int, str]] = {
    "expired": (aws_error("ExpiredTokenException", "expired"), 1, "they have expired: sign in again"),
    "expired at S3": (aws_error("ExpiredToken", "expired"), 1, "they have expired: sign in again"),
    "unknown key": (aws_error("UnrecognizedClientException", "who"), 1, "AWS does not take your credentials"),
    "none": (aws.NoCredentialsError(), 1, "no AWS credentials: sign in, or set AWS_PROFILE"),
    "no such profile": (aws.ProfileNotFound(profile="me"), 1, "no AWS credentials"),
    "signed out": (aws.UnauthorizedSSOTokenError(), 1, "no AWS credentials"),
    "no region": (aws.NoRegionError(), 1, "no region: set AWS_REGION"),
    "no network": (
        aws.EndpointConnectionError(endpoint_url="https://x"),
        1,
        "AWS cannot be reached: check the network",
    ),
    "no answer": (aws.ReadTimeoutError(endpoint_url="https://x"), 1, "AWS cannot be reached: check the network"),
    "may not": (aws_error("AccessDeniedException", "not you", "GetItem"), 1, "you may not call GetItem: not you"),
    "something else": (aws_error("InternalError", "oops", "GetItem"), 1, "oops"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("error", "code", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_aws_refuses_is_one_sentence(
    account: Account,
    name: str,
    error: Exception,
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    # `init` comes before there is a deployment.
    account.broken["rekognition" if name == "init" else "lambda"] = error
    assert desk.command([*COMMANDS[name], "--name", "labels"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_that_is_not_there_is_named(account: Account, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert desk.command(["status", "--name", "others"]) == 3
    assert "there is no function others-analyze-image in region us-east-1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["zz"], ["why"], ["status", "--no"], ["runs", "--limit", "0"], ["runs", "--limit", "x"]]
)
def test_a_wrong_command_line_says_where_help_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.command(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "`clb --help`" in printed.err


NO_SQL = {"drop everything": "the query cannot be run", "": "it is no SELECT", "select 1 from no_table": "no_table"}


@pytest.mark.parametrize(("sql", "words"), NO_SQL.items())
def test_a_query_that_is_no_sql_is_refused_in_a_sentence(
    scene: Account,  # noqa: ARG001
    sql: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert desk.command(["query", sql, "--name", "labels"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert words in printed.err


def test_a_query_without_results_and_the_named_ones(
    account: Account,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert desk.command(["query", "select 1", "--name", "labels"]) == 3
    assert "there are no results below s3://final-bucket/" in capsys.readouterr().err
    assert desk.command(["query", "help"]) == 0
    assert re.search("^failures_by_reason +Why images failed", capsys.readouterr().out, re.MULTILINE)
    assert desk.command(["query", "help", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["named_queries"]) == 6


def test_what_is_no_number_in_json_is_text(scene: Account, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    sql = "select 1.5::double, 1.0::double / 0, 'nan'::double"
    assert desk.command(["query", sql, "--name", "labels", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [[1.5, "inf", "nan"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["why", ""], "name one image: its key, or s3://BUCKET/KEY"),
        (["why", "s3://source-bucket/"], "name one image: its key, or s3://BUCKET/KEY"),
        (["report", "--since", "0001-01-01T00:00+14:00"], "no image was labelled before 2019"),
    ],
)
def test_what_names_nothing_is_refused_in_a_sentence(
    scene: Account,  # noqa: ARG001
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert desk.command([*arguments, "--name", "labels"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert words in printed.err


# --- which deployment


def outputs_of(names: dict[str, Any]) -> str:
    return json.dumps({name: {"sensitive": False, "type": "string", "value": value} for name, value in names.items()})


def named(name: str) -> dict[str, Any]:
    return {"analyze_function_name": f"{name}-analyze-image", "queue_url": "https://queue"}


@pytest.mark.parametrize(
    "outputs",
    [named("labels"), {"pipeline": named("labels")}, {"pipelines": {"a": named("labels"), "b": named("parts")}}],
    ids=["a root with the module's outputs", "the module as one output", "several, of which --name picks one"],
)
def test_a_deployment_is_found_by_terraforms_outputs(
    scene: Account,  # noqa: ARG001
    outputs: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "outputs.json").write_text(outputs_of(outputs))
    pick = ["--name", "labels"] if "pipelines" in outputs else []
    assert desk.command(["runs", "--json", "--outputs", str(tmp_path / "outputs.json"), *pick]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "labels"
    monkeypatch.setattr("sys.stdin", io.StringIO(outputs_of(outputs)))
    assert desk.command(["runs", "--json", "--outputs", "-", *pick]) == 0


BAD_OUTPUTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "cannot be read (No such file or directory)"),
    "a folder": (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
    "no JSON": (lambda path: path.write_text("queue_url = 1"), "is no JSON; write it with `terraform output -json`"),
    "bytes": (lambda path: path.write_bytes(b"\xff"), "is no JSON"),
    "nothing of ours": (lambda path: path.write_text("{}"), "has no output analyze_function_name"),
    "a list": (lambda path: path.write_text("[]"), "has no output analyze_function_name"),
    "several": (
        lambda path: path.write_text(outputs_of({"a": named("logos"), "b": named("parts")})),
        "is about logos, parts; pick one with --name",
    ),
}


@pytest.mark.parametrize(("write", "words"), BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_outputs_that_name_no_deployment_are_refused(
    write: Callable[[Path], object], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "outputs.json")
    assert desk.command(["status", "--outputs", str(tmp_path / "outputs.json")]) == 2
    assert words in capsys.readouterr().err


def test_the_environment_names_the_deployment(
    scene: Account,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLB_NAME", "labels")
    assert desk.command(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "labels"
    monkeypatch.delenv("CLB_NAME")
    assert desk.command(["runs"]) == 3
    assert "there is no function custom-labels-batch-analyze-image" in capsys.readouterr().err


def test_the_name_that_is_not_given_is_the_modules_own_default() -> None:
    text = (REPOSITORY / "terraform" / "variables.tf").read_text()
    assert 'default     = "custom-labels-batch"' in text.split('variable "name"')[1][:300]
