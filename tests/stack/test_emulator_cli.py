"""The emulator as a program."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.rig.emulator.__main__ import main

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
VERSION = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/version/v.1/1700000000002"
ARNS = ("--project-arn", PROJECT, "--project-version-arn", VERSION)
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.rig.emulator")


@pytest.fixture
def emulator() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [*COMMAND, *ARNS, "--time-scale", "0.001", "--start-seconds", "100", "--stop-seconds", "1"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Unbuffered output would hide a line that is never flushed.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_prints_one_line_serves_and_ends_on_a_signal(
    emulator: tuple[subprocess.Popen[str], dict[str, Any]], number: int
) -> None:
    process, line = emulator
    assert set(line) == {"url", "pid"}
    assert line["pid"] == process.pid
    with urllib.request.urlopen(f"{line['url']}/_emulator/health") as response:
        assert json.load(response) == {"status": "ok"}
    client = boto3.client(
        "rekognition",
        endpoint_url=line["url"],
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    waiter = client.get_waiter("project_version_running")
    waiter.wait(ProjectArn=PROJECT, WaiterConfig={"Delay": 0.05, "MaxAttempts": 100})
    process.send_signal(number)
    rest, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest == ""
    assert "Traceback" not in log


def refusal(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, text=True, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--project-arn", "nonsense", "--project-version-arn", VERSION), "not the ARN of a Custom Labels project"),
        (("--project-arn", PROJECT, "--project-version-arn", "nonsense"), "not the ARN"),
        (("--project-arn", PROJECT, "--project-version-arn", PROJECT), "project version"),
        ((*ARNS, "--time-scale", "0"), "time scale"),
        ((*ARNS, "--start-seconds", "-1"), "start_seconds"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("emulator: ")
    assert message in line


def test_a_port_that_is_none_and_a_taken_one_are_refused_in_one_line() -> None:
    [line] = refusal(*ARNS, "--port", "70000").splitlines()
    assert line.startswith("emulator: cannot listen on port 70000")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [line] = refusal(*ARNS, "--port", str(port)).splitlines()
    assert line.startswith(f"emulator: cannot listen on port {port}: ")
    assert "in use" in line
