"""What a cold start of each function takes: importing its handler from its zip, on the Lambdas' interpreter."""

import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.rig.stack.local_stack import MINISTACK_PYTHON, REPOSITORY

REPETITIONS = 5
# python -X importtime: "import time: self [us] | cumulative | name", indented by depth.
LINE = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)")
# What is large, and why it is there: Powertools for logs, metrics and traces (its Tracer brings the X-Ray SDK); its
# batch utility, and S3's transfer manager, which copies in parts, in the analysis alone. boto3 is the runtime's.
PARTS = {
    "Powertools": "aws_lambda_powertools",
    "X-Ray SDK": "aws_xray_sdk.core",
    "batch utility": "aws_lambda_powertools.utilities.batch",
    "S3 transfer": "boto3.s3.transfer",
    "boto3, before them": "boto3",
}


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds, each the median of some starts: all imports, and what of it the larger packages take."""

    function: str
    total: float
    parts: dict[str, float]


def measure(function: str) -> ColdStart:
    """Import one function's handler several times, each in a fresh interpreter."""
    seen = [_imports(REPOSITORY / "build" / f"{function}.zip", function) for _ in range(REPETITIONS)]

    def median(name: str) -> float:
        return statistics.median(imports.get(name, 0.0) for imports in seen)

    return ColdStart(function, median(f"{function}.handler"), {part: median(name) for part, name in PARTS.items()})


def _imports(package: Path, function: str) -> dict[str, float]:
    """Return the milliseconds that each import took with all that it imported in turn.

    The runtime imports boto3's parts lazily; a handler imports it in any case, so it is imported first and told apart.
    """
    program = f"import sys; sys.path.insert(0, {str(package)!r}); import boto3; import {function}.handler"
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": function, "LAMBDA_TASK_ROOT": "/"}
    done = subprocess.run(
        [str(MINISTACK_PYTHON), "-X", "importtime", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = {}
    for microseconds, _, name in LINE.findall(done.stderr):
        found.setdefault(name, int(microseconds) / 1000)
    return found


def table() -> list[str]:
    """Return a row for each function."""
    sys.path.insert(0, str(REPOSITORY / "lambdas"))
    from build import FUNCTIONS

    rows = [f"| function | its imports (ms) | {' | '.join(PARTS)} |", "|---" * (len(PARTS) + 2) + "|"]
    for function in FUNCTIONS:
        cold = measure(function)
        parts = " | ".join(f"{milliseconds:.0f}" if milliseconds else "" for milliseconds in cold.parts.values())
        rows.append(f"| `{function}` | {cold.total:.0f} | {parts} |")
    return rows
