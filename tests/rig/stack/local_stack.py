"""One local stack: the emulator, MiniStack, and terraform/examples/local applied to it."""

import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import boto3
from botocore.config import Config

from tests.rig.emulator.meter import Meter
from tests.rig.stack.process import STOP_SECONDS, Server, StartError, answers, free_port
from tests.rig.stack.terraform import EMULATOR_OVERRIDE, Terraform, emulator_override

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

Json = Any

REPOSITORY = Path(__file__).resolve().parents[3]
MINISTACK_PYTHON = REPOSITORY / ".venv" / "ministack" / "bin" / "python"
REGION = "us-east-1"
ACCOUNT = "000000000000"
# MiniStack takes this for both keys of the root user.
ROOT = "test"
START_SECONDS = 60
# terraform/variables.tf has the same.
DEFAULT_IMAGES_PER_SECOND = 3.0
# A port that was free may be taken before the server binds it.
START_ATTEMPTS = 3

# The packages of the functions' zips, unpacked for all stacks.
KEPT_CODE = REPOSITORY / "build" / "functions"
# MiniStack writes its state when it is told to stop.
SAVE_SECONDS = 60
# In a suspended stack: MiniStack's own files, and what this module knows of it.
STATE = "state"
FACTS = "facts.json"


class RefusedError(Exception):
    """A local part refused what it was told; the message says how."""


@dataclass(frozen=True)
class Model:
    """The two ARNs of the model that the stack is for."""

    project_arn: str = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/shapes/1700000000001"
    version_arn: str = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/shapes/version/shapes.2026-01-01/1700000000002"


@dataclass(frozen=True)
class VirtualTime:
    """How long a virtual second takes, and how many of them the model takes to start and to stop.

    The scale holds for Step Functions' waits and for the emulator. The functions' own clock runs in wall seconds, so
    what they measure is divided by the scale to compare.
    """

    scale: float = 0.05
    start_seconds: int = 600
    stop_seconds: int = 120

    def virtual(self, wall_seconds: float) -> float:
        """Return the virtual seconds of a duration on the functions' clock."""
        return wall_seconds / self.scale


