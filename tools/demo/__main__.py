"""Runs the pipeline on pictures, shows it going on, and ends with what it did and what it would cost.

Usage: python -m tools.demo [--images FOLDER] [--output build/demo] [--keep]
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tests.rig.stack import invariants, pictures, runs, terraform
from tests.rig.stack.local_stack import REPOSITORY, LocalStack, VirtualTime
from tests.rig.stack.process import StartError
from tools.demo import report
from tools.demo.report import Costs, Run, Seen
from tools.report import FinalBucket, OfRun, ReportError, build_report
from tools.switches import yes_or_no
from tools.terminal import complain, say

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

NAME = "demo"
# One virtual second in a twentieth of a wall second: a start of ten minutes passes in half a minute.
TIME = VirtualTime(scale=0.05, start_seconds=600, stop_seconds=120)
RUN_SECONDS = 600
# The folders of the final bucket, which are left under the output folder.
WRITTEN = ("processed", "failed", "runs")


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
        if any(images.resolve().is_relative_to((output / written).resolve()) for written in WRITTEN):
            raise ValueError(f"The demo empties {images}, where it leaves its results: copy the pictures elsewhere.")
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


def report_on(stack: LocalStack, seen: Seen, folder: Path) -> str:
    """Leave a report about the run for people to look at; return where it is, or why there is none."""
    final = FinalBucket(stack.client("s3"), stack.outputs["final_bucket_name"])
    faster = f"{1 / TIME.scale:.0f}"
    note = (
        f"the demo's time is {faster} times faster, but not on the functions' clock: multiply the run's times and its "
        f"cost by {faster}"
    )
    try:
        made = build_report(final, OfRun(seen.run.execution["name"]), folder, title=NAME, notes=[note])
    except ReportError as error:
        return f"There is no report: {error}"
    return f"Report: {relative(made.index)}"


def hold(stack: LocalStack) -> None:
    """Keep the stack up for the tools of the desk, until somebody presses Ctrl-C."""
    say("", "The stack stays up until you press Ctrl-C. In another shell:")
    say("  export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in stack.sdk_settings().items()))
    say(f"  make status NAME={stack.name}")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def ended(stack: LocalStack, execution: "DescribeExecutionOutputTypeDef") -> Run:
    """Return a run that has ended, with its receipt if it left one."""
    try:
        return Run(execution, runs.receipt(stack, execution))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return Run(execution, None)


def run_twice(stack: LocalStack, folder: Path, keys: list[str]) -> Seen:
    """Upload, run, run once more over what should be nothing, and look at what is there then."""
    say(f"Uploading {len(keys)} images to s3://{stack.outputs['source_bucket_name']} …")
    uploads = invariants.upload_folder(stack, folder, keys)
    say(f"Starting the scheduled workflow now. Time below is virtual: {1 / TIME.scale:.0f} times faster than yours.")
    run = ended(stack, runs.wait_for_run(stack, runs.start_run(stack), RUN_SECONDS, Watcher(len(keys))))
    queued, starts = invariants.messages(stack, "queue_url"), stack.meter()["starts"]
    second = ended(stack, runs.run(stack, seconds=RUN_SECONDS))
    in_source = invariants.waiting_in_source(stack)
    return Seen(
        run=run,
        second=second,
        queued=queued,
        states=len(runs.states_entered(stack, second.execution["executionArn"])),
        starts=stack.meter()["starts"] - starts,
        waiting=[upload.key for upload in uploads if (upload.key, upload.etag) in in_source],
        final=invariants.final_bucket(stack),
        costs=Costs.of(stack, run.receipt),
        broken=invariants.broken(stack, uploads),
    )


def demonstrate(images: Path | None, output: Path, *, keep: bool = False) -> int:
    """Run the demo; return its exit code."""
    terraform.binary()
    try:
        folder, chosen = prepare(images, output)
    except ValueError as error:
        complain(error)
        return 1
    if others := pictures.left_out(folder):
        say(f"{len(others)} of the folder's files are left out: S3 tells of {', '.join(pictures.SUFFIXES)} only.")
    # Only what a demo writes: the folder may be anybody's, and hold the pictures too.
    for written in WRITTEN:
        shutil.rmtree(output / written, ignore_errors=True)
    began = time.monotonic()
    say("Starting the local parts (MiniStack for AWS, our emulator for Rekognition Custom Labels) …")
    with LocalStack(NAME, TIME) as stack:
        say(f"  AWS at {stack.endpoint}, Custom Labels at {stack.emulator_url}")
        say("terraform apply of terraform/examples/local (about a minute, mostly the provider waiting for queues) …")
        stack.apply()
        seen = run_twice(stack, folder, [picture.key for picture in chosen])
        broken = report.faults(seen)
        say(report.second_run(seen), "", *report.table(seen), *report.failures(seen.final), "")
        download(stack, output)
        say(f"Results, failures and receipts: {relative(output)} ({time.monotonic() - began:.0f} s in all)")
        say(*report.verdict(broken))
        say(report_on(stack, seen, output / "report"))
        if keep:
            hold(stack)
    return 1 if broken else 0


def relative(path: Path) -> str:
    """Return a path as a person would type it here."""
    return os.path.relpath(path, REPOSITORY) if path.is_relative_to(REPOSITORY) else str(path)


def interrupt(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Turn a polite kill into an exception, so that what was started is stopped."""
    sys.exit(128 + signal_number)


def main() -> int:
    """Parse the arguments, run the demo, and turn what can go wrong into one line."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description="Run the pipeline on this machine.")
    parser.add_argument("--images", type=Path, help="a folder of your own pictures")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "demo", help="where results are left")
    parser.add_argument(
        "--keep", nargs="?", type=yes_or_no, const=True, default=False, help="leave the local stack up until Ctrl-C"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return demonstrate(arguments.images, arguments.output, keep=arguments.keep)
    except KeyboardInterrupt:
        return 130
    except (StartError, terraform.TerraformError, OSError) as error:
        # They end with what a part printed, in many lines.
        say(*f"error: {error}".split("\n"), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
