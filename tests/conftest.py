"""What holds for every test, and where the time went."""

import gc
import json
import os
import signal
from collections import Counter
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import botocore.loaders
import botocore.session
import pytest
from xdist.scheduler import LoadScopeScheduling

SLOWEST_SHOWN = 10

# The files whose tests go to one worker, by the name of their group.
ON_ONE_WORKER = {
    "tests/e2e/test_examples.py": "examples",
    "tests/e2e/test_odd_pictures.py": "pipeline",
    "tests/e2e/test_pipeline.py": "pipeline",
    "tests/e2e/test_sized_runs.py": "sized runs",
    "tests/release/test_release.py": "release",
    "tests/stack/test_stack_faults.py": "stack faults",
    "tests/browser/test_report_page.py": "report",
    "tests/permissions/test_check.py": "permissions",
    "tests/unit/test_alarms_heard.py": "alarms",
}

# botocore and moto make many objects that live for a moment: looking for dead ones after each 700 is an eighth of all.
gc.set_threshold(20_000)

# Powertools reads it once for all functions of a process: whichever test comes first would decide.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "CustomLabelsBatch"

# Each client would read and parse its service's model from disk again, which is half of what a test with moto costs.
botocore.session.create_loader = lru_cache(botocore.loaders.create_loader)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


# A polite kill unwinds the fixtures as Ctrl-C does, so that the local stack is stopped.
signal.signal(signal.SIGTERM, _interrupt)


class Scheduling(LoadScopeScheduling):
    """A test goes to any worker, but those of files whose fixtures are dear go to one."""

    def _split_scope(self, nodeid: str) -> str:
        return ON_ONE_WORKER.get(nodeid.split("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:  # noqa: ANN401
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let nobody wait at the end for one test that takes minutes."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=Path, help="file with other runs' times, which are printed with this one's")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seconds of all workers by folder, and the slowest tests, each with its fixtures."""
    if hasattr(config, "workerinput"):
        # The controller has every worker's reports, and would count them a second time.
        return
    file = config.getoption("times")
    by_test = Counter(json.loads(file.read_text()) if file and file.exists() else {})
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                by_test[report.nodeid] += report.duration
    if file:
        file.write_text(json.dumps(by_test))
    by_folder: Counter[str] = Counter()
    for test, seconds in by_test.items():
        by_folder[test.split("::")[0].rsplit("/", 1)[0]] += seconds
    terminalreporter.section("where the time went, in seconds of all workers")
    for name, seconds in [*by_folder.most_common(), *by_test.most_common(SLOWEST_SHOWN)]:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
