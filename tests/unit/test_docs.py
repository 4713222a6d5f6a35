"""The tables in the READMEs are those of the variables and outputs."""

import json
import re
from pathlib import Path

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tools import docs
from tools.docs import BEGIN, END, DocsError, blocks, current, folders, tables

VARIABLE = """
variable "suffixes" {
  description = "Endings that count: a|b."
  type        = list(string)
  default     = [".jpg", "a \\"quoted\\" one"]
}

variable "name" {
  description = "Prefix."
  type        = string
}
"""
OUTPUT = 'output "arn" {\n  description = "ARN of it."\n  value = null\n}\n'


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "variables.tf").write_text(VARIABLE)
    # Wherever it stands, it is in a table.
    (tmp_path / "main.tf").write_text(OUTPUT)
    (tmp_path / "README.md").write_text(f"# It\n\nIs.\n\n{BEGIN}\n{END}\n\nAnd more.\n")
    return tmp_path


def test_every_variable_and_output_is_in_a_table(module: Path) -> None:
    assert tables(module).splitlines() == [
        "| input | type | default | meaning |",
        "|---|---|---|---|",
        '| `suffixes` | `list(string)` | `[".jpg", "a \\"quoted\\" one"]` | Endings that count: a\\|b. |',
        "| `name` | `string` | required | Prefix. |",
        "",
        "| output | meaning |",
        "|---|---|",
        "| `arn` | ARN of it. |",
    ]


def test_what_people_wrote_around_the_tables_stays(module: Path) -> None:
    made = current(module / "README.md")
    assert made.startswith(f"# It\n\nIs.\n\n{BEGIN}\n\n| input |")
    assert made.endswith(f"| ARN of it. |\n\n{END}\n\nAnd more.\n")
    (module / "README.md").write_text(made)
    assert current(module / "README.md") == made


def test_a_variable_without_a_description_and_a_readme_without_a_place_are_refused(module: Path) -> None:
    (module / "README.md").write_text("# It\n")
    with pytest.raises(DocsError, match="no place for the tables"):
        current(module / "README.md")
    (module / "variables.tf").write_text('variable "a" {\n  type = string\n}\n')
    with pytest.raises(DocsError, match="has no description"):
        tables(module)


def test_an_internal_module_has_no_table_and_needs_descriptions_all_the_same(tmp_path: Path) -> None:
    module = tmp_path / "modules" / "queue"
    module.mkdir(parents=True)
    (module / "README.md").write_text("# queue\n")
    (module / "variables.tf").write_text(VARIABLE)
    assert current(module / "README.md") == "# queue\n"
    (module / "variables.tf").write_text('variable "a" {\n  type = string\n}\n')
    with pytest.raises(DocsError, match="has no description"):
        current(module / "README.md")


def test_a_stale_table_fails_the_check_and_is_named(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "TERRAFORM", module)
    monkeypatch.setattr("sys.argv", ["docs", "--check"])
    assert docs.main() == 1
    assert "README.md" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["docs"])
    assert docs.main() == 0
    monkeypatch.setattr("sys.argv", ["docs", "--check"])
    assert docs.main() == 0


def test_what_users_call_has_tables_and_the_internal_modules_have_none() -> None:
    has_table = {
        str(folder.relative_to(REPOSITORY)): BEGIN in (folder / "README.md").read_text()
        for folder in folders(REPOSITORY / "terraform")
    }
    assert {"terraform", "terraform/modules/intake", "terraform/examples/aws"} <= has_table.keys()
    assert all(has_table[folder] != folder.startswith("terraform/modules/") for folder in has_table)


def test_the_ten_inputs_that_the_readme_shows_are_there_with_those_defaults() -> None:
    section = (REPOSITORY / "README.md").read_text().split("### Inputs", 1)[1].split("\n### ", 1)[0]
    variables = dict(blocks(REPOSITORY / "terraform", "variable"))
    shown = 0
    for names, defaults in re.findall(r"^\| (`.*?) \| (.*?) \|", section, re.MULTILINE):
        values = re.findall(r"`(.*?)`", defaults)
        for number, name in enumerate(re.findall(r"`(\w+)`", names)):
            body = variables[name]
            shown += 1
            if defaults == "required":
                assert "default" not in body, name
            else:
                value = values[min(number, len(values) - 1)]
                plain = body["default"] if not isinstance(body["default"], str) else json.loads(body["default"])
                # The empty string is shown in its quotes, other strings without.
                assert value == (plain if isinstance(plain, str) and plain else json.dumps(plain)), name
    assert shown == 10
