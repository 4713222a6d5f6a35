"""Traces tell of each AWS call and never of an image: what the X-Ray SDK sends to Lambda's daemon."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.rig.stack.local_stack import REPOSITORY

IMAGE = "jane-doe"

FUNCTION = Path(__file__).with_name("traced_function.py")


def traces(tracing: str) -> tuple[str, list[dict[str, Any]]]:
    """Run the function; return all that it sent to the daemon, and the subsegments in it, each once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024**2)
        environment = {
            **{name: os.environ[name] for name in ("PATH",)},
            "PYTHONPATH": str(REPOSITORY / "lambdas"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": "/var/task",
            "POWERTOOLS_METRICS_NAMESPACE": "Tests",
            "POWERTOOLS_SERVICE_NAME": "f",
            "TRACING": tracing,
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }
        subprocess.run([sys.executable, str(FUNCTION)], env=environment, check=True)
        daemon.setblocking(False)
        packets = []
        try:
            while True:
                packets.append(daemon.recv(65536).decode())
        except BlockingIOError:
            pass
    open_entities, found = [json.loads(packet.partition("\n")[2]) for packet in packets], []
    while open_entities:
        entity = open_entities.pop()
        open_entities += entity.get("subsegments", [])
        found.append(entity)
    return "".join(packets), found


def test_the_sdk_tells_of_each_call_and_names_no_image() -> None:
    sent, found = traces("sdk")
    assert IMAGE not in sent
    calls = [entity for entity in found if "aws" in entity]
    assert len(calls) == 24
    assert {call["aws"]["operation"] for call in calls} >= {
        "GetObject",
        "CopyObject",
        "SendMessage",
        "DetectCustomLabels",
    }
    assert {call["aws"].get("queue_url") for call in calls} == {None, "https://sqs/images"}
    refused = [call for call in calls if call.get("error") or call.get("fault")]
    assert len(refused) == 12
    assert {thrown["type"] for call in refused for thrown in call["cause"]["exceptions"]} == {
        "AccessDenied",
        "ClientError",
    }


def test_the_service_alone_gets_nothing_from_the_function() -> None:
    assert traces("service") == ("", [])
