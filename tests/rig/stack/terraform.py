"""Terraform with the providers of this machine where there are any, and those of its registry elsewhere."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

# Where machines without access to a registry keep provider mirrors.
SYSTEM_ROOTS = (Path("/opt"), Path("/usr/share"), Path("/usr/local/share"))

# Far more than any command takes beside other work. What takes longer hangs, and the test has to say in which command.
COMMAND_SECONDS = 500

PLUGIN_CACHE = Path(__file__).resolve().parents[3] / ".venv" / "terraform-plugins"


LOCK_FILE = ".terraform.lock.hcl"
HASHES = re.compile(r"^  hashes = \[.*?^  \]\n", re.MULTILINE | re.DOTALL)


# The services that the module and the examples use, by the provider's names for them.
SERVICES = (
    "athena",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "events",
    "firehose",
    "glue",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "s3control",
    "scheduler",
    "sfn",
    "sns",
    "sqs",
    "sts",
)
# Of a terraform.tfstate.
STATE_VERSION = 4
# Terraform lays such a file over the provider block of main.tf.
EMULATOR_OVERRIDE = "emulator_override.tf"


class TerraformError(Exception):
    """Terraform is missing or a command of it failed; the message says what it said."""


def binary() -> str:
    """Return the path of the binary that TERRAFORM names, `terraform` by default; TerraformError when there is none."""
    name = os.environ.get("TERRAFORM") or "terraform"
    found = shutil.which(name)
    if not found:
        raise TerraformError(
            f"no {name} binary on PATH: install Terraform 1.9 or newer (developer.hashicorp.com/terraform/install), "
            "or set TERRAFORM to its path"
        )
    return found


def version() -> str:
    """Return the version of the binary and the platform that it is for."""
    told = json.loads(
        subprocess.run([binary(), "version", "-json"], env=environment(), capture_output=True, check=True).stdout
    )
    return f"{told['terraform_version']} {told['platform']}"


def plugin_dir() -> Path | None:
    """Return a folder with a provider mirror: TF_PLUGIN_DIR, or one found in the usual roots; None without one."""
    named = os.environ.get("TF_PLUGIN_DIR")
    if named:
        return Path(named)
    home = Path.home()
    for root in (*SYSTEM_ROOTS, home, home / ".terraform.d"):
        for provider in sorted(root.glob("*/*/hashicorp/aws")):
            return provider.parents[2]
    return None


def environment() -> dict[str, str]:
    """Return the environment for Terraform's calls."""
    kept = dict(os.environ)
    configuration = kept.get("TF_CLI_CONFIG_FILE")
    if configuration and not Path(configuration).exists():
        # Terraform warns on every call about a configuration file that is named and missing.
        del kept["TF_CLI_CONFIG_FILE"]
    if plugin_dir() is None and "TF_PLUGIN_CACHE_DIR" not in kept:
        # From the registry each init would fetch the provider, of some hundred megabytes, once more.
        PLUGIN_CACHE.mkdir(parents=True, exist_ok=True)
        kept |= {"TF_PLUGIN_CACHE_DIR": str(PLUGIN_CACHE), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"}
    # Terraform reads the provider's schema, many megabytes, in every command: fewer garbage collections save a fourth
    # of its processor's time.
    return {"GOGC": "400"} | kept | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def emulator_override(endpoint: str) -> str:
    """Return what sends every call of a root's AWS provider to an emulator, with keys that no account knows."""
    settings = [
        'access_key = "test"',
        'secret_key = "test"',
        "s3_use_path_style = true",
        "skip_credentials_validation = true",
        "skip_metadata_api_check = true",
        "skip_region_validation = true",
        "endpoints {",
        *(f'  {service} = "{endpoint}"' for service in SERVICES),
        "}",
    ]
    return "\n".join(['provider "aws" {', *(f"  {line}" for line in settings), "}", ""])


class Terraform:
    """Commands in one root module's folder."""

    def __init__(
        self, folder: Path, variables: dict[str, str] | None = None, extra: dict[str, str] | None = None
    ) -> None:
        """`extra` is added to the environment."""
        self.folder = folder
        self._extra = extra or {}
        self.variables: dict[str, object] = dict(variables or {})

    @property
    def is_initialised(self) -> bool:
        """Whether `init` was done here, or in the folder that this one is a copy of."""
        return (self.folder / ".terraform").exists()

    def init(self) -> None:
        """Initialise without a backend. The folder is a copy: its lock file has no hashes afterwards."""
        mirror = plugin_dir()
        self.run("init", "-backend=false", *([f"-plugin-dir={mirror}"] if mirror else []))
        lock = self.folder / LOCK_FILE
        # To compare them, each command would read all 700 MB of the provider once more.
        if lock.exists():
            lock.write_text(HASHES.sub("", lock.read_text()))

    def apply(self) -> None:
        """Apply without asking."""
        self.run("apply", "-auto-approve", "-parallelism=30", *self._arguments())

    def destroy(self, *, refresh: bool = True) -> None:
        """Destroy without asking; `refresh`: look first what is still there."""
        unrefreshed = [] if refresh else ["-refresh=false"]
        self.run("destroy", "-auto-approve", "-parallelism=30", *unrefreshed, *self._arguments())

    def outputs(self) -> dict[str, Any]:
        """Return the values of the outputs."""
        return {name: output["value"] for name, output in self._state()["outputs"].items()}

    def resources(self) -> list[dict[str, Any]]:
        """Return what was applied: each resource with its `address`, `type` and `values`."""
        return [
            {"address": _address(resource, instance), "type": resource["type"], "values": instance["attributes"]}
            for resource in self._state()["resources"]
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        ]

    def _state(self) -> dict[str, Any]:
        """Return what Terraform keeps. Its own commands for that take seconds: they start the provider for its schema.

        https://developer.hashicorp.com/terraform/internals/json-format says the same in other words.
        """
        state: dict[str, Any] = json.loads((self.folder / "terraform.tfstate").read_text())
        if state["version"] != STATE_VERSION:
            raise TerraformError(f"the state in {self.folder} has format {state['version']}, not {STATE_VERSION}")
        return state

    def plan(self) -> dict[str, Any]:
        """Plan and return the plan."""
        plan = self.folder / "again.tfplan"
        self.run("plan", f"-out={plan}", *self._arguments())
        shown: dict[str, Any] = json.loads(self.run("show", "-json", str(plan)))
        return shown

    def planned_changes(self) -> list[str]:
        """Return the addresses that a plan would change, with what it would do to them.

        https://developer.hashicorp.com/terraform/internals/machine-readable-ui
        """
        said = [json.loads(line) for line in self.run("plan", "-json", *self._arguments()).splitlines()]
        changes = [each["change"] for each in said if each["type"] == "planned_change"]
        return [
            f"{change['resource']['addr']}: {change['action']}"
            for change in changes
            if change["action"] not in ("noop", "read")
        ]

    def _arguments(self) -> list[str]:
        return [f"-var={name}={value}" for name, value in self.variables.items()]

    def run(self, *arguments: str) -> str:
        """Run one command and return what it printed; TerraformError with its errors when it failed."""
        try:
            done = subprocess.run(
                [binary(), arguments[0], "-no-color", *arguments[1:]],
                cwd=self.folder,
                env=environment() | self._extra,
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            printed = (error.stdout or b"").decode(errors="replace")
            raise TerraformError(
                f"terraform {arguments[0]} in {self.folder} did not end within {COMMAND_SECONDS} s and was killed; "
                f"it had printed:\n{printed}"
            ) from error
        if done.returncode:
            raise TerraformError(f"terraform {arguments[0]} failed in {self.folder}:\n{done.stderr or done.stdout}")
        return done.stdout


def _address(resource: dict[str, Any], instance: dict[str, Any]) -> str:
    key = instance.get("index_key")
    name = f"{resource['type']}.{resource['name']}" + ("" if key is None else f"[{json.dumps(key)}]")
    return f"{resource['module']}.{name}" if "module" in resource else name
