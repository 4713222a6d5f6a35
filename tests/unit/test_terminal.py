"""What comes from outside is shown readable and harmless, in every encoding."""

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import release
from shared.s3_events import Source, Upload
from tests.rig.permissions import __main__ as permissions
from tests.rig.stack.invariants import FinalBucket
from tests.rig.stack.local_stack import REPOSITORY
from tools import terminal
from tools.bench import __main__ as bench
from tools.dead_letters import DeadLetter
from tools.demo import report
from tools.desk import __main__ as desk
from tools.desk import backfill, options, redrive, status
from tools.desk.errors import NotFoundError
from tools.plan_cost import __main__ as plan_cost

ENCODINGS = ("utf-8", "cp1252", "ascii", "cp437")
HOSTILE = {
    "emoji": "🎯.jpg",
    "letters": "Käfer 写真.jpg",
    "escape sequence": "\x1b[2J\x1b[31mred.jpg",
    "link": "\x1b]8;;https://example.com\x07click\x1b]8;;\x07",
    "controls of eight bits": "\x9b31m\x85",
    "line breaks": "a.jpg\r\nerror: nothing is well\u2028\u2029\x0b\x0c",
    "nul, bell and delete": "\0\a\b\x7f",
    "directions": "\u202egpj.exe\u202c\u2066\u2069\u200f",
    "unseen": "a\u200b\u200d\ufeff\u00ad\u2060\u3164\u115fb",
    "half a pair": "\ud83c.jpg",
    "no characters": "\ue000\U000e0041\uffff",
}
ALL = "".join(HOSTILE.values())


def printed(encoding: str) -> tuple[io.BytesIO, io.TextIOWrapper]:
    raw = io.BytesIO()
    return raw, io.TextIOWrapper(raw, encoding=encoding, newline="")


def assert_harmless(text: str) -> None:
    for character in text.replace("\n", ""):
        assert character.isprintable(), hex(ord(character))
        assert character not in "\u3164\u115f"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("foreign", HOSTILE.values(), ids=HOSTILE)
def test_foreign_text_is_one_line_without_anything_unseen(foreign: str, encoding: str) -> None:
    raw, file = printed(encoding)
    terminal.say(f"went back: {foreign}", file=file)
    text = raw.getvalue().decode(encoding)
    assert text.startswith("went back: ")
    assert text.count("\n") == 1
    assert_harmless(text)


def test_what_is_readable_stays_as_it_is() -> None:
    assert terminal.shown("s3://bucket/Käfer (1) 写真 🎯\\x.jpg") == "s3://bucket/Käfer (1) 写真 🎯\\x.jpg"
    assert terminal.shown("a\nb\x1b[0m\u202e") == "a\\nb\\x1b[0m\\u202e"
    assert terminal.shown("Käfer 🎯", "cp1252") == "Käfer \\U0001f3af"
    assert terminal.shown("Käfer", "ascii") == "K\\xe4fer"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_harmless_too_and_its_data_exact(encoding: str) -> None:
    document = {"keys": list(HOSTILE.values()), ALL: 1}
    text = terminal.as_json(document, encoding)
    assert json.loads(text) == document
    assert_harmless(text)
    text.encode(encoding)


def test_json_for_people_shows_letters_that_the_encoding_has() -> None:
    assert terminal.as_json({"key": "Käfer"}, "cp1252") == '{\n  "key": "Käfer"\n}'
    assert terminal.as_json({"key": "🎯"}, "cp1252") == '{\n  "key": "\\ud83c\\udfaf"\n}'


# --- each program


