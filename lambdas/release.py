"""Builds the zips anew into a folder with their checksums and their provenance: same commit, same bytes.

Usage: python lambdas/release.py [--output build/release]

SHA256SUMS is for `sha256sum -c`. provenance.json says what the zips were built from; it holds no time and no machine.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import build

REPOSITORY = build.SOURCES.parent
CHECKSUMS = "SHA256SUMS"
PROVENANCE = "provenance.json"
REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(requirements: str) -> list[dict[str, Any]]:
    """Return the locked dependencies, each with the hashes that pip accepts for it."""
    dependencies: list[dict[str, Any]] = []
    for line in requirements.splitlines():
        if named := REQUIREMENT.match(line):
            dependencies.append({"name": named["name"], "version": named["version"], "hashes": []})
        for accepted in HASH.findall(line):
            dependencies[-1]["hashes"].append(accepted)
    return dependencies


def commit(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of a folder and whether nothing differs from it; None for both where git knows neither."""

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(folder), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own arguments
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    head, changes = git("rev-parse", "HEAD"), git("status", "--porcelain")
    return head, None if head is None else changes == ""


def provenance(zips: list[Path], repository: Path) -> dict[str, Any]:
    """Return what the zips were built from."""
    head, is_clean = commit(repository)
    return {
        "schema": "1",
        "version": tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "commit": head,
        "tree_clean": is_clean,
        "python_version": build.PYTHON_VERSION,
        "platform": build.PLATFORM,
        "dependencies": locked(build.REQUIREMENTS.read_text("utf-8")),
        "zips": {path.name: {"sha256": digest(path), "bytes": path.stat().st_size} for path in sorted(zips)},
    }


def release(output: Path) -> dict[str, Any]:
    """Write the release into `output`, which is emptied first, and return its provenance. BuildError."""
    shutil.rmtree(output, ignore_errors=True)
    zips = build.build(output)
    origin = provenance(zips, REPOSITORY)
    told = output / PROVENANCE
    told.write_text(json.dumps(origin, indent=2) + "\n", "utf-8", newline="\n")
    lines = [f"{digest(path)}  {path.name}\n" for path in sorted([*zips, told])]
    (output / CHECKSUMS).write_text("".join(lines), "utf-8", newline="\n")
    return origin


def main() -> int:
    """Write the release and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "release", help="folder for the release")
    output = parser.parse_args().output
    # As a script, this has its own folder on the path alone.
    sys.path.append(str(REPOSITORY))
    from tools.terminal import complain, say

    try:
        origin = release(output)
    except build.BuildError as error:
        complain(error)
        return 1
    if not origin["tree_clean"]:
        say("warning: the tree is not that of a commit, so nobody else can build this again", file=sys.stderr)
    say(f"{origin['version']} at {origin['commit'] or 'no commit'}: {len(origin['zips'])} zips in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
