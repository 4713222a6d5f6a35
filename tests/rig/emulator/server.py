"""The service over HTTP: AWS JSON 1.1, and a control API for tests under ``/_emulator/``."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.rig.emulator.contract import encode_answer
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.faults import Fault
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.numbers import is_whole
from tests.rig.emulator.service import Service

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

LOG = logging.getLogger(__name__)

TARGET_PREFIX = "RekognitionService."

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
SIGNER = re.compile(r"Credential=([^/,]+)/")

HOST = "127.0.0.1"
"""The only address served: the control API is for this machine."""


class _RequestHandler(WSGIRequestHandler):
    # werkzeug answers each request with "Connection: close" and reads on until the client is silent, so a
    # connection carries one request whatever is set here. The SDK reconnects by itself.
    protocol_version = "HTTP/1.1"
    # werkzeug writes head and body apart: without this the body may wait for the head's acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        LOG.debug("%s %s %s %s", self.command, self.path, code, size)


class ControlError(Exception):
    """A request to the control API that cannot be met; ``status`` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Application:
    """The WSGI application around one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._routes: dict[tuple[str, str], Callable[[Request], object]] = {
            ("GET", "/_emulator/health"): self._health,
            ("GET", "/_emulator/models"): self._models,
            ("POST", "/_emulator/models"): self._add_model,
            ("POST", "/_emulator/models/start"): self._start_model,
            ("POST", "/_emulator/models/stop"): self._stop_model,
            ("POST", "/_emulator/models/fail"): self._fail_model,
            ("POST", "/_emulator/models/delete"): self._delete_model,
            ("POST", "/_emulator/models/reset"): self._reset_model,
            ("POST", "/_emulator/models/settings"): self._configure_model,
            ("GET", "/_emulator/faults"): self._faults,
            ("POST", "/_emulator/faults"): self._add_fault,
            ("DELETE", "/_emulator/faults"): self._clear_faults,
            ("GET", "/_emulator/requests"): self._requests,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request (PEP 3333)."""
        request = Request(environ)
        answer = self._control if request.path.startswith("/_emulator/") else self._operation
        return answer(request)(environ, start_response)

    def _operation(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        headers = {"x-amzn-RequestId": request_id}
        try:
            target = request.headers.get("X-Amz-Target", "")
            if request.method != "POST" or request.path != "/" or not target.startswith(TARGET_PREFIX):
                raise ServiceError("UnknownOperationException", "Not an operation of Rekognition.")
            signer = SIGNER.search(request.headers.get("Authorization", ""))
            operation, signed_with = target.removeprefix(TARGET_PREFIX), signer[1] if signer else None
            answer = self._service.call(operation, request.get_data(), time.sleep, signed_with)
            body = encode_answer(answer)
            status = 200
        except ServiceError as error:
            status = error.http_status
            headers["x-amzn-ErrorType"] = error.code
            body = json.dumps(
                {
                    "__type": error.code,
                    "Code": error.code,
                    "Logref": request_id,
                    "Message": error.message,
                }
            ).encode()
        return Response(body, status, headers, content_type="application/x-amz-json-1.1")

    def _control(self, request: Request) -> Response:
        try:
            route = self._routes.get((request.method, request.path))
            if route is None:
                raise ControlError(404, f"there is no {request.method} {request.path}")
            status, answer = 200, route(request)
        except ControlError as error:
            status, answer = error.status, {"error": str(error)}
        except ServiceError as error:
            status, answer = 409, {"error": error.message, "code": error.code}
        return Response(json.dumps(answer), status, content_type="application/json")

    def _health(self, _request: Request) -> object:
        return {"status": "ok"}

    def _models(self, _request: Request) -> object:
        clock = self._service.clock
        meters = self._service.meters()
        return {"virtual_seconds": clock.now(), "time_scale": clock.time_scale, "models": meters}

    def _requests(self, _request: Request) -> object:
        return self._service.requests()

    def _add_model(self, request: Request) -> object:
        options = _members(request, {"project_arn", "project_version_arn"}, _names(ModelSettings))
        arns = options.pop("project_arn"), options.pop("project_version_arn")
        try:
            self._service.register(*arns, ModelSettings(**options))
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        return {"project_version_arn": arns[1]}

    def _start_model(self, request: Request) -> object:
        options = _members(request, {"project_version_arn"}, {"min_inference_units"})
        units = options.get("min_inference_units", 1)
        if not is_whole(units) or units < 1:
            raise ControlError(400, "min_inference_units must be a whole number, 1 or more")
        return {"status": self._service.start(options["project_version_arn"], units, "someone else started it")}

    def _stop_model(self, request: Request) -> object:
        return {"status": self._service.stop(_arn(request), "someone else stopped it")}

    def _fail_model(self, request: Request) -> object:
        return {"status": self._service.fail(_arn(request))}

    def _delete_model(self, request: Request) -> object:
        return {"status": self._service.delete(_arn(request))}

    def _reset_model(self, request: Request) -> object:
        return {"status": self._service.reset(_arn(request))}

    def _configure_model(self, request: Request) -> object:
        options = _members(request, {"project_version_arn"}, _names(ModelSettings))
        try:
            settings = self._service.configure(options.pop("project_version_arn"), **options)
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        return {"settings": asdict(settings)}

    def _faults(self, _request: Request) -> object:
        return self._service.faults()

    def _add_fault(self, request: Request) -> object:
        required = {"project_version_arn", "operation"}
        options = _members(request, required, _names(Fault) - required)
        try:
            fault = Fault(**options)
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        return {"id": self._service.add_fault(fault)}

    def _clear_faults(self, request: Request) -> object:
        fault_id = _members(request, set(), {"id"}).get("id")
        if fault_id is not None and not str(fault_id).isdecimal():
            raise ControlError(400, "id must be a whole number")
        removed = self._service.clear_faults(None if fault_id is None else int(fault_id))
        if fault_id is not None and not removed:
            raise ControlError(404, f"there is no fault {fault_id}")
        return {"removed": removed}


def _names(settings: type) -> set[str]:
    return {field.name for field in fields(settings)}


def _arn(request: Request) -> str:
    arn: str = _members(request, {"project_version_arn"}, set())["project_version_arn"]
    return arn


def _members(request: Request, required: set[str], optional: set[str]) -> dict[str, Any]:
    """The JSON object in a control request, or the query of one that has no body.

    A misspelt option must not pass for the default.
    """
    try:
        body = request.get_data()
        members = json.loads(body) if body else request.args.to_dict()
    except ValueError as error:
        raise ControlError(400, "the body is not JSON") from error
    if not isinstance(members, dict):
        raise ControlError(400, "the body is not a JSON object")
    if missing := required - members.keys():
        raise ControlError(400, f"missing: {', '.join(sorted(missing))}")
    if unknown := members.keys() - required - optional:
        raise ControlError(400, f"unknown: {', '.join(sorted(unknown))}")
    for name in required:
        if not isinstance(members[name], str):
            raise ControlError(400, f"{name} must be a string")
    return members


def bind(service: Service, port: int = 0) -> BaseWSGIServer:
    """A server that listens on ``port`` of this machine, 0 for a free one; ``OSError`` when it is taken.

    ``serve_forever()`` answers requests, one thread each; ``port`` is the port.
    """
    # Bound here, because werkzeug prints several lines and exits when it cannot.
    with socket.create_server((HOST, port), backlog=128) as listener:
        actual_port = listener.getsockname()[1]
        return make_server(
            HOST,
            actual_port,
            Application(service),
            threaded=True,
            request_handler=_RequestHandler,
            fd=listener.fileno(),
        )


@contextmanager
def running(service: Service, port: int = 0) -> Iterator[str]:
    """Serve from a thread of this process; gives the URL."""
    server = bind(service, port)
    thread = threading.Thread(
        target=server.serve_forever,
        # Seconds between looks at whether to end.
        args=(0.05,),
        name="rekognition-emulator",
        daemon=True,
    )
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