LETTER = DeadLetter("receipt", ALL, (Upload("source", ALL, "e", None, 1),), f"{ALL}: {ALL}")
STRANGER = DeadLetter("receipt", ALL, (), ALL)
DEPLOYMENT = SimpleNamespace(name=ALL, source=Source(ALL))
STATUS = {
    "name": ALL,
    "model": {"status": ALL, "started_by": ALL, "project_version_arn": ALL, "inference_units": 1},
    "trigger": ALL,
    "lease": {"owner": ALL, "seconds_left": 1, "clean_up": ALL},
    "source": {"images": 1, "more": False},
    "queue": {"waiting": 1, "in_flight": 0, "delayed": 0},
    "dead_letter_queue": {"waiting": 1, "in_flight": 0, "delayed": 0, "messages": [str(LETTER), str(STRANGER)]},
    "alarms": {"topics": [ALL], "subscribers": 0, "unconfirmed": 1, "unknown": None},
    "runs": [
        {
            "finished_at": ALL,
            "outcome": ALL,
            "run_id": ALL,
            "images": {"processed": 1, "failed": 0},
            "model": {"running_seconds": 1.0, "cost_usd": 1.0},
            "error": {"code": ALL, "message": ALL},
        }
    ],
    "unknown": {"source": ALL},
}


