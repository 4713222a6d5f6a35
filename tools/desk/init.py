"""`clb init`: the trained models of the account, and the Terraform block for one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.clients import client
from shared.project_version import CUSTOM_LABELS, PHASES, Phase
from tools.desk import output as desk
from tools.desk.errors import Exit, NotFoundError, UsageError
from tools.desk.options import DEFAULT_NAME, AsJson
from tools.terminal import say

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

UNKNOWN_VERSION = "0.1.0"
Model = Annotated[str | None, typer.Option("--model", help="The model's ARN, if there are several.", metavar="ARN")]
Name = Annotated[str, typer.Option("--name", help="The module's `name`.", metavar="NAME")]
Output = Annotated[Path | None, typer.Option("--output", help="A new file for the block.", metavar="FILE")]


@dataclass(frozen=True)
class Trained:
    """A trained model that can be started."""

    project_arn: str
    project_version_arn: str
    status: str


def trained(rekognition: RekognitionClient) -> Iterator[Trained]:
    """Yield the models of Custom Labels that can be started or run. Errors: botocore's."""
    for page in rekognition.get_paginator("describe_projects").paginate():
        for project in page["ProjectDescriptions"]:
            versions = rekognition.get_paginator("describe_project_versions")
            for described in versions.paginate(ProjectArn=project["ProjectArn"]):
                for version in described["ProjectVersionDescriptions"]:
                    phase = PHASES.get(version["Status"], Phase.UNKNOWN)
                    of_labels = version.get("Feature", CUSTOM_LABELS) == CUSTOM_LABELS
                    if of_labels and phase not in (Phase.UNUSABLE, Phase.UNKNOWN):
                        yield Trained(project["ProjectArn"], version["ProjectVersionArn"], version["Status"])


def block(model: Trained, name: str) -> str:
    """Return the module block for a model."""
    try:
        version = metadata.version(DEFAULT_NAME)
    except metadata.PackageNotFoundError:
        # In a checkout that is not installed.
        version = UNKNOWN_VERSION
    source = _quoted(f"https://example.com/releases/{DEFAULT_NAME}-{version}.zip")
    return "\n".join(
        [
            'module "labels" {',
            f"  source = {source} # your copy",
            "",
            f"  name                = {_quoted(name)}",
            f"  project_arn         = {_quoted(model.project_arn)}",
            f"  project_version_arn = {_quoted(model.project_version_arn)}",
            "  alarm_emails        = [] # who gets the alarms",
            "}",
            "",
            "# By it `terraform output -json | clb status --outputs -` finds the deployment.",
            'output "analyze_function_name" {',
            "  value = module.labels.analyze_function_name",
            "}",
        ]
    )


def _quoted(text: str) -> str:
    # HCL reads JSON's escapes, and ${ and %{ as the beginning of a template.
    return re.sub(r"([$%])\{", r"\1\1{", json.dumps(text))


def init(name: Name = DEFAULT_NAME, model: Model = None, output: Output = None, as_json: AsJson = False) -> int:
    """List the trained models of this account and region, and write the module block for one."""
    found = list(trained(client("rekognition")))
    if not found:
        raise NotFoundError(
            "there is no trained Custom Labels model in this account and region: train one, or check AWS_REGION"
        )
    picked = _picked(found, model)
    written = None if picked is None else block(picked, name)
    if written is not None and output is not None:
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(written + "\n")
        except OSError as error:
            raise UsageError(f"--output {output}: cannot be written ({error.strerror}); name a new file") from error
    if as_json:
        desk.document({"models": [asdict(one) for one in found], "block": written})
    elif written is None:
        for one in found:
            desk.pair(f"{one.status:18}", one.project_version_arn)
        desk.note("Pick one: clb init --model ARN")
    elif output is not None:
        desk.sentence(f"{output}: the module block for {picked.project_version_arn if picked else ''}.")
    else:
        # To be copied, so it is not wrapped.
        say(*written.splitlines())
    if written is None and output is not None:
        raise NotFoundError(f"{output}: not written, because there are {len(found)} models to pick from")
    return Exit.OK


def _picked(found: list[Trained], wanted: str | None) -> Trained | None:
    """Return the model that is wanted, or the only one. None: there are several."""
    if wanted is None:
        return found[0] if len(found) == 1 else None
    for one in found:
        if one.project_version_arn == wanted:
            return one
    raise NotFoundError(f"{wanted} is none of the {len(found)} trained models here: `clb init` lists them")
