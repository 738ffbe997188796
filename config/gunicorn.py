"""How gunicorn serves Bahi: threads for waiting, one worker a core, an orderly stop."""

import multiprocessing
import os

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