def output(monkeypatch: pytest.MonkeyPatch, program: Any, encoding: str, *arguments: str) -> tuple[int, str]:  # noqa: ANN401
    """Run a program in this process; its exit code, and what it wrote to both of its outputs."""
    raw, file = printed(encoding)
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    code = int(desk.command([*arguments]) if program is desk else program.main())
    file.flush()
    monkeypatch.undo()
    return code, raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_status_shows_dead_letters_and_receipts_in_every_encoding(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(options.deployment, "find", lambda name: DEPLOYMENT)  # noqa: ARG005
    monkeypatch.setattr(status, "status_of", lambda deployment: STATUS)  # noqa: ARG005
    code, text = output(monkeypatch, desk, encoding, "status", "--name", "demo")
    assert (code, len(text.splitlines())) == (1, 1 + len(status.facts(STATUS)))
    assert_harmless(text)


def test_status_calls_no_lease_held_that_has_run_out() -> None:
    expired = {"owner": "run-1", "seconds_left": -7, "clean_up": None}
    [fact] = [fact for fact in status.facts({**STATUS, "lease": expired}) if fact.label == "lease"]
    assert fact.text == "free: run-1 let it expire 7 s ago"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_status_as_json_is_exact_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(options.deployment, "find", lambda name: DEPLOYMENT)  # noqa: ARG005
    monkeypatch.setattr(status, "status_of", lambda deployment: STATUS)  # noqa: ARG005
    code, text = output(monkeypatch, desk, encoding, "status", "--name", "demo", "--json")
    assert (code, json.loads(text)) == (1, STATUS)
    assert_harmless(text)


@pytest.mark.parametrize("dry_run", ["", "0", "1"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_redrive_says_what_went_back_in_every_encoding(
    monkeypatch: pytest.MonkeyPatch, encoding: str, dry_run: str
) -> None:
    asked: list[bool] = []

    def moved(sqs: Any, deployment: Any, *, dry_run: bool) -> redrive.Redriven:  # noqa: ANN401, ARG001
        asked.append(dry_run)
        return redrive.Redriven([LETTER], [STRANGER], [LETTER])

    monkeypatch.setattr(redrive, "client", lambda service: None)  # noqa: ARG005
    monkeypatch.setattr(options.deployment, "find", lambda name: DEPLOYMENT)  # noqa: ARG005
    monkeypatch.setattr(redrive, "redriven", moved)
    code, text = output(monkeypatch, desk, encoding, "redrive", "--name", "demo", f"--dry-run-as={dry_run}")
    assert (code, asked) == (1, [dry_run == "1"])
    assert ("would be sent back: " in text) == (dry_run == "1")
    # What was or would be sent back, what is kept, the sum, where it is now; and what SQS refused, with an error.
    assert len(text.splitlines()) == (3 if dry_run == "1" else 4) + 2
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_backfill_shows_its_report_and_asks_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    found = {"orphans": 1, "prefix": ALL, "queued": 0, "refused": 0}
    monkeypatch.setattr(options.deployment, "find", lambda name: DEPLOYMENT)  # noqa: ARG005
    monkeypatch.setattr(backfill, "reconciled", lambda *asked, **more: found)  # noqa: ARG005
    # Somebody is there, and says nothing.
    terminal_alone = io.StringIO()
    monkeypatch.setattr(terminal_alone, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal_alone)
    code, text = output(monkeypatch, desk, encoding, "backfill", "--name", "demo", f"--prefix={ALL}")
    assert code == 0
    assert json.loads(text[: text.index("}") + 1]) == found
    assert text.splitlines()[-1] == "Nothing was queued."
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", ["status", "redrive", "backfill --yes", "run", "stop --yes", "runs", "why a.jpg"])
def test_an_error_of_a_command_is_one_harmless_line(
    monkeypatch: pytest.MonkeyPatch, encoding: str, command: str
) -> None:
    def nowhere(name: str) -> None:
        raise NotFoundError(f"there is no function {name}: {ALL}")

    monkeypatch.setattr(options.deployment, "find", nowhere)
    code, text = output(monkeypatch, desk, encoding, *command.split(), "--name", ALL)
    assert (code, len(text.splitlines())) == (3, 1)
    assert text.startswith("error: there is no function ")
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_demos_failures_are_a_harmless_line_each(encoding: str) -> None:
    document = {"source": {"key": ALL}, "error": {"code": ALL, "message": ALL}}
    raw, file = printed(encoding)
    terminal.say(*report.failures(FinalBucket({"failed/x": document}, {})), file=file)
    text = raw.getvalue().decode(encoding)
    assert len(text.splitlines()) == 1
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_permissions_report_is_harmless(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(permissions, "STACKS", ())
    monkeypatch.setattr(permissions.record, "FOLDER", Path("no such folder"))
    monkeypatch.setattr(permissions.check, "findings", lambda *asked: [ALL])  # noqa: ARG005
    code, text = output(monkeypatch, permissions, encoding)
    assert (code, len(text.splitlines())) == (1, 2)
    assert_harmless(text)


def test_the_bench_prints_in_ascii_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PARTS", {"image": lambda: ["### ÷ → …"], "starts": lambda: ["| Käfer |"]})
    code, text = output(monkeypatch, bench, "ascii", "--only", "starts, image")
    assert (code, text) == (0, "| K\\xe4fer |\n\n### \\xf7 \\u2192 \\u2026\n\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_planner_names_a_file_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch, encoding: str, tmp_path: Path
) -> None:
    code, text = output(monkeypatch, plan_cost, encoding, "--arrivals", str(tmp_path / "🎯\x1b[31m\n.txt"))
    assert (code, text.count("\n")) == (1, 1)
    assert text.endswith("\\x1b[31m\\n.txt: cannot be read (No such file or directory); name a text file\n")
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_permissions_of_a_plan_warn_in_every_encoding(encoding: str) -> None:
    address = f'module.labels["{HOSTILE["escape sequence"]}🎯"].aws_sqs_queue.this'
    change = {"before": None, "after": {"name": "elsewhere"}, "actions": ["create"]}
    plan = {"resource_changes": [{"address": address, "type": "aws_sqs_queue", "mode": "managed", "change": change}]}
    arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000002"
    command = [sys.executable, "-m", "tools.aws_permissions", "--name", "labels", "--project-version-arn", arn]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, input=json.dumps(plan).encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Version"] == "2012-10-17"
    text = done.stderr.decode(encoding)
    assert text.startswith("warning: not in the policy")
    assert_harmless(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_release_names_its_folder_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    made = {"tree_clean": False, "version": "1.0", "commit": None, "zips": {}}
    monkeypatch.setattr(release, "release", lambda folder: made)  # noqa: ARG005
    code, text = output(monkeypatch, release, encoding, "--output", "🎯\x1b[31m")
    assert (code, len(text.splitlines())) == (0, 2)
    assert "1.0 at no commit in " in text
    assert_harmless(text)


@pytest.mark.parametrize("folder", ["tools", "tests/rig/corpus", "tests/rig/permissions"])
def test_programs_print_by_the_terminal_and_nothing_else_but_json(folder: str) -> None:
    allowed = {REPOSITORY / "tools" / "terminal.py", REPOSITORY / "tests" / "rig" / "permissions" / "sample.py"}
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        if path in allowed or path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "input", "sys.stdout.write"):
                what = ast.unparse(node)
                assert what.startswith(("print(json.dumps(", "print(as_json(", "print(readable_json(", "input()")), (
                    f"{path}: {what}"
                )
