"""Terraform's provider, started once for each worker."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.rig.stack.terraform import LOCK_FILE, Terraform
from tests.rig.stack.terraform import environment as terraform_environment

REATTACH = "TF_REATTACH_PROVIDERS"

Initialise = Callable[[Path], Terraform]


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The locked AWS provider, running: what tells Terraform so. Else each walk of a graph would start it anew.

    https://developer.hashicorp.com/terraform/plugin/debugging#starting-a-provider-in-debug-mode
    """
    installed = tmp_path_factory.mktemp("provider")
    shutil.copy(REPOSITORY / "terraform" / "versions.tf", installed)
    shutil.copy(REPOSITORY / "terraform" / "examples" / "aws" / LOCK_FILE, installed)
    Terraform(installed).init()
    [folder] = (installed / ".terraform" / "providers").glob("*/hashicorp/aws/*/*")
    [program] = folder.glob("terraform-provider-aws*")
    # No certificates of this machine: it calls nobody, and with them it cannot be configured a second time.
    environment = {name: value for name, value in terraform_environment().items() if name != "AWS_CA_BUNDLE"}
    command = [str(program), "-debug"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        try:
            assert running.stdout
            told = next(line.split("=", 1)[1] for line in running.stdout if f"{REATTACH}=" in line)
            yield {REATTACH: told.strip().strip("'")}
        finally:
            running.send_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def initialise(provider: dict[str, str]) -> Initialise:
    """Terraform in a folder that needs no provider but AWS's."""

    def initialise(folder: Path) -> Terraform:
        terraform = Terraform(folder, extra=provider)
        terraform.run("get")
        return terraform

    return initialise
