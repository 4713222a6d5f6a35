"""The zips are the same bytes from the same sources, and each holds all that its function needs."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.stack.local_stack import MINISTACK_PYTHON, REPOSITORY

BUILD = REPOSITORY / "build"
FUNCTIONS = sorted(path.parent.name for path in (REPOSITORY / "lambdas").glob("*/handler.py"))
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_BYTES_AT_MOST = 250 * 1024**2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_a_zip_with_its_package_alone(function: str) -> None:
    with zipfile.ZipFile(BUILD / f"{function}.zip") as archive:
        names = archive.namelist()
        assert f"{function}/handler.py" in names
        assert "shared/lease.py" in names
        others = [other for other in FUNCTIONS if other != function]
        assert not [name for name in names if name.split("/")[0] in others]
        assert not [name for name in names if name.endswith(".pyc") or name.startswith(("boto", "tests", "bin/"))]
        assert sum(entry.file_size for entry in archive.infolist()) < UNPACKED_BYTES_AT_MOST


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_zip_is_imported_with_only_the_runtimes_packages_beside_it(function: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(BUILD / f"{function}.zip") as archive:
        archive.extractall(tmp_path)
    # MiniStack's environment has boto3 as the Lambda runtime has, and none of our dependencies.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {function}.handler import handler; handler.__name__"
    )
    done = subprocess.run(
        [str(MINISTACK_PYTHON), "-I", "-c", code],
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_environment_of_that_import_has_none_of_our_dependencies() -> None:
    names = ["aws_lambda_powertools", "aws_xray_sdk"]
    code = f"import importlib.util, sys; sys.exit(any(map(importlib.util.find_spec, {names})))"
    assert subprocess.run([str(MINISTACK_PYTHON), "-I", "-c", code], check=False).returncode == 0


def test_two_builds_have_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "lambdas" / "build.py"), "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)

    def digests(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.zip")}

    assert digests(tmp_path) == digests(BUILD)
    assert sorted(digests(BUILD)) == [f"{function}.zip" for function in FUNCTIONS]