class LocalStack:
    """A context manager that starts the parts, applies, and stops everything by its own pids."""

    def __init__(
        self,
        name: str,
        time: VirtualTime | None = None,
        model: Model | None = None,
        *,
        enforces_iam: bool = False,
        records_calls: bool = False,
        running_models: int = 2,
        keeps_state: bool = False,
        resumes: Path | None = None,
    ) -> None:
        """Name the stack; nothing is started yet.

        `enforces_iam`: roles and resource policies are checked, over TLS since the policies deny plain HTTP.
        `records_calls`: what each apply made is kept for `record`, which takes a second each time.
        `running_models`: the account's quota of them.
        `keeps_state`: the stack can be suspended once.
        `resumes`: the folder that a stack of the same name and settings was suspended into, which stays as it is.
        """
        self.name = name
        self.enforces_iam = enforces_iam
        self._running_models = running_models
        self._example = "local"
        self.time = time or VirtualTime()
        self.model = model or Model()
        self.outputs: dict[str, Any] = {}
        self.endpoint = ""
        self.emulator_url = ""
        self._wait_scale = self.time.scale
        self._records_calls = records_calls
        self._applied: list[list[dict[str, Any]]] = []
        self._servers: list[Server] = []
        self._folder = Path()
        # To make one takes longer than most calls.
        self._clients: dict[str, BaseClient] = {}
        self._keeps_state = keeps_state or resumes is not None
        self._resumes = resumes

    def __enter__(self) -> Self:
        """Start the emulator and MiniStack."""
        if not MINISTACK_PYTHON.exists():
            raise StartError(f"{MINISTACK_PYTHON} is missing: run `make setup` first")
        self._folder = Path(tempfile.mkdtemp(prefix="custom-labels-stack-"))
        try:
            # Each needs the other's address: MiniStack's port is chosen first.
            for attempt in range(1, START_ATTEMPTS + 1):
                port = free_port()
                self.endpoint = f"{'https' if self.enforces_iam else 'http'}://127.0.0.1:{port}"
                if self._resumes:
                    self._resume(self._resumes, port)
                try:
                    self._start_emulator()
                    self._start_ministack(port)
                except StartError:
                    self._stop_servers()
                    if attempt == START_ATTEMPTS:
                        raise
                else:
                    return self
        except BaseException:
            self.close()
            raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started and delete its files."""
        self.close()

    def close(self) -> None:
        """Stop what was started and delete its files; does nothing the second time."""
        self._stop_servers()
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)

    def suspend(self, folder: Path) -> None:
        """Stop the parts, and put all that it takes to go on into `folder`, which must not be there yet."""
        self._stop_servers(SAVE_SECONDS)
        folder.mkdir(parents=True)
        facts = {"port": self.endpoint.rsplit(":", 1)[1], "outputs": self.outputs, "applied": self._applied}
        (folder / FACTS).write_text(json.dumps(facts))
        shutil.copytree(self._folder / STATE, folder / STATE)
        shutil.copytree(self._repository, folder / self._repository.name, symlinks=True)

    def _resume(self, suspended: Path, port: int) -> None:
        """Copy a suspended stack here, and tell every part of it that it listens on `port` now."""
        for name in (STATE, self._repository.name):
            shutil.rmtree(self._folder / name, ignore_errors=True)
            shutil.copytree(suspended / name, self._folder / name, symlinks=True)
        facts = (suspended / FACTS).read_text()
        place = re.compile(rf"(?<=127\.0\.0\.1:|localhost:){json.loads(facts)['port']}\b")
        moved = json.loads(place.sub(str(port), facts))
        self.outputs, self._applied = moved["outputs"], moved["applied"]
        states = self.terraform.folder.glob("*.tfstate*")
        for file in (*(self._folder / STATE).glob("*.json"), *states):
            file.write_text(place.sub(str(port), file.read_text()))
        # A rate() counts from when the schedule was made: in this copy, now.
        schedules = self._folder / STATE / "scheduler.json"
        schedules.write_text(re.sub(r'(?<="CreationDate": )[\d.]+', str(time.time()), schedules.read_text()))

    @property
    def _repository(self) -> Path:
        """The copy of the repository's Terraform that this stack is applied from."""
        return self._folder / f"repository-{self.name}"

    @property
    def _certificate(self) -> Path:
        """Where MiniStack puts the certificate that it makes for itself."""
        return self._folder / "ministack" / "ministack-tls" / "server.crt"

    @property
    def _trust(self) -> dict[str, str]:
        """What makes an SDK trust that certificate."""
        return {"AWS_CA_BUNDLE": str(self._certificate)} if self.enforces_iam else {}

    def with_example(self, example: str, name: str, model: Model) -> Self:
        """Return the stack as another example, with a model of its own, has it; only this one starts and stops it."""
        other = copy(self)
        other.__dict__.pop("terraform", None)
        other.name, other.model, other.outputs, other._example = name, model, {}, example
        other._applied = []
        return other

    @cached_property
    def terraform(self) -> Terraform:
        """Terraform in a copy of the example, so that runs side by side share no state and no lock file."""
        folder = self._repository
        if not folder.exists():
            shutil.copytree(
                REPOSITORY / "terraform",
                folder / "terraform",
                ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"),
            )
            (folder / "build").symlink_to(REPOSITORY / "build")
        example = folder / "terraform" / "examples" / self._example
        if self._example != "local":
            # Examples for users know nothing of emulators.
            (example / EMULATOR_OVERRIDE).write_text(emulator_override(self.endpoint))
            return Terraform(example, {"name": self.name}, self._trust)
        variables = {
            "endpoint": self.endpoint,
            "name": self.name,
            "project_arn": self.model.project_arn,
            "project_version_arn": self.model.version_arn,
            # The module's default, in the functions' wall seconds: the model labels in virtual ones.
            "images_per_second_per_unit": str(DEFAULT_IMAGES_PER_SECOND / self.time.scale),
        }
        return Terraform(example, variables, self._trust)

    def apply(self, **variables: object) -> None:
        """Apply the local example, from now on with these variables too, and keep its outputs."""
        self.terraform.variables |= variables
        if not self.terraform.is_initialised:
            self.terraform.init()
        self.terraform.apply()
        self.outputs = self.terraform.outputs()
        if self._records_calls:
            self._applied.append(self.terraform.resources())

    def record(self, name: str = "", module: str = "") -> dict[str, Any]:
        """Return every call that a function's role made so far, and the resources of each apply, policies and all.

        `name`, `module`: of several copies of the module the one with that name, whose addresses begin so.
        """
        name = name or self.name
        record = self._tell("GET", f"{self.endpoint}/_calls")
        roles, calls = record["roles_of_access_keys"], {json.dumps(call): call for call in record["calls"]}
        for request in self.emulator("requests"):
            # The test's own requests are root's.
            if role := roles.get(request.get("access_key_id")):
                named = {"operation": request["operation"], "parameters": request["parameters"]}
                call = {"role": role, "service": "rekognition", **named}
                calls[json.dumps(call)] = call
        # The stack's servers may have other examples' roles too.
        own = [call for call in calls.values() if call["role"].startswith(f"{name}-")]
        applied = [[each for each in resources if each["address"].startswith(module)] for resources in self._applied]
        return {"name": name, "calls": own, "applied": applied}

    def sdk_settings(self) -> dict[str, str]:
        """Return the SDK's standard settings for a program that is to work on this stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_REKOGNITION": self.emulator_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **self._trust,
        }

    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["iam"]) -> "IAMClient": ...
    @overload
    def client(self, service: Literal["lambda"]) -> "LambdaClient": ...
    @overload
    def client(self, service: Literal["s3"]) -> "S3Client": ...
    @overload
    def client(self, service: Literal["scheduler"]) -> "EventBridgeSchedulerClient": ...
    @overload
    def client(self, service: Literal["sqs"]) -> "SQSClient": ...
    @overload
    def client(self, service: Literal["stepfunctions"]) -> "SFNClient": ...
    @overload
    def client(self, service: str) -> "BaseClient": ...
    def client(self, service: str) -> "BaseClient":
        """Return the client of the stack's `service`, with MiniStack's root credentials."""
        if service not in self._clients:
            self._clients[service] = self.connect(service)
        return self._clients[service]

    def connect(self, service: str, access_key_id: str = ROOT, secret_access_key: str = ROOT) -> "BaseClient":
        """Return a new client of the stack's `service`, with the credentials of an IAM user."""
        connect: Callable[..., BaseClient] = boto3.client
        return connect(
            service,
            endpoint_url=self.emulator_url if service == "rekognition" else self.endpoint,
            region_name=REGION,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            verify=str(self._certificate) if self.enforces_iam else None,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, max_pool_connections=50),
        )

    def meter(self) -> Meter:
        """Return what the emulator has metered of the stack's model, in virtual time."""
        meter: Meter = self.emulator("models")["models"][self.model.version_arn]
        return meter

    def emulator(self, what: str) -> Json:
        """Return the answer of one of the emulator's own addresses."""
        return self._tell("GET", f"{self.emulator_url}/_emulator/{what}")

    def post_emulator(self, path: str, **body: Json) -> Json:
        """Tell the emulator something; RefusedError when it refuses."""
        return self._tell("POST", f"{self.emulator_url}/_emulator/{path}", body)

    def add_model(self, model: Model) -> None:
        """Let the emulator have another model, which takes as long to start and to stop as the stack's own."""
        times = {"start_seconds": self.time.start_seconds, "stop_seconds": self.time.stop_seconds}
        self.post_emulator("models", project_arn=model.project_arn, project_version_arn=model.version_arn, **times)

    def clear_emulator_faults(self) -> None:
        """Take all faults of the emulator's calls away; what its models are set to stays."""
        self._tell("DELETE", f"{self.emulator_url}/_emulator/faults")

    def add_fault(self, **rule: Json) -> None:
        """Break requests of the functions to a service; the members are those of service_faults.Rule."""
        self._tell("POST", f"{self.endpoint}/_faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules in order, each with how many requests it `matched` and to how many it was `applied`."""
        rules: list[dict[str, Any]] = self._tell("GET", f"{self.endpoint}/_faults")["faults"]
        return rules

    def clear_faults(self) -> None:
        """Remove all rules."""
        self._tell("DELETE", f"{self.endpoint}/_faults")

    @contextmanager
    def set_wait_scale(self, scale: float) -> Iterator[None]:
        """Let Step Functions' waits take another share of their time meanwhile; the emulator's clock stays as it is."""
        before, self._wait_scale = self._wait_scale, scale
        try:
            self._tell_wait_scale()
            yield
        finally:
            self._wait_scale = before
            self._tell_wait_scale()

    def _tell_wait_scale(self) -> None:
        wanted = {"stepfunctions._SFN_WAIT_SCALE": self._wait_scale}
        # It answers 200 whatever it makes of it.
        if self._tell("POST", f"{self.endpoint}/_ministack/config", wanted) != {"applied": wanted}:
            raise RefusedError(f"MiniStack did not take {wanted}")

    def _tell(self, method: str, url: str, body: dict[str, Any] | None = None) -> Json:
        request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, method=method)
        trust = ssl.create_default_context(cafile=self._certificate) if url.startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=10, context=trust) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RefusedError(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}") from error

    def log(self, name: str) -> str:
        """Return all that one part has printed: "MiniStack", whose log holds the functions' too."""
        return next(server.log.read_text(errors="replace") for server in self._servers if server.name == name)

    def log_tail(self) -> str:
        """Return the end of what MiniStack and the functions printed, for a failure's report."""
        return "\n".join(f"--- {server.name}\n{server.last_lines(40)}" for server in self._servers)

    def _start_emulator(self) -> None:
        command = [sys.executable, "-m", "tests.rig.emulator", "--port", "0"]
        command += ["--project-arn", self.model.project_arn, "--project-version-arn", self.model.version_arn]
        command += ["--time-scale", str(self.time.scale), "--start-seconds", str(self.time.start_seconds)]
        command += ["--stop-seconds", str(self.time.stop_seconds)]
        command += ["--running-models-quota", str(self._running_models)]
        log = self._folder / "emulator.log"
        # It reads the images from the stack's S3.
        environment = self._environment() | {"AWS_ENDPOINT_URL": self.endpoint} | self._trust
        server = Server("the Custom Labels emulator", command, environment, REPOSITORY, log)
        self._servers.append(server)

        def announced() -> bool:
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith('{"url"'):
                    self.emulator_url = json.loads(line)["url"]
            return bool(self.emulator_url) and answers(f"{self.emulator_url}/_emulator/health")

        self.emulator_url = ""
        server.wait_until(announced, START_SECONDS)

    def _start_ministack(self, port: int) -> None:
        scratch = self._folder / "ministack"
        scratch.mkdir(exist_ok=True)
        # The functions inherit the server's environment; where it is and what to trust, it tells them itself.
        environment = self._environment() | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFN_WAIT_SCALE": str(self.time.scale),
            "TMPDIR": str(scratch),
            "AUTH": "true" if self.enforces_iam else "false",
            "USE_SSL": "1" if self.enforces_iam else "0",
            "PERSIST_STATE": "1" if self._keeps_state else "0",
            "STATE_DIR": str(self._folder / STATE),
            "KEPT_CODE": str(KEPT_CODE),
            "PYTHONDONTWRITEBYTECODE": "",
            # The functions inherit it, as they inherit a region on AWS: the SDK's standard setting for one service.
            "AWS_ENDPOINT_URL_REKOGNITION": self.emulator_url,
        }
        command = [str(MINISTACK_PYTHON), str(Path(__file__).with_name("ministack_main.py"))]
        server = Server("MiniStack", command, environment, scratch, self._folder / "ministack.log")
        self._servers.append(server)
        server.wait_until(lambda: answers(f"{self.endpoint}/_ministack/health", self._certificate), START_SECONDS)

    def _environment(self) -> dict[str, str]:
        # No AWS setting of the person's own may reach a local part, and none may make it call out.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONUNBUFFERED": "1",
        }

    def _stop_servers(self, seconds: float = STOP_SECONDS) -> None:
        # MiniStack waits for open connections before it ends.
        while self._clients:
            self._clients.popitem()[1].close()
        while self._servers:
            self._servers.pop().stop(seconds)
