"""Every module and every example is valid and passes its own `terraform test`, offline."""

import re
import shutil
from collections.abc import Callable
from functools import cache

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.rig.stack.terraform import Terraform, binary

FOLDERS = sorted(
    {
        str(path.parent.relative_to(REPOSITORY))
        for path in (REPOSITORY / "terraform").rglob("*.tf")
        if ".terraform" not in path.parts
    }
)


EDGE = re.compile(r'^\s*"([^"]+)" -> "([^"]+)";$', re.MULTILINE)
NODE = re.compile(r'^\s*"([^"]+)" \[label=', re.MULTILINE)
RETIREMENT = "module.watchdog.aws_lambda_invocation.this"


# Every file of every folder's own tests; a folder without any is found by the test after them.
OWN_TESTS = [
    (folder, path.relative_to(REPOSITORY / folder).as_posix())
    for folder in FOLDERS
    for path in sorted((REPOSITORY / folder / "tests").glob("*.tftest.hcl"))
]


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Terraform]:
    """Terraform in a folder of a copy of the tree: init writes beside the sources."""
    root = tmp_path_factory.mktemp("terraform")
    ignored = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")
    shutil.copytree(REPOSITORY / "terraform", root / "terraform", ignore=ignored)
    (root / "build").symlink_to(REPOSITORY / "build")

    @cache
    def initialise(folder: str) -> Terraform:
        # Two at a time, as here, have the memory.
        terraform = Terraform(root / folder, extra={"GOGC": "400"})
        terraform.init()
        return terraform

    return initialise


def test_there_is_a_terraform_folder_to_test() -> None:
    assert {"terraform", "terraform/examples/local", "terraform/examples/aws"} < set(FOLDERS)
    assert len(FOLDERS) >= 7


# A test also checks that the folder is valid. The root's take longest.
@pytest.mark.long
@pytest.mark.parametrize(("folder", "file"), OWN_TESTS)
def test_a_folder_passes_its_tests(folder: str, file: str, initialised: Callable[[str], Terraform]) -> None:
    report = initialised(folder).run("test", f"-filter={file}")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", report), report


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_tests_of_its_own(folder: str) -> None:
    assert folder in dict(OWN_TESTS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_its_readme(folder: str) -> None:
    # The root module's is that of the repository.
    assert (REPOSITORY / ("" if folder == "terraform" else folder) / "README.md").exists()


@pytest.mark.parametrize("folder", [name for name in FOLDERS if "/examples/" not in name])
def test_a_module_has_no_provider_and_no_backend(folder: str) -> None:
    sources = "\n".join(path.read_text() for path in (REPOSITORY / folder).glob("*.tf"))
    assert 'provider "' not in sources
    assert 'backend "' not in sources


def test_every_resource_outlives_the_call_that_retires_the_pipeline(initialised: Callable[[str], Terraform]) -> None:
    """Terraform destroys what depends on a resource before the resource itself."""
    graph = initialised("terraform").run("graph")
    depends_on: dict[str, set[str]] = {}
    for dependent, dependency in EDGE.findall(graph):
        depends_on.setdefault(dependent, set()).add(dependency)
    outlive: set[str] = set()
    found = {RETIREMENT}
    while found:
        found = set().union(*(depends_on.get(name, set()) for name in found)) - outlive
        outlive |= found
    resources = {name for name in NODE.findall(graph) if not re.search(r"(^|\.)data\.", name)} - {RETIREMENT}
    assert len(resources) > 50
    assert resources <= outlive, f"terraform_data.pipeline does not depend on {sorted(resources - outlive)}"


def test_the_binary_is_named_in_the_error_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRAFORM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Exception, match="no terraform binary on PATH"):
        binary()
