"""The prose linter finds long sentences and banned phrases where people read them, and names the line."""

import sys
from pathlib import Path

import pytest

from tests.rig.prose import __main__ as prose
from tests.rig.prose import texts
from tests.rig.stack.local_stack import REPOSITORY
from tools.docs import BEGIN, END, blocks, folders

LONG = f"A sentence has {'word ' * 28}."
BANNED = "It waits for a minute at the\nmost."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose every text has a fault, or only what is no prose."""
    for folder in ("docs", "terraform/modules/queue"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"# It\n\nGood.\n\n{LONG}\n\n```sh\n{LONG}\n```\n")
    (tmp_path / "docs" / "cost.md").write_text(f"# Cost\n\n{BANNED}\n\n| a | b |\n|---|---|\n| c | {LONG} |\n")
    (tmp_path / "CHANGELOG.md").write_text(f"- `{LONG}` is `at the most` code.\n")
    (tmp_path / "terraform" / "README.md").write_text(f"{BEGIN}\n\n{LONG}\n\n{END}\n\nThe DLQ.\n")
    (tmp_path / "terraform" / "variables.tf").write_text(
        'variable "a" {\n  description = "An \\"hour\\" of its own."\n}\n\n# at the most\n'
    )
    (tmp_path / "terraform" / "modules" / "queue" / "main.tf").write_text(
        'resource "b" "c" {\n  alarm_description = format("Given up: %s ${local.x}", 1)\n  e = "at the most"\n}\n'
    )
    return tmp_path


def test_each_fault_is_named_with_its_file_and_line(root: Path) -> None:
    found = [": ".join(complaint.split(": ")[:1]) for complaint in prose.complaints(root)]
    assert found == [
        "README.md:5",
        "docs/cost.md:3",
        "docs/cost.md:8",
        "terraform/README.md:7",
        "terraform/variables.tf:2",
        "terraform/modules/queue/main.tf:2",
    ]


def test_a_fault_fails_the_command_and_says_what_to_write(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prose", str(root)])
    assert prose.main() == 1
    said = capsys.readouterr().err
    assert "31 words in one sentence, at most 30 are allowed: A sentence has word" in said
    assert "DLQ => dead-letter queue" in said


def test_a_sentence_of_thirty_words_passes_whatever_its_code_holds(root: Path) -> None:
    sentence = f"It has `make status NAME=logos` and {'word ' * 26}"
    assert len(sentence.replace("make status NAME=logos", "code").split()) == 30
    (root / "README.md").write_text(f"{sentence.strip()}. And a second one.\n")
    assert not [complaint for complaint in prose.complaints(root) if complaint.startswith("README.md")]


def test_rules_that_do_not_load_fail_the_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "KNOWN_FAULTS", "Nothing is wrong here.")
    with pytest.raises(RuntimeError, match="did not load its rules"):
        prose.complaints(root)


def test_every_description_in_terraform_is_read() -> None:
    read = {str(path): text for path, text in texts.all_of(REPOSITORY)}
    for folder in folders(REPOSITORY / "terraform"):
        described = sum(1 for kind in ("variable", "output") for _ in blocks(folder, kind))
        sources = [folder.relative_to(REPOSITORY) / path.name for path in folder.glob("*.tf")]
        assert sum(bool(line) for source in sources for line in read[str(source)].splitlines()) >= described, folder
    alarms = read["terraform/modules/monitoring/main.tf"].splitlines()
    assert sum(bool(line) for line in alarms) == 12
