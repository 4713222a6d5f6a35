"""Values reach the tools as they were given: make itself, with something in place of the tools."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig.stack.local_stack import REPOSITORY

HOSTILE = {
    "dollar": "cost$5/",
    "two dollars": "a$$b",
    "variable": "$(HOME)${HOME}$HOME",
    "function": "$(shell touch touched)",
    "single quote": "it's",
    "double quotes": 'a "quoted" b',
    "backticks": "`touch touched`",
    "command": "$(touch touched); touch touched & touch touched | touch touched",
    "blanks": "a  b c ",
    "hash": "a#b #c",
    "backslashes": "a\\b\\\\c\\",
    "backslash before a hash": "a\\#b",
    "line break": "a\nb",
    "tab": "a\tb",
    "wildcards": "*?[a-z]",
    "braces": "{a,b}~",
    "exclamation": "a!b!!",
    "percent and colon": "a%:=b",
    "comma and parentheses": "a,b(c)d",
    "option": "--yes",
    "less and more": "<a>&2",
    "letters": "Käfer 写真 🎯",
}
# Given on make's command line, which takes off blanks in front, or in its environment.
WAYS = ("command line", "environment")
# Keeps how many arguments it had, and each of them.
STUB = """#!/bin/bash
printf '%s\\0' "$#" "$@" >> {log}
"""
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000001"


@dataclass(frozen=True)
class Clone:
    """A folder with the Makefile, and stubs that keep what they were called with."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "calls"

    def stub(self, path: str) -> Path:
        program = self.folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(STUB.format(log=shlex.quote(str(self.log))))
        program.chmod(0o755)
        return program

    def make(self, targets: str, way: str = WAYS[0], **values: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        arguments = [f"{name}={value}" for name, value in values.items()]
        if way == "environment":
            environment, arguments = environment | values, []
        command = ["make", "--silent", *targets.split(), *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def calls(self) -> list[list[str]]:
        assert not (self.folder / "touched").exists(), "a value was run"
        kept = self.log.read_text().split("\0")[:-1] if self.log.exists() else []
        calls = []
        while kept:
            count = int(kept.pop(0))
            calls.append(kept[:count])
            del kept[:count]
        return calls


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Everything that the targets stand on is there, so that nothing but their own recipes runs."""
    # A clone may lie anywhere too.
    folder = tmp_path / "it's a $5 clone"
    for needed in (
        "pyproject.toml",
        "tests/requirements.txt",
        "tests/rig/stack/requirements.txt",
        "tests/rig/checkov/requirements.txt",
        "tests/asl/package.json",
        "tests/asl/package-lock.json",
        "tests/rig/prose/package.json",
        "tests/rig/prose/package-lock.json",
        "tests/browser/package.json",
        "tests/browser/package-lock.json",
        "lambdas/build.py",
        "build/packages.ok",
        ".venv/python.ok",
        ".venv/tools.ok",
        ".venv/clb.ok",
        ".venv/ministack.ok",
        ".venv/checkov.ok",
        ".venv/asl.ok",
        ".venv/prose.ok",
        ".venv/axe.ok",
    ):
        path = folder / needed
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # Each as old as the other: nothing has to be made again.
    for path in folder.rglob("*"):
        os.utime(path, (1_800_000_000, 1_800_000_000))
    (folder / "Makefile").write_text((REPOSITORY / "Makefile").read_text())
    made = Clone(folder)
    made.stub(".venv/bin/python")
    return made


def test_a_blank_in_front_arrives_from_the_environment(clone: Clone) -> None:
    assert clone.make("backfill", "environment", PREFIX=" a").returncode == 0
    assert clone.calls() == [["-m", "tools.desk", "backfill", "--name=custom-labels-batch", "--prefix= a"]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_every_value_arrives_as_it_was_given(clone: Clone, value: str, way: str) -> None:
    inputs = ("IMAGES", "ARRIVALS", "START_MINUTES", "SCHEDULES", "GATES", "TARGET_DRAIN", "WITHIN")
    values = dict.fromkeys((*inputs, "KEEP", "NAME", "DRY_RUN", "PART", "PREFIX"), value)
    done = clone.make("demo status redrive backfill bench plan-cost", way, **values)
    assert done.returncode == 0, done.stderr
    assert clone.calls() == [
        ["-m", "tools.demo", f"--images={value}", f"--keep={value}"],
        ["-m", "tools.desk", "status", f"--name={value}"],
        ["-m", "tools.desk", "redrive", f"--name={value}", f"--dry-run-as={value}"],
        ["-m", "tools.desk", "backfill", f"--name={value}", f"--prefix={value}"],
        ["-m", "tools.bench", f"--only={value}"],
        ["-m", "tools.plan_cost", *(f"--{name.lower().replace('_', '-')}={value}" for name in inputs)],
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_the_targets_of_an_account_hand_their_values_to_terraform(clone: Clone, value: str, way: str) -> None:
    terraform = clone.stub(f"my tools/{value.replace('/', '_')}/terraform")
    values = {"TERRAFORM": str(terraform), "NAME": value, "PROJECT_ARN": f"{ARN}{value}", "PROJECT_VERSION_ARN": value}
    variables = [f"project_arn={ARN}{value}", f"project_version_arn={value}", f"name={value}"]
    done = clone.make("aws-plan aws-apply aws-destroy aws-permissions", way, **values)
    assert done.returncode == 0, done.stderr
    given = [call for call in clone.calls() if "-var" in call]
    assert [call[1] for call in given] == ["plan", "apply", "destroy", "plan"]
    for call in given:
        assert [call[at + 1] for at, each in enumerate(call) if each == "-var"] == variables


def test_what_is_left_out_or_empty_is_left_to_the_tool(clone: Clone) -> None:
    for target in ("demo", "bench", "plan-cost", "redrive"):
        assert clone.make(target, "environment", IMAGES="", PART="").returncode == 0
    assert clone.calls() == [
        ["-m", "tools.demo", "--keep="],
        ["-m", "tools.bench"],
        ["-m", "tools.plan_cost"],
        ["-m", "tools.desk", "redrive", "--name=custom-labels-batch", "--dry-run-as="],
    ]


@pytest.mark.parametrize("arguments", [{}, {"PROJECT_ARN": ARN}, {"PROJECT_VERSION_ARN": ARN}])
@pytest.mark.parametrize("target", ["aws-plan", "aws-destroy", "aws-permissions"])
def test_an_account_is_not_touched_without_both_arns(clone: Clone, target: str, arguments: dict[str, str]) -> None:
    done = clone.make(target, TERRAFORM=str(clone.stub("terraform")), **arguments)
    assert done.returncode != 0
    assert "error: name the model" in done.stderr
    assert clone.calls() == []


@pytest.mark.parametrize("way", WAYS)
def test_python_and_terraform_are_each_one_program_wherever_it_lies(clone: Clone, way: str) -> None:
    python = clone.stub("a 'python' of $5/python")
    (clone.folder / ".venv" / "python.ok").unlink()
    (clone.folder / ".venv" / "checkov.ok").unlink()
    # The stub makes no environment: that its own python is missing there ends the target.
    clone.make(".venv/checkov.ok", way, PYTHON=str(python))
    assert ["-m", "venv", ".venv"] in clone.calls()
    assert ["-m", "venv", ".venv/checkov"] in clone.calls()


def test_a_program_that_is_missing_is_named_as_it_was_given(clone: Clone) -> None:
    done = clone.make("aws-plan", PROJECT_ARN=ARN, PROJECT_VERSION_ARN=ARN, TERRAFORM='no "terraform" `here`')
    assert 'error: no no "terraform" `here` on PATH' in done.stderr
    (clone.folder / ".venv" / "python.ok").unlink()
    done = clone.make(".venv/python.ok", PYTHON="no $5 'python'")
    assert "error: no no $5 'python' on PATH" in done.stderr
    assert clone.calls() == []


def test_no_recipe_lets_make_expand_a_value() -> None:
    text = (REPOSITORY / "Makefile").read_text()
    inputs = re.findall(r"^(?:PLAN_)?INPUTS := (.*)", text, re.MULTILINE)
    names = {name for line in inputs for name in line.split() if name.isupper()} - {"$(PLAN_INPUTS)"}
    assert {"PYTHON", "PREFIX", "WITHIN"} <= names
    recipes = "\n".join(line for line in text.splitlines() if line.startswith("\t"))
    assert [name for name in names if re.search(rf"(?<!\$)\$[({{](value )?{name}[)}}]", recipes)] == []
