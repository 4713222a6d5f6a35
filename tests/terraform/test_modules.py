"""Every module and every example is valid and passes its own `terraform test`, offline."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import hcl2
import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.rig.stack.terraform import LOCK_FILE, SERVICES, Terraform, TerraformError, binary
from tests.terraform.conftest import Initialise

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

# What a folder's variables refuse. With the provider a run takes a second, to no purpose.
REFUSALS = "tests/validation.tftest.hcl"
# What all tests of a folder are given, which Terraform reads by itself.
GIVEN = "tests/terraform.tfvars"
MOCKS = re.compile(r'^mock_provider "aws" \{ source = "[./]+/tests/mocks" \}\n', re.MULTILINE)

IGNORED = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory, initialise: Initialise) -> Callable[[str], Terraform]:
    """Terraform in a folder of a copy of the tree: init writes beside the sources."""
    root = tmp_path_factory.mktemp("terraform")
    shutil.copytree(REPOSITORY / "terraform", root / "terraform", ignore=IGNORED)
    (root / "build").symlink_to(REPOSITORY / "build")
    return cache(lambda folder: initialise(root / folder))


@pytest.fixture(scope="session")
def graph(initialised: Callable[[str], Terraform]) -> str:
    """What depends on what in the whole module."""
    return initialised("terraform").run("graph")


def variables_alone(folder: str, root: Path) -> Terraform:
    """Terraform in a copy of a folder's variables and of what they refuse, without the provider."""
    rules = "terraform/modules/rules"
    shutil.copytree(REPOSITORY / rules, root / rules, ignore=IGNORED)
    (root / folder / "tests").mkdir(parents=True)
    shutil.copy(REPOSITORY / folder / "variables.tf", root / folder)
    shutil.copy(REPOSITORY / folder / GIVEN, root / folder / GIVEN)
    refusals, mocks = MOCKS.subn("", (REPOSITORY / folder / REFUSALS).read_text())
    assert mocks == 1
    (root / folder / REFUSALS).write_text(refusals)
    terraform = Terraform(root / folder)
    terraform.init()
    return terraform


def test_there_is_a_terraform_folder_to_test() -> None:
    assert {"terraform", "terraform/examples/local", "terraform/examples/aws"} < set(FOLDERS)
    assert len(FOLDERS) >= 7


# A test also checks that the folder is valid. The root's take longest. Each process reads the provider's schema, which
# takes longer than most files do: so there is one process for all files of a folder.
@pytest.mark.long
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_passes_its_tests(folder: str, initialised: Callable[[str], Terraform]) -> None:
    files = [file for of, file in OWN_TESTS if of == folder and file != REFUSALS]
    report = initialised(folder).run("test", *(f"-filter={file}" for file in files))
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", report), report
    assert [file for file in files if f"{file}... pass" not in report] == [], report


@pytest.mark.parametrize("folder", [folder for folder, file in OWN_TESTS if file == REFUSALS])
def test_variables_refuse_what_they_should(folder: str, tmp_path: Path) -> None:
    report = variables_alone(folder, tmp_path).run("test")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", report), report


def test_a_refusal_that_is_missing_is_seen(tmp_path: Path) -> None:
    terraform = variables_alone("terraform/modules/bucket", tmp_path)
    variables = terraform.folder / "variables.tf"
    reserved = re.compile(r"^  validation \{\n[^}]*reserved_bucket_name_pattern.*?^  \}\n", re.MULTILINE | re.DOTALL)
    without, taken = reserved.subn("", variables.read_text())
    assert taken == 1
    variables.write_text(without)
    missed = r'Missing expected failure\s+on \S+ line \d+, in run "refuses_a_name_that_s3_reserves"'
    with pytest.raises(TerraformError, match=missed):
        terraform.run("test")


@pytest.mark.parametrize(("folder", "file"), OWN_TESTS)
def test_refusals_of_variables_alone_have_a_file_to_themselves(folder: str, file: str) -> None:
    tests = hcl2.loads((REPOSITORY / folder / file).read_text())
    runs = {name: run for block in tests["run"] for name, run in block.items()}
    assert runs
    for name, run in runs.items():
        failures = run.get("expect_failures", [])
        is_refusal = bool(failures) and all(failure.startswith("${var.") for failure in failures)
        assert is_refusal == (file == REFUSALS), name
        assert not is_refusal or "assert" not in run, name


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


@pytest.mark.parametrize("folder", [name for name in FOLDERS if "/examples/" in name and not name.endswith("/local")])
def test_an_example_for_users_has_no_hook_for_tests(folder: str) -> None:
    sources = "\n".join(path.read_text() for path in (REPOSITORY / folder).glob("*.tf"))
    assert sources.count('provider "aws" {\n  region = var.region\n}') == 1
    assert not re.search(r"\bendpoints? [{=]|var\.endpoint|emulator|access_key|skip_", sources)


def test_every_example_is_applied_with_the_provider_that_the_tests_run_with() -> None:
    locks = {(REPOSITORY / folder / LOCK_FILE).read_text() for folder in FOLDERS if "/examples/" in folder}
    assert len(locks) == 1
    [lock] = locks
    assert re.findall(r"^  (.*)$", lock, re.MULTILINE) == ['version = "5.100.0"']
    ignored = subprocess.run(["git", "check-ignore", *_locks()], cwd=REPOSITORY, capture_output=True, check=False)
    assert ignored.stdout == b""


def _locks() -> list[str]:
    return [f"{folder}/{LOCK_FILE}" for folder in FOLDERS if "/examples/" in folder]


def test_the_local_example_sends_every_service_to_the_emulator() -> None:
    """A service without an endpoint would be AWS's own."""
    source = (REPOSITORY / "terraform" / "examples" / "local" / "main.tf").read_text()
    endpoints = set(re.findall(r"^    (\w+) += var\.endpoint$", source, re.MULTILINE))
    # The other examples bring a VPC and keys of their own.
    assert endpoints == set(SERVICES) - {"ec2", "kms"}
    assert "s3control" in endpoints


def test_every_resource_outlives_the_call_that_retires_the_pipeline(graph: str) -> None:
    """Terraform destroys what depends on a resource before the resource itself."""
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


def test_what_starts_the_model_is_changed_after_what_stops_it(graph: str) -> None:
    """Terraform changes a resource after what it depends on, and destroys it before."""
    dependencies: dict[str, list[str]] = {}
    for dependent, dependency in EDGE.findall(graph):
        dependencies.setdefault(dependent, []).append(dependency)
    found, new = set(), ["module.start_model.aws_lambda_function.this"]
    assert new[0] in dependencies
    while new:
        name = new.pop()
        if name not in found:
            found.add(name)
            new += dependencies.get(name, [])
    stopping = {
        f"module.{module}.{resource}.this"
        for module in ("record_run", "check_queue", "stop_model", "toggle_trigger", "watchdog_function")
        for resource in ("aws_lambda_function", "aws_iam_role_policy")
    }
    stopping.add("module.watchdog.module.schedule.aws_scheduler_schedule.this")
    assert stopping <= found, f"an apply may change the start before {sorted(stopping - found)}"


def test_the_binary_is_named_in_the_error_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRAFORM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Exception, match="no terraform binary on PATH"):
        binary()
