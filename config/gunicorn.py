"""How gunicorn serves Bahi: threads for waiting, one worker a core, an orderly stop."""

import multiprocessing
import os
import socket
import struct
from typing import Any

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", multiprocessing.cpu_count()))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
worker_connections = 10_000
timeout = 30
graceful_timeout = 25
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8_190
limit_request_fields = 100
limit_request_field_size = 16_384
accesslog = None  # the application logs each request itself, redacted
errorlog = "-"
loglevel = "warning"
preload_app = False
#: Seconds that a client may say nothing in the midst of a request; without a bound a few half requests would hold all threads.
read_timeout = int(os.environ.get("WEB_READ_TIMEOUT", "10"))


def when_ready(server: Any) -> None:
    """Bound how long reading waits: connections inherit it from the socket that they come in by."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", read_timeout, 0))
