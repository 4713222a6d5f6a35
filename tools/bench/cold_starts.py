"""What a cold start of each function takes: importing its handler from its zip, on the Lambdas' interpreter."""

import statistics
import subprocess
import sys
from pathlib import Path

from tests.rig.stack.local_stack import MINISTACK_PYTHON, REPOSITORY

REPETITIONS = 5
# The input `tracing` of the Terraform module. A zip holds no bytecode, so most of an import is to compile its source.
TRACINGS = ("sdk", "service")
# The runtime imports boto3's parts lazily; a handler imports it in any case, so it is imported first and told apart.
PROGRAM = """
import sys, time
sys.path.insert(0, {package!r})
began = time.process_time()
import boto3
beside = time.process_time()
import {function}.handler
print(1000 * (beside - began), 1000 * (time.process_time() - beside))
"""


def measure(function: str, tracing: str) -> tuple[float, float]:
    """Import one function's handler several times, each in a fresh interpreter.

    Return the medians of the milliseconds of processor time that boto3 takes, and that all the rest takes.
    """
    times = [_import(REPOSITORY / "build" / f"{function}.zip", function, tracing) for _ in range(REPETITIONS)]
    boto3, rest = zip(*times, strict=True)
    return statistics.median(boto3), statistics.median(rest)


def _import(package: Path, function: str, tracing: str) -> tuple[float, float]:
    done = subprocess.run(
        [str(MINISTACK_PYTHON), "-I", "-c", PROGRAM.format(package=str(package), function=function)],
        env={"AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": "/", "TRACING": tracing},
        capture_output=True,
        text=True,
        check=True,
    )
    boto3, rest = done.stdout.split()
    return float(boto3), float(rest)


def table() -> list[str]:
    """Return a row for each function."""
    sys.path.insert(0, str(REPOSITORY / "lambdas"))
    from build import FUNCTIONS

    columns = " | ".join(f"beside it with `tracing = {tracing}`" for tracing in TRACINGS)
    rows = [f"| function | boto3 | {columns} |", "|---" * (len(TRACINGS) + 2) + "|"]
    for function in FUNCTIONS:
        times = {tracing: measure(function, tracing) for tracing in TRACINGS}
        boto3 = min(first for first, _ in times.values())
        rows.append(f"| `{function}` | {boto3:.0f} | {' | '.join(f'{rest:.0f}' for _, rest in times.values())} |")
    return rows
