"""Runs the pipeline on pictures, shows it going on, and ends with what it did and what it would cost.

Usage: python -m tests.demo [--images FOLDER] [--output build/demo] [--keep]
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.demo.report import Costs, failures, table
from tests.stack import invariants, pictures, runs, terraform
from tests.stack.local_stack import REPOSITORY, LocalStack, VirtualTime
from tests.stack.process import StartError

NAME = "demo"
# One virtual second in a twentieth of a wall second: a start of ten minutes passes in half a minute.
TIME = VirtualTime(scale=0.05, start_seconds=600, stop_seconds=120)
RUN_SECONDS = 600
# The folders of the final bucket, which are left under the output folder.
WRITTEN = ("processed", "failed", "runs")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


class Watcher:
    """Prints a line whenever the model or the images have moved on, or the run enters a state for the first time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began: float | None = None
        self._last: tuple[str, int] | None = None
        self._seen: set[str] = set()

    def __call__(self, progress: runs.Progress) -> None:
        """Look at one look."""
        if self._began is None:
            self._began = progress.virtual_seconds
        now = (progress.model_status, progress.images_done)
        if now != self._last or progress.state not in self._seen:
            self._last = now
            self._seen.add(progress.state)
            minutes, seconds = divmod(int(progress.virtual_seconds - self._began), 60)
            done = f"{progress.images_done} of {self._total} images"
            say(f"  {minutes:3}:{seconds:02}  model {progress.model_status:18}  {done:18}  {progress.state}")


def prepare(images: Path | None, output: Path) -> tuple[Path, list[pictures.Picture]]:
    """Return the folder to upload and its pictures; ValueError when a folder of the person's holds none."""
    if images is not None:
        return images, pictures.collect(images)
    folder = output / "images"
    shutil.rmtree(folder, ignore_errors=True)
    return folder, pictures.write_default_set(folder)


def download(stack: LocalStack, output: Path) -> None:
    """Leave the final bucket's contents under the output folder for people to open."""
    s3, bucket = stack.client("s3"), stack.outputs["final_bucket_name"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            target = output / item["Key"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())


def hold(stack: LocalStack) -> None:
    """Keep the stack up for the tools of the desk, until somebody presses Ctrl-C."""
    say("")
    say("The stack stays up until you press Ctrl-C. In another shell:")
    say("  export " + " ".join(f"{name}={value}" for name, value in stack.sdk_settings().items()))
    say(f"  make status NAME={stack.name}")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def demonstrate(images: Path | None, output: Path, *, keep: bool = False) -> int:
    """Run the demo; return its exit code."""
    terraform.binary()
    try:
        folder, chosen = prepare(images, output)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # Only what a demo writes: the folder may be anybody's, and hold the pictures too.
    for written in WRITTEN:
        shutil.rmtree(output / written, ignore_errors=True)
    began = time.monotonic()
    say("Starting the local parts (MiniStack for AWS, our emulator for Rekognition Custom Labels) …")
    with LocalStack(NAME, TIME) as stack:
        say(f"  AWS at {stack.endpoint}, Custom Labels at {stack.emulator_url}")
        say("terraform apply of terraform/examples/local (about a minute, mostly the provider waiting for queues) …")
        stack.apply()
        say(f"Uploading {len(chosen)} images to s3://{stack.outputs['source_bucket_name']} …")
        uploads = invariants.upload_folder(stack, folder, [picture.key for picture in chosen])
        say(
            f"Starting the scheduled workflow now. Time below is virtual: {1 / TIME.scale:.0f} times faster than yours."
        )
        execution = runs.wait_for_run(stack, runs.start_run(stack), RUN_SECONDS, Watcher(len(chosen)))
        starts = stack.meter()["starts"]
        idle = runs.run(stack)
        entered = len(runs.states_entered(stack, idle["executionArn"]))
        say(f"Started it once more, over an empty queue: it entered {entered} states and started no model.")
        broken = invariants.broken(stack, uploads)
        if idle["status"] != "SUCCEEDED" or stack.meter()["starts"] != starts:
            broken.append("I5: a run over an empty queue started the model")
        final = invariants.final_bucket(stack)
        receipt = runs.receipt(stack, execution)
        download(stack, output)
        say("")
        say(table(Costs.of(stack, receipt), receipt))
        for line in failures(final):
            say(line)
        if keep:
            hold(stack)
    say("")
    say(f"Results, failures and receipts: {relative(output)} ({time.monotonic() - began:.0f} s in all)")
    if execution["status"] != "SUCCEEDED":
        broken.append(f"the run {execution['status']}: {execution.get('error')}: {execution.get('cause')}")
    for fault in broken:
        say(f"BROKEN {fault}")
    if not broken:
        say("Checked: nothing lost (I1), nothing doubled (I2), no model left running (I3).")
    return 1 if broken else 0


def relative(path: Path) -> str:
    """Return a path as a person would type it here."""
    return os.path.relpath(path, REPOSITORY) if path.is_relative_to(REPOSITORY) else str(path)


def interrupt(signal_number: int, frame: Any) -> None:  # noqa: ANN401, ARG001
    """Turn a polite kill into an exception, so that what was started is stopped."""
    sys.exit(128 + signal_number)


def main() -> int:
    """Parse the arguments, run the demo, and turn what can go wrong into one line."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="Run the pipeline on this machine.")
    parser.add_argument("--images", type=Path, help="a folder of your own pictures")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "demo", help="where results are left")
    parser.add_argument("--keep", action="store_true", help="leave the local stack up until Ctrl-C")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return demonstrate(arguments.images, arguments.output, keep=arguments.keep)
    except KeyboardInterrupt:
        return 130
    except (StartError, terraform.TerraformError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
