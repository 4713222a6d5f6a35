"""End-to-end tests: real Terraform, the packaged zips, a real state machine, and IAM enforced.

Each worker starts its stacks from a copy of the one that was applied, so that any test runs alone, anywhere, in any
order. A test leaves the stack that it shares at rest; one that applies or destroys has a copy of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.rig.permissions import record
from tests.rig.stack import invariants, runs, snapshot
from tests.rig.stack.invariants import Uploaded
from tests.rig.stack.local_stack import LocalStack

HAS_FAILED = pytest.StashKey[bool]()


@dataclass(frozen=True)
class FirstRun:
    """The run right after the apply: the messages before it, and how it ended."""

    messages: int
    execution: dict[str, Any]
    receipt: dict[str, Any]
    starts: int
    messages_after: int


@pytest.fixture(scope="session")
def applied_stack() -> Iterator[LocalStack]:
    """The worker's own copy, in which nothing ran yet."""
    with snapshot.copy() as local:
        yield local
        record.keep(local)


@pytest.fixture(scope="session")
def first_run(applied_stack: LocalStack) -> FirstRun:
    before = invariants.messages(applied_stack, "queue_url")
    execution = runs.run(applied_stack)
    receipt, starts = runs.receipt(applied_stack, execution), applied_stack.meter()["starts"]
    after = invariants.messages(applied_stack, "queue_url")
    return FirstRun(before, dict(execution), receipt, starts, after)


@pytest.fixture(scope="session")
def stack(applied_stack: LocalStack, first_run: FirstRun) -> LocalStack:  # noqa: ARG001
    """The worker's own copy, after its first run: S3's test events are gone."""
    return applied_stack


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
