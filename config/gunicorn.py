"""How gunicorn serves Bahi: threads for waiting, one worker a core, an orderly stop, and no thread for a slow client."""

import multiprocessing
import socket
import sys
from typing import Any

from config.settings import environment

env = environment.read_or_exit()  # before a worker starts: gunicorn would start it again and again
for _name in [name for name in sys.modules if name.startswith("config.settings")]:
    del sys.modules[_name]  # workers load the settings of their own release, also after a reload

bind = f"{env.HOST}:{env.PORT}"
workers = env.WEB_CONCURRENCY or multiprocessing.cpu_count()
worker_class = "config.web.worker.BufferingWorker"
threads = env.WEB_THREADS
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
request_deadline = env.WEB_REQUEST_DEADLINE_SECONDS


#: What the kernel may hold of an answer that a client does not read; it would take megabytes, and nobody counts them there.
_SEND_BUFFER_BYTES = 262_144


def when_ready(server: Any) -> None:
    """Bound the kernel's part; connections inherit it from the socket that they come in by."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)


def post_fork(server: Any, worker: Any) -> None:
    """Give the new worker its deadline."""
    worker.request_deadline = float(request_deadline)
