"""Builds one self-contained zip per function, the same bytes from the same sources on any machine.

Usage: python lambdas/build.py [--output build]

A zip holds the function's package, the shared package and the locked dependencies for the Lambda platform. boto3 is
the runtime's: conditional writes to S3 need 1.36 or newer there (python3.13 has it).
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
FUNCTIONS = (
    "analyze_image",
    "check_queue",
    "reconcile",
    "record_run",
    "start_model",
    "stop_model",
    "toggle_trigger",
    "watchdog",
)
SHARED = "shared"
REQUIREMENTS = SOURCES / "requirements.txt"

# What the functions run on; terraform/modules/function has the same defaults. A dependency with compiled parts is
# fetched for this platform whatever machine builds.
PYTHON_VERSION = "3.13"
PLATFORM = "manylinux2014_aarch64"

# Three things make the zips the same bytes on every machine: the earliest time that a zip can hold, one mode for every
# file, and no compression, because each zlib compresses differently. So a zip has 5 MiB instead of 1.4, and Lambda
# accepts 50.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o100644 << 16
# pip's notes on how it installed: they differ between its versions, and no import reads them.
LEFT_OUT_NAMES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


class BuildError(Exception):
    """The zips could not be built; the message says why."""


def install_dependencies(folder: Path) -> None:
    """Install the locked dependencies into `folder`; BuildError when pip cannot."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--target", str(folder), "--requirement", str(REQUIREMENTS)]
    # --no-deps: the lock file lists every package but those of the runtime, which boto3 would drag in.
    command += ["--no-deps", "--require-hashes", "--no-compile", "--only-binary=:all:"]
    command += ["--platform", PLATFORM, "--implementation", "cp", "--python-version", PYTHON_VERSION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise BuildError(f"pip could not install {REQUIREMENTS.name} for the Lambda platform:\n{done.stderr.strip()}")


def dependencies_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what pip installed that belongs into a zip, with names relative to `folder`."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in parts and parts[0] != "bin" and path.name not in LEFT_OUT_NAMES:
            yield "/".join(parts), path.read_bytes()


def sources_in(package: Path) -> Iterator[tuple[str, bytes]]:
    """Yield our own modules in a package; what an editor or a tool left beside them is none.

    Lines end as in the repository, also where git was told to check them out otherwise (core.autocrlf).
    """
    for path in package.rglob("*.py"):
        yield path.relative_to(package.parent).as_posix(), path.read_bytes().replace(b"\r\n", b"\n")


def write_zip(target: Path, files: dict[str, bytes]) -> None:
    """Write `files` to `target` in the order of their names."""
    with zipfile.ZipFile(target, "w", compression=zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=TIMESTAMP)
            entry.external_attr = FILE_MODE
            entry.create_system = 3
            archive.writestr(entry, files[name])


def build(output: Path) -> list[Path]:
    """Build every function's zip into `output` and return the zips."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        dependencies = Path(scratch)
        install_dependencies(dependencies)
        common = dict(dependencies_in(dependencies))
        zips = []
        for function in FUNCTIONS:
            files = dict(common)
            for package in (SHARED, function):
                files |= sources_in(SOURCES / package)
            target = output / f"{function}.zip"
            write_zip(target, files)
            zips.append(target)
    return zips


def main() -> int:
    """Build the zips and print their sizes and checksums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=SOURCES.parent / "build", help="folder for the zips")
    arguments = parser.parse_args()
    try:
        zips = build(arguments.output)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in zips:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{path.name:24} {path.stat().st_size / 1024:8.0f} KiB  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
