"""What every command takes: which deployment, and for whom the answer is."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tools import deployment
from tools.deployment import Deployment
from tools.desk.errors import UsageError

# The module's own default.
DEFAULT_NAME = "custom-labels-batch"
# The output of the module that bears the deployment's name, and what follows the name in it.
NAMED_BY, SUFFIX = "analyze_function_name", "-analyze-image"

Name = Annotated[
    str | None,
    typer.Option("--name", envvar="CLB_NAME", help=f"The module's `name`. Default: {DEFAULT_NAME}.", metavar="NAME"),
]
Outputs = Annotated[
    str | None,
    typer.Option(
        "--outputs", help="Instead of --name: a file with `terraform output -json`; - reads it.", metavar="FILE"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def chosen(name: str | None, outputs: str | None) -> Deployment:
    """Return the deployment that the options name. Errors: NotFoundError, UsageError, botocore's."""
    if outputs is not None:
        return deployment.find(name_in(outputs, name))
    # Empty is what make passes on.
    return deployment.find(name or DEFAULT_NAME)


def name_in(path: str, wanted: str | None) -> str:
    """Return the name of the deployment that Terraform's outputs are about; `wanted` picks from several."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
        outputs = json.loads(text)
    except OSError as error:
        raise UsageError(f"--outputs {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"--outputs {path}: is no JSON; write it with `terraform output -json`") from error
    names = sorted(set(_names_in(outputs)))
    if wanted in names:
        return str(wanted)
    if not names:
        raise UsageError(
            f"--outputs {path}: has no output {NAMED_BY}; give your root an output with it, or say --name instead"
        )
    if len(names) > 1 or wanted:
        raise UsageError(f"--outputs {path}: is about {', '.join(names)}; pick one with --name")
    return names[0]


def _names_in(outputs: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the root puts out
    # A root may put out the module as a whole, or a map of several.
    if isinstance(outputs, dict):
        for member, value in outputs.items():
            of_output = value.get("value") if isinstance(value, dict) else value
            if member == NAMED_BY and isinstance(of_output, str) and of_output.endswith(SUFFIX):
                yield of_output.removesuffix(SUFFIX)
            else:
                yield from _names_in(value)
