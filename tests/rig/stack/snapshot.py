"""The local example, applied once and kept: a test's stack starts from a copy, in seconds instead of minutes.

A snapshot lies in build/stack/ under the hash of all that went into it. It gets there by a rename once it is whole, and
one that was damaged since is made anew. Everybody who makes, looks at or copies one holds the folder's lock: two runs
side by side never see one that is being written.
"""

import fcntl
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.rig.stack import terraform
from tests.rig.stack.local_stack import ACCOUNT, REGION, REPOSITORY, LocalStack, VirtualTime
from tools.aws_permissions import planned, policy

FOLDER = REPOSITORY / "build" / "stack"
NAME = "e2e"

# Step Functions' waits and the emulator take a tenth of their time. The three virtual minutes in which an image has to
# get done are 18 s then, which cold starts on a machine with other work do not take.
SCALE = 0.1
# The shortest start and stop of the model that still have a middle to disturb.
TIME = VirtualTime(scale=SCALE, start_seconds=20, stop_seconds=20)

# Most drawings have one, with a confidence of more than this, and some have none.
ALERT_LABELS = {"red-circle": 90}
# What the example is applied with, beside its defaults.
VARIABLES: dict[str, object] = {"alert_labels": json.dumps(ALERT_LABELS), "query_enabled": "true"}

# What a snapshot is called until it is whole.
UNFINISHED = "unfinished"
# The hashes of a snapshot's files.
MANIFEST = "manifest.json"
# Terraform's override that makes it work as the deploying user, and its name while it is put aside: other applies are
# root's.
OVERRIDE = "override.tf"
ASIDE = "override.tf.aside"

# What decides what is applied, and how the stack was closed off against MiniStack's laxness.
SOURCES = (
    "terraform/**/*.tf",
    "terraform/**/*.json",
    "terraform/**/*.sql",
    "build/*.zip",
    "tests/rig/stack/*",
    "tests/rig/emulator/*.py",
    "tests/requirements.txt",
    "tools/aws_permissions.py",
)

# Of these MiniStack checks the action and not the resource that AWS checks: of a call about tags and of what is created
# it finds none, nor of alarms that are deleted, for there may be several; it names a rule by its bus, and a schedule by
# the default group. Of Athena and Glue it finds none.
MISPLACED = re.compile(r"Tag|^athena:|^glue:|^events:|^lambda:Create|^cloudwatch:DeleteAlarms$|^scheduler:\w+Schedule$")


def key() -> str:
    """Return the hash of all that goes into a snapshot."""
    digest = hashlib.sha256(json.dumps([terraform.version(), str(terraform.plugin_dir()), sys.version]).encode())
    for path in sorted({path for pattern in SOURCES for path in REPOSITORY.glob(pattern)}):
        if path.is_file() and ".terraform" not in path.parts:
            name = path.relative_to(REPOSITORY).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


@contextmanager
def copy() -> Iterator[LocalStack]:
    """Start a stack from the snapshot, which is made first if there is none."""
    with ExitStack() as stop:
        with whole() as folder:
            resumed = LocalStack(NAME, TIME, enforces_iam=True, records_calls=True, resumes=folder)
            stack = stop.enter_context(resumed)
        stack.terraform.variables |= VARIABLES
        yield stack


@contextmanager
def deployer(stack: LocalStack) -> Iterator[None]:
    """Let Terraform work as the user who applied the snapshot, with the policy that `make aws-permissions` prints."""
    aside, override = (stack.terraform.folder / name for name in (ASIDE, OVERRIDE))
    aside.rename(override)
    try:
        yield
    finally:
        override.rename(aside)


@contextmanager
def whole() -> Iterator[Path]:
    """Hold on to a whole snapshot, which is made first if there is none; nobody deletes it meanwhile."""
    folder = FOLDER / key()
    while True:
        with _lock(fcntl.LOCK_SH):
            if is_whole(folder):
                yield folder
                return
        with _lock(fcntl.LOCK_EX):
            if not is_whole(folder):
                _make(folder)


@contextmanager
def _lock(kind: int) -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    # The kernel lets go of it when its holder dies.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, kind)
        yield


def is_whole(folder: Path) -> bool:
    """Whether a snapshot has exactly the files that it was made with."""
    try:
        return bool(json.loads((folder / MANIFEST).read_text()) == _hashes(folder))
    except (OSError, ValueError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    # Links lead out of it: to the provider, whose name is in the key, and to the zips, whose hashes are.
    own = [path for path in files if path.resolve().is_relative_to(folder.resolve())]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in own}


def _make(folder: Path) -> None:
    for old in FOLDER.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    unfinished = FOLDER / UNFINISHED
    _apply(unfinished)
    (unfinished / MANIFEST).write_text(json.dumps(_hashes(unfinished)))
    unfinished.rename(folder)


def _apply(folder: Path) -> None:
    """Apply the example as the deploying user, and put the stack into `folder`."""
    with LocalStack(NAME, TIME, enforces_iam=True, records_calls=True, keeps_state=True) as stack:
        stack.terraform.init()
        stack.terraform.variables |= VARIABLES
        override = stack.terraform.folder / OVERRIDE
        override.write_text(_provider(*_make_deployer(stack)))
        stack.apply()
        override.rename(override.with_name(ASIDE))
        stack.suspend(folder)


def _make_deployer(stack: LocalStack) -> tuple[str, str]:
    """Make a user with the printed policy; return its access key."""
    made = policy(planned(stack.terraform.plan()), stack.name, "aws", REGION, ACCOUNT)
    actions = sorted({action for one in made["Statement"] for action in one["Action"]})
    misplaced = [action for action in actions if MISPLACED.search(action)]
    made["Statement"].append({"Effect": "Allow", "Action": misplaced, "Resource": "*"})
    iam = stack.client("iam")
    iam.create_user(UserName="deployer")
    iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(made))
    key_pair = iam.create_access_key(UserName="deployer")["AccessKey"]
    return key_pair["AccessKeyId"], key_pair["SecretAccessKey"]


def _provider(access_key: str, secret_key: str) -> str:
    """Return what Terraform lays over the example's provider, whose keys are root's."""
    return f'provider "aws" {{\n  access_key = "{access_key}"\n  secret_key = "{secret_key}"\n}}\n'


if __name__ == "__main__":
    with whole() as snapshot:
        print(f"The applied stack that the end-to-end tests start from: {snapshot.relative_to(REPOSITORY)}")
