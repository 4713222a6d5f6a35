"""A release is checked with sha256sum, says what it was built from, and is the same bytes from the same commit."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import hcl2
import pytest

import build
import release
from tests.rig.stack.local_stack import REPOSITORY

VERSION = "0.1.0"
ARCHIVE = f"custom-labels-batch-{VERSION}.zip"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "left over").write_text("from a release before")
    command = [sys.executable, str(REPOSITORY / "lambdas" / "release.py"), "--output", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_checksums_cover_everything_and_sha256sum_accepts_them(released: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=released, check=True, capture_output=True, text=True)
    checked = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
    assert checked == {path.name for path in released.iterdir()} - {"SHA256SUMS"}
    assert "left over" not in checked


def test_the_zips_are_built_anew_and_are_those_of_make_package(released: Path) -> None:
    zips = {path.name: path.read_bytes() for path in released.glob("*.zip") if path.name != ARCHIVE}
    assert sorted(zips) == sorted(f"{path.parent.name}.zip" for path in (REPOSITORY / "lambdas").glob("*/handler.py"))
    assert zips == {path.name: path.read_bytes() for path in (REPOSITORY / "build").glob("*.zip")}


def test_the_provenance_says_what_the_zips_are_and_what_went_in(released: Path) -> None:
    told = json.loads((released / "provenance.json").read_text())
    head, is_clean = release.commit(REPOSITORY)
    assert (told["commit"], told["tree_clean"]) == (head, is_clean)
    assert (told["python_version"], told["platform"]) == ("3.13", "manylinux2014_aarch64")
    assert told["version"] == VERSION
    assert f'version = "{VERSION}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert {name: digest["sha256"] for name, digest in told["zips"].items()} == {
        path.name: release.digest(path) for path in released.glob("*.zip") if path.name != ARCHIVE
    }
    requirements = (REPOSITORY / "lambdas" / "requirements.txt").read_text()
    assert [f"{each['name']}=={each['version']}" for each in told["dependencies"]] == [
        line.split()[0] for line in requirements.splitlines() if "==" in line
    ]
    assert sum(len(each["hashes"]) for each in told["dependencies"]) == requirements.count("--hash=")
    assert all(each["hashes"] for each in told["dependencies"])


def test_the_same_sources_give_the_same_release(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the zips are the same, which take longest, is shown above."""

    def zips(output: Path) -> list[Path]:
        output.mkdir()
        return [Path(shutil.copy(path, output)) for path in sorted((REPOSITORY / "build").glob("*.zip"))]

    monkeypatch.setattr(build, "build", zips)
    release.release(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in released.iterdir()
    }


def test_the_archive_is_the_module_with_its_zips_and_nothing_else(released: Path) -> None:
    with zipfile.ZipFile(released / ARCHIVE) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    module = REPOSITORY / "terraform"
    tracked = subprocess.run(["git", "-C", str(module), "ls-files"], check=True, capture_output=True, text=True).stdout
    left_out = re.compile(r"(^|/)(\.|tests/|examples/)")
    sources = {name for name in tracked.splitlines() if not left_out.search(name)}
    assert {"variables.tf", "modules/bucket/main.tf", "statemachines/label_batch.asl.json"} < sources
    packages = {f"packages/{path.parent.name}.zip" for path in (REPOSITORY / "lambdas").glob("*/handler.py")}
    others = {"README.md", "LICENSE", "CHANGELOG.md", "provenance.json"}
    assert files.keys() == sources | packages | others
    # So it is planned like the folder. That an apply takes it, and the zips in it, shows tests/e2e/test_examples.py.
    for name in sources - {"README.md"}:
        assert files[name] == (module / name).read_bytes(), name
    for name in packages:
        assert files[name] == (released / name.removeprefix("packages/")).read_bytes()
    assert b"](../" not in files["README.md"]


def test_the_first_example_of_the_readme_is_the_archive() -> None:
    first = (REPOSITORY / "README.md").read_text().split("```hcl\n", 1)[1].split("```")[0]
    [block] = hcl2.loads(first)["module"]
    [module] = block.values()
    assert str(module["source"]).strip('"').endswith(f"/{ARCHIVE}")


def test_the_wheel_is_built_with_what_is_locked() -> None:
    [needed] = release.tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"\n{needed} \\\n" in (REPOSITORY / "tests" / "requirements.txt").read_text()


def test_a_tree_that_is_no_commits_is_told(tmp_path: Path) -> None:
    assert release.commit(tmp_path) == (None, None)
    git(tmp_path, "init")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    head, is_clean = release.commit(tmp_path)
    assert (len(head or ""), is_clean) == (40, True)
    (tmp_path / "a").write_text("2")
    assert release.commit(tmp_path) == (head, False)
