"""How gunicorn serves Bahi: threads for waiting, one worker a core, an orderly stop, and no thread for a slow client."""

import multiprocessing
import os
import socket
import sys
from typing import Any


def whole_number(name: str, default: int, *, least: int, most: int) -> int:
    """Return a variable of the environment; the process ends with exit code 2 if it is not a number in its bounds."""
    text = os.environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10) or not least <= int(text) <= most:
        sys.stderr.write(f"{name} must be a whole number from {least} to {most}, but it is {text!r}.\n")
        raise SystemExit(2)
    return int(text)


bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = whole_number("WEB_CONCURRENCY", multiprocessing.cpu_count(), least=1, most=256)
worker_class = "config.web.worker.BufferingWorker"
threads = whole_number("WEB_THREADS", 4, least=1, most=256)
worker_connections = 10_000
timeout = 30
graceful_timeout = 25
keepalive = 60
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8_190
limit_request_fields = 100
limit_request_field_size = 16_384
sendfile = False  # it would send past the worker, which counts what a client has not read yet
accesslog = None  # the application logs each request itself, redacted
errorlog = "-"
loglevel = "warning"
preload_app = False
#: Seconds in which a request must arrive, head and body together, and in which a client must take its answer. A stopping worker
#: waits for both, so it must stay below `graceful_timeout`.
request_deadline = whole_number("WEB_REQUEST_DEADLINE_SECONDS", 20, least=1, most=graceful_timeout - 1)


#: What the kernel may hold of an answer that a client does not read; it would take megabytes, and nobody counts them there.
_SEND_BUFFER_BYTES = 262_144


def when_ready(server: Any) -> None:
    """Bound the kernel's part; connections inherit it from the socket that they come in by."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)


def post_fork(server: Any, worker: Any) -> None:
    """Tell the new worker its deadline."""
    worker.request_deadline = float(request_deadline)
