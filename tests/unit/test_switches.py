"""KEEP=0 keeps nothing, and DRY_RUN=0 is none."""

import argparse
import subprocess
import sys

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tools.switches import yes_or_no


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", True),
        ("yes", True),
        ("True", True),
        ("on", True),
        ("", False),
        ("0", False),
        ("no", False),
        ("FALSE", False),
    ],
)
def test_a_switch_says_yes_or_no(text: str, said: bool) -> None:
    assert yes_or_no(text) is said


@pytest.mark.parametrize("text", ["2", "maybe", "-1", "00", "1 2", "\x1b[31m"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="neither yes nor no: write 1 or 0"):
        yes_or_no(text)


@pytest.mark.parametrize(
    "command", [["tools.demo", "--keep=maybe"], ["tools.desk", "redrive", "--name=x", "--dry-run-as=maybe"]]
)
def test_a_program_does_nothing_when_a_switch_is_not_understood(command: list[str]) -> None:
    environment = {"PYTHONPATH": "lambdas", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "'maybe' is neither yes nor no: write 1 or 0" in done.stderr
