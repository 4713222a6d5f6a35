"""README and docs/ are short, their links and what they name are there, and their numbers are the code's."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from reconcile import errors as reconcile
from reconcile.listing import Counts
from reconcile.report import ReconcileOutcome
from shared import errors
from shared.receipts import Outcome
from tests.rig.stack.local_stack import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
READ_BY_PEOPLE = [*PAGES, REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "terraform").glob("**/README.md"))]
MONITORING = REPOSITORY / "terraform" / "modules" / "monitoring"
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("lambdas", "terraform", "tests", "tools", "docs")


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_read_in_minutes() -> None:
    assert len(README.read_text().splitlines()) <= 220
    assert len(README.read_bytes()) <= 14 * 1024


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_a_page_answers_one_question(page: Path) -> None:
    assert len(page.read_text().splitlines()) < 250


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_the_readme_names_every_page(page: Path) -> None:
    assert f"({name_of(page)})" in README.read_text()


@pytest.mark.parametrize("page", READ_BY_PEOPLE, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for named in re.findall(r"`([\w./<>-]+)`", CODE.sub("", page.read_text())):
        # Of a pattern, such as lambdas/<name>/handler.py, there must be one.
        if named.split("/")[0] in FOLDERS and "/" in named:
            assert list(REPOSITORY.glob(re.sub(r"<\w+>", "*", named.rstrip("/")))), named


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_is_a_target(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    # In the text of a page, in its blocks of commands, and in what a command printed.
    named = set(re.findall(r"(?:`|^|\$ )make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets | {"aws-plan", "aws-apply", "aws-destroy"}


def test_the_costs_are_what_the_planner_says() -> None:
    page = (REPOSITORY / "docs" / "cost.md").read_text()
    block = re.search(r"^\$ make plan-cost (.*)\n([\s\S]*?)^```$", page, re.MULTILINE)
    assert block is not None
    options = [
        f"--{name.lower().replace('_', '-')}={quoted or plain}"
        for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', block[1])
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tools.plan_cost", *options],
        cwd=REPOSITORY,
        env={"PYTHONPATH": "lambdas"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    # What is left out is marked.
    assert [line for line in block[2].splitlines() if line not in said] == ["…"]
    summary = " ".join(README.read_text().split("## What it costs", 1)[1].split("\n## ", 1)[0].split())
    for gate in ("off", "2000/3h"):
        [row] = [line for line in said if line.startswith("* rate(1 hour)") and f" {gate} " in line]
        a_day = row.split(f" {gate} ")[1].split()[0]
        assert re.search(rf"US\${a_day} a day[^.]*, about US\${float(a_day) * 30:.0f} a month", summary), summary


def test_operating_explains_every_alarm_outcome_error_and_metric() -> None:
    page = (REPOSITORY / "docs" / "operating.md").read_text()
    alarms = re.findall(r'local\.alarm_names\["([\w-]+)"\]', (MONITORING / "main.tf").read_text())
    for explained in (page, (MONITORING / "README.md").read_text()):
        assert set(re.findall(r"^\| `NAME-([\w-]+)`", explained, re.MULTILINE)) == set(alarms)
    code = "\n".join(path.read_text() for path in (REPOSITORY / "lambdas").glob("*/*.py"))
    metrics = set(re.findall(r'name="([A-Z]\w+)", unit=', code)) | set(re.findall(r'"([A-Z]\w+)": counts\.', code))
    assert len(metrics) >= 10
    # A run that meets the quota ends with an outcome, and shows no error.
    named = {error.__name__ for error in errors.NotRetriedError.__subclasses__()} - {"ModelQuotaReached"}
    assert named > {reconcile.InputInvalid.__name__, reconcile.TooManyDeadLetters.__name__}
    outcomes = {outcome.value for outcome in (*Outcome, *ReconcileOutcome)}
    counts = {count.name for count in fields(Counts)}
    for name in {*metrics, *named, *outcomes, *counts}:
        assert f"`{name}`" in page, name
