"""Reads README, docs/, the changelog and Terraform's descriptions: python -m tests.rig.prose [ROOT].

The rules are in .textlintrc.json and words.yml. textlint and its rules come by npm into .venv/prose.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.rig.prose import texts

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
NODE_MODULES = REPOSITORY / ".venv" / "prose" / "node_modules"

# textlint that cannot load a rule says so nowhere, and finds no fault in anything. So it reads this too.
KNOWN_FAULTS = f"At the most {'one word and ' * 10} no more."


def complaints(root: Path) -> list[str]:
    """Return what is wrong with the texts below a folder, as "file:line: what". RuntimeError: textlint did not run."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for path, text in texts.all_of(root):
            copy = Path(folder, f"{path}.md").resolve()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
            copies[str(copy)] = path
        proof = Path(folder, "proof.md").resolve()
        proof.write_text(KNOWN_FAULTS)
        found = {read["filePath"]: read["messages"] for read in _textlint([str(proof), *copies])}
        rules = {message["ruleId"] for message in found.pop(str(proof))}
        if rules != {"max-words", "prh"}:
            raise RuntimeError(f"textlint did not load its rules, only {sorted(rules)}; run `make setup` anew")
        return [
            f"{copies[copy]}:{message['line']}: {message['message']}"
            for copy, messages in found.items()
            for message in messages
        ]


def _textlint(files: list[str]) -> list[dict[str, Any]]:
    command = [str(NODE_MODULES / ".bin" / "textlint"), "--format", "json", "--rulesdir", str(HERE / "rules")]
    command += ["--config", str(HERE / ".textlintrc.json"), "--rules-base-directory", str(NODE_MODULES)]
    # The rule that is ours finds its libraries there.
    environment = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"textlint did not run: {done.stderr.strip()}")
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def main() -> int:
    """Print what is wrong; return 1 when something is."""
    parser = argparse.ArgumentParser(description="Lint the prose of the repository.")
    parser.add_argument("root", nargs="?", type=Path, default=REPOSITORY, help="folder of the repository")
    found = complaints(parser.parse_args().root)
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print(f"{len(found)} sentences to rewrite; the rules are in {HERE.relative_to(REPOSITORY)}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
