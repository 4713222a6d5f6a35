"""Terraform's provider, installed once for each worker."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.rig.stack.terraform import LOCK_FILE, Terraform

# Two at a time, as here, have the memory for few garbage collections.
ROOMY = {"GOGC": "400"}

Initialise = Callable[[Path], Terraform]


@pytest.fixture(scope="session")
def initialise(tmp_path_factory: pytest.TempPathFactory) -> Initialise:
    """Terraform in a folder that needs no provider but AWS's."""
    installed = tmp_path_factory.mktemp("provider")
    shutil.copy(REPOSITORY / "terraform" / "versions.tf", installed)
    shutil.copy(REPOSITORY / "terraform" / "examples" / "aws" / LOCK_FILE, installed)
    Terraform(installed).init()

    def initialise(folder: Path) -> Terraform:
        shutil.copytree(installed / ".terraform" / "providers", folder / ".terraform" / "providers", symlinks=True)
        shutil.copy(installed / LOCK_FILE, folder)
        terraform = Terraform(folder, extra=ROOMY)
        terraform.run("get")
        return terraform

    return initialise
