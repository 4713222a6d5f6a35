"""What `uvx` and `pipx` install works without a checkout: the wheel holds every module that the desk needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import release
from tests.rig.stack.local_stack import REPOSITORY


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel of a release."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-index", "--target", str(folder / "site"), str(release.wheel(folder))]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "site"


def clb(installed: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS", "CLB"))}
    environment |= {"PYTHONPATH": str(installed), "AWS_EC2_METADATA_DISABLED": "true", **more}
    command = [sys.executable, str(installed / "bin" / "clb"), *arguments]
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)


def test_every_command_is_there_outside_the_repository(installed: Path) -> None:
    done = clb(installed, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "why" in done.stdout
    # The planner is imported when it is needed, and the page's files are data.
    program = (
        "import pathlib, shared.clients, tools.plan_cost.plan, tools.query\n"
        "assert len(tools.query.named_queries()) >= 6 and (tools.query.SQL / 'views' / 'images.sql').exists()\n"
        "from tools.report import page\n"
        "files = pathlib.Path(page.__file__).parent / 'page'\n"
        "print(tools.desk.__file__, shared.clients.__file__, *sorted(path.name for path in files.iterdir()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import tools.desk.__main__\n{program}"],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    in_repository = sorted(path.name for path in (REPOSITORY / "tools" / "report" / "page").iterdir())
    assert done.stdout.split()[2:] == in_repository
    assert done.stdout.count(str(installed)) == 2


def test_a_shell_without_region_or_credentials_gets_a_sentence_and_no_traceback(installed: Path) -> None:
    done = clb(installed, "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no region: set AWS_REGION")
    done = clb(
        installed, "status", AWS_REGION="us-east-1", AWS_CONFIG_FILE="/none", AWS_SHARED_CREDENTIALS_FILE="/none"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no AWS credentials: sign in")
    assert len(done.stderr.splitlines()) == 1


def test_logs_of_the_lambdas_modules_are_no_part_of_the_answer(installed: Path) -> None:
    program = (
        "import sys, warnings, logging\n"
        "from shared.telemetry import logger\n"
        "from tools.desk import __main__ as desk, runs\n"
        "def loud(*_):\n"
        "    logger.warning('ours'); logging.getLogger('library').warning('theirs'); warnings.warn('pythons')\n"
        "    print('the answer'); return None\n"
        "desk.command = loud\n"
        "desk.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "the answer\n"
    assert all(word in done.stderr for word in ("ours", "theirs", "pythons"))
