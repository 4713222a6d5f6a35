"""The zips are the same bytes from the same sources, and each holds all that its function needs."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest

import build
from tests.rig.stack.local_stack import MINISTACK_PYTHON, REPOSITORY

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


# A cold start that has nothing to count and fails, and what libraries say then: with Lambda's root handler, which
# writes plain text, and without any. MiniStack's environment has boto3 as the Lambda runtime has, and none of our
# dependencies: what is not in the zip is missed.
COLD_START = """
import importlib, logging, sys, warnings
sys.path.insert(0, {folder!r})
class LambdaLoggerHandler(logging.Handler):
    def emit(self, record):
        sys.stdout.write(self.format(record))
if {lambdas_handler}:
    handler = LambdaLoggerHandler()
    handler.setFormatter(logging.Formatter("[%(levelname)s]\\t%(asctime)s\\t%(message)s\\n"))
    logging.getLogger().addHandler(handler)
function = importlib.import_module("{function}.handler")
class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 256, "arn", "request"
    get_remaining_time_in_millis = staticmethod(lambda: 1000)
try:
    function.handler({{}}, Context())
except Exception:
    pass
warnings.warn("something is deprecated")
logging.getLogger("urllib3.connectionpool").warning("Connection pool is full, discarding connection")
logging.getLogger("aws_xray_sdk.core.context").error("cannot find the current segment/subsegment")
logging.getLogger("botocore.credentials").warning("odd")
from shared.telemetry import logger
logger.info("our own")
"""


@pytest.mark.parametrize(
    ("function", "lambdas_handler"), [("analyze_image", False), *((function, True) for function in FUNCTIONS)]
)
def test_a_cold_start_prints_lines_of_json_and_nothing_else(
    function: str, lambdas_handler: bool, tmp_path: Path
) -> None:
    with zipfile.ZipFile(BUILD / f"{function}.zip") as archive:
        archive.extractall(tmp_path)
    code = COLD_START.format(folder=str(tmp_path), function=function, lambdas_handler=lambdas_handler)
    done = subprocess.run(
        [str(MINISTACK_PYTHON), "-I", "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "POWERTOOLS_METRICS_NAMESPACE": "Tests",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    messages = [json.loads(line)["message"] for line in (done.stdout + done.stderr).splitlines()]
    assert [message for message in messages if "No application metrics" in message] == []
    for said in ("something is deprecated", "Connection pool is full", "cannot find the current", "odd", "our own"):
        assert sum(said in message for message in messages) == 1, said


def test_tracing_by_the_service_alone_imports_no_x_ray_sdk() -> None:
    """Nor the data classes of Powertools, which are as large."""
    dear = ("aws_xray_sdk", "aws_lambda_powertools.utilities.data_classes")
    code = f"""
import sys
sys.path.insert(0, {str(BUILD / "analyze_image.zip")!r})
import analyze_image.handler
print([name for name in {dear} if name in sys.modules])
"""
    for tracing, imported in (("service", "[]"), ("sdk", "['aws_xray_sdk']")):
        environment = {"AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": "/var/task", "TRACING": tracing}
        done = subprocess.run(
            [str(MINISTACK_PYTHON), "-I", "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == imported


def test_no_source_in_a_zip_makes_python_warn_when_it_is_compiled() -> None:
    """A zip holds no bytecode, so each cold start compiles, before anything can turn a warning into a line of JSON."""
    sources: set[tuple[str, bytes]] = set()
    for function in FUNCTIONS:
        with zipfile.ZipFile(BUILD / f"{function}.zip") as archive:
            sources |= {(name, archive.read(name)) for name in archive.namelist() if name.endswith(".py")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, source in sources:
            compile(source, name, "exec")


def test_the_environment_of_a_cold_start_has_none_of_our_dependencies() -> None:
    names = ["aws_lambda_powertools", "aws_xray_sdk"]
    code = f"import importlib.util, sys; sys.exit(any(map(importlib.util.find_spec, {names})))"
    assert subprocess.run([str(MINISTACK_PYTHON), "-I", "-c", code], check=False).returncode == 0


# ---- what the building machine has no say in


PYTHONS = [found for minor in range(11, 20) if (found := shutil.which(f"python3.{minor}"))]


def test_a_zip_is_the_same_whatever_python_zlib_umask_and_locale_make_it(tmp_path: Path) -> None:
    """Its digest is that of a zip without compression: a deflated one would be another with another zlib."""
    code = (
        "import os, sys, zlib; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import build\n"
        "os.umask(0o077); zlib.compressobj = None\n"
        "files = {'b/\\u00fc.py': b'x' * 5000, 'a.py': b'', 'b/a.py': bytes(range(256))}\n"
        "build.write_zip(Path(sys.argv[2]), files)"
    )
    digests = set()
    for number, python in enumerate([sys.executable, *PYTHONS]):
        for locale in ("C", "C.UTF-8"):
            target = tmp_path / f"{number}-{locale}.zip"
            done = subprocess.run(
                [python, "-X", "utf8=0", "-c", code, str(REPOSITORY / "lambdas"), str(target)],
                env=os.environ | {"LC_ALL": locale, "TZ": "Asia/Tokyo"},
                capture_output=True,
                text=True,
                check=False,
            )
            if "pyenv" in done.stderr:  # a name on PATH behind which is no Python
                continue
            assert done.returncode == 0, done.stderr
            digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert digests == {"2fb88f7c2379e506dc9eea586bce5d933749881f5de7f7e0417156ddbc8f0050"}


def test_a_checkout_with_other_line_ends_and_what_an_editor_left_make_no_other_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = tmp_path / "lambdas"
    shutil.copytree(build.SOURCES, windows)
    for path in [*windows.rglob("*.py"), windows / "requirements.txt"]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for name in ("handler.py~", ".DS_Store", "handler.cpython-313.pyc", "notes.md"):
        (windows / "watchdog" / name).write_text("left over")
    (windows / "shared" / "__pycache__").mkdir(exist_ok=True)
    (windows / "shared" / "__pycache__" / "lease.cpython-313.pyc").write_text("left over")
    monkeypatch.setattr(build, "SOURCES", windows)
    monkeypatch.setattr(build, "REQUIREMENTS", windows / "requirements.txt")
    for path in build.build(tmp_path / "build"):
        assert path.read_bytes() == (BUILD / path.name).read_bytes(), path.name


def test_every_module_of_a_package_is_in_its_zip() -> None:
    for function in FUNCTIONS:
        with zipfile.ZipFile(BUILD / f"{function}.zip") as archive:
            names = {name for name in archive.namelist() if name.split("/")[0] in (function, "shared")}
        packages = (REPOSITORY / "lambdas" / name for name in (function, "shared"))
        assert names == {
            path.relative_to(REPOSITORY / "lambdas").as_posix()
            for package in packages
            for path in package.rglob("*.py")
        }
