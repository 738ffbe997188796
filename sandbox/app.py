"""The web application: which service a path belongs to, planned faults, and the log of what passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.control import routes as control
from sandbox.faults import spoil_answer
from sandbox.http_log import HttpExchange
from sandbox.msg91 import routes as msg91_routes
from sandbox.razorpay import routes as razorpay_routes
from sandbox.settings import is_loopback
from sandbox.state import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LARGEST_BODY = 5 * 1024 * 1024

Handler = Callable[[World, Request, str], Response]
SERVICES: dict[str, tuple[Handler, Callable[[int], Response]]] = {
    "razorpay": (razorpay_routes.handle, razorpay_routes.error),
    "msg91": (msg91_routes.handle, msg91_routes.error),
}


class SandboxApp:
    """The WSGI application of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = _LARGEST_BODY
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if not _is_local(request):
            return Response("The sandbox answers requests of its own machine only.\n", status=403)
        service, _, rest = request.path.lstrip("/").partition("/")
        if service in SERVICES:
            return self._imitate(request, service, f"/{rest}")
        if service == "__sim__":
            return control.handle(self.world, request, f"/{rest}")
        if request.path == "/":
            return redirect("/__sim__/")
        return Response("The sandbox has nothing at this path. /__sim__/ lists what it has.\n", status=404)

    def _imitate(self, request: Request, service: str, path: str) -> Response:
        """Answer as the service does, or as a planned fault wants; log the exchange in both cases."""
        world = self.world
        handle, build_error = SERVICES[service]
        started = time.monotonic()
        body = request.get_data(as_text=True)
        with world.lock:
            fault = world.faults.take(service=service, method=request.method, path=path)

        answer: Response | None = None
        try:
            if fault is None:
                answer = handle(world, request, path)
            else:
                answer = spoil_answer(fault, answer=lambda: handle(world, request, path), error=build_error)
            return answer
        finally:
            exchange = HttpExchange(
                at=world.clock.now(),
                direction="in",
                service=service,
                method=request.method,
                path=path,
                query=request.query_string.decode(errors="replace"),
                body=body,
                status=answer.status_code if answer is not None else None,
                response=answer.get_data(as_text=True) if answer is not None else "",
                milliseconds=round((time.monotonic() - started) * 1000),
                note=f"fault: {fault.kind}" if fault is not None else "",
            )
            with world.lock:
                world.http_log.add(exchange)


def _is_local(request: Request) -> bool:
    """Return whether the caller is this machine and, if it is a browser, was not sent here by a foreign page."""
    if not is_loopback(request.remote_addr or ""):
        return False
    names = [request.host, *([request.headers["Origin"]] if "Origin" in request.headers else [])]
    return all(is_loopback(_hostname(name)) for name in names)


def _hostname(text: str) -> str:
    """Return the host of `host:port` or of an origin."""
    text = text.rpartition("//")[2]
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]
