"""End-to-end tests: real Terraform, the packaged zips, a real state machine, and IAM enforced.

Each worker starts its stacks from a copy of the one that was applied, so that any test runs alone, anywhere, in any
order. A test leaves the stack that it shares at rest; one that applies or destroys has a copy of its own.
"""

from collections.abc import Iterator

import pytest

from tests.rig.permissions import record
from tests.rig.stack import invariants, snapshot
from tests.rig.stack.invariants import Uploaded
from tests.rig.stack.local_stack import LocalStack

HAS_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The worker's own copy."""
    with snapshot.copy() as local:
        yield local
        record.keep(local)


class Ledger:
    """Every upload to one stack, so that the invariants are checked over all that ever happened."""

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what the stack's parts printed last beside a failure."""
    report = yield
    if report.failed:
        item.stash[HAS_FAILED] = True
        stacks = {id(each): each for each in map(_stack_of, item.funcargs.values()) if each}  # type: ignore[attr-defined]
        report.sections += [(f"stack {each.name}", each.log_tail()) for each in stacks.values()]
    return report


def _stack_of(value: object) -> LocalStack | None:
    found = getattr(value, "stack", value)
    return found if isinstance(found, LocalStack) else None
