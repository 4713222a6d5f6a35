"""One stack for all end-to-end tests: real Terraform, the packaged zips, a real state machine, and IAM enforced."""

from collections.abc import Iterator

import pytest

from tests.permissions import record
from tests.stack import invariants
from tests.stack.invariants import Uploaded
from tests.stack.local_stack import LocalStack, VirtualTime

# A run takes some ten seconds, and the three virtual minutes in which an image has to get done are nine wall seconds,
# which a cold start on a busy machine does not take.
TIME = VirtualTime(scale=0.05, start_seconds=60, stop_seconds=30)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack("e2e", TIME, enforces_iam=True, records_calls=True) as local:
        local.apply()
        yield local
        record.keep(local)


class Ledger:
    """Every upload of the session, so that the invariants are checked over all that ever happened."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.uploads: list[Uploaded] = []

    def upload(self, key: str, body: bytes) -> Uploaded:
        uploaded = invariants.upload(self._stack, key, body)
        self.uploads.append(uploaded)
        return uploaded

    def assert_invariants(self) -> None:
        assert invariants.broken(self._stack, self.uploads) == []


@pytest.fixture(scope="session")
def ledger(stack: LocalStack) -> Ledger:
    return Ledger(stack)


@pytest.fixture(autouse=True)
def _show_logs_of_a_failed_test(request: pytest.FixtureRequest, stack: LocalStack) -> Iterator[None]:
    yield
    report = getattr(request.node, "report_of_call", None)
    if report is not None and report.failed:
        print(stack.log_tail())


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.report_of_call = report  # type: ignore[attr-defined]
    return report
