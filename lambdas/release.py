"""Builds a release into a folder: same commit, same bytes.

Usage: python lambdas/release.py [--output build/release]

    custom-labels-batch-X.zip                     the Terraform module with the zips in it: an apply takes it as it is
    custom_labels_batch-X-py3-none-any.whl        the command `clb`, for uvx and pipx
    analyze_image.zip and the others              the functions' zips alone, for a bucket
    provenance.json                               what the zips were built from; it holds no time and no machine
    SHA256SUMS                                    for `sha256sum -c`
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import build

REPOSITORY = build.SOURCES.parent
CHECKSUMS = "SHA256SUMS"
PROVENANCE = "provenance.json"
NAME = "custom-labels-batch"
MODULE = REPOSITORY / "terraform"
# Where terraform/locals.tf looks first.
PACKAGES = "packages"
# Of the module's folder. Examples and tests stay in the repository, what begins with a dot is of tools, and the others
# are what somebody's apply left.
LEFT_OUT_FOLDERS = frozenset({"examples", "tests"})
LEFT_OUT = re.compile(r"\.(tfstate.*|tfplan|tfvars)$")
# What the wheel is built from, as pyproject.toml says.
WHEEL_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tools", "lambdas", "terraform")
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


def module_files(zips: list[Path]) -> dict[str, bytes]:
    """Return the files of the archive by name: the module, its zips, the licence and the changelog."""
    files = {f"{PACKAGES}/{path.name}": path.read_bytes() for path in zips}
    for name in ("LICENSE", "CHANGELOG.md"):
        files[name] = _text(REPOSITORY / name)
    for path in MODULE.rglob("*"):
        within = path.relative_to(MODULE)
        is_hidden = any(part.startswith(".") for part in within.parts)
        if (
            path.is_file()
            and not is_hidden
            and not LEFT_OUT_FOLDERS & set(within.parts)
            and not LEFT_OUT.search(path.name)
        ):
            files[within.as_posix()] = _text(path)
    # The README's links to what lies beside the module in the repository.
    files["README.md"] = files["README.md"].replace(b"](../", b"](")
    return files


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")


def wheel(output: Path) -> Path:
    """Build the wheel of `clb` into `output`, from a copy, because setuptools writes beside the sources. BuildError."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "sources"
        sources.mkdir()
        for name in WHEEL_SOURCES:
            copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
            copy(REPOSITORY / name, sources / name)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-index", "--no-build-isolation", "--wheel-dir", scratch, str(sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        if done.returncode:
            raise build.BuildError(f"pip could not build the wheel of clb:\n{done.stderr.strip()}")
        [built] = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(built) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    # Written anew: a wheel has the time of each file, and each zlib compresses differently.
    target = output / built.name
    build.write_zip(target, files)
    return target


def release(output: Path) -> dict[str, Any]:
    """Write the release into `output`, which is emptied first, and return its provenance. BuildError."""
    shutil.rmtree(output, ignore_errors=True)
    zips = build.build(output)
    origin = provenance(zips, REPOSITORY)
    told = output / PROVENANCE
    told.write_text(json.dumps(origin, indent=2) + "\n", "utf-8", newline="\n")
    archive = output / f"{NAME}-{origin['version']}.zip"
    build.write_zip(archive, module_files(zips) | {PROVENANCE: told.read_bytes()})
    lines = [f"{digest(path)}  {path.name}\n" for path in sorted([*zips, told, archive, wheel(output)])]
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
    archive = f"{NAME}-{origin['version']}.zip"
    say(f"{origin['version']} at {origin['commit'] or 'no commit'} in {output}: {archive} is the module with its zips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
