"""Terraform's provider, installed once for each worker."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stack.local_stack import REPOSITORY
from tests.stack.terraform import Terraform

HASHES = re.compile(r"^  hashes = \[.*?^  \]\n", re.MULTILINE | re.DOTALL)

# Two at a time, as here, have the memory for few garbage collections.
ROOMY = {"GOGC": "400"}

Initialise = Callable[[Path], Terraform]


@pytest.fixture(scope="session")
def initialise(tmp_path_factory: pytest.TempPathFactory) -> Initialise:
    """Terraform in a folder that needs no provider but AWS's."""
    installed = tmp_path_factory.mktemp("provider")
    shutil.copy(REPOSITORY / "terraform" / "versions.tf", installed)
    Terraform(installed).init()
    # To compare them, each command would read all 700 MB of the provider once more.
    lock = installed / ".terraform.lock.hcl"
    lock.write_text(HASHES.sub("", lock.read_text()))

    def initialise(folder: Path) -> Terraform:
        shutil.copytree(installed / ".terraform" / "providers", folder / ".terraform" / "providers", symlinks=True)
        shutil.copy(lock, folder)
        terraform = Terraform(folder, extra=ROOMY)
        terraform.run("get")
        return terraform

    return initialise
