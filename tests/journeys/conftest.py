"""A shop over real HTTP in this process: a live server, the sandbox, and a thread that carries the news."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from sandbox.server import running
from tests.support.live_shop import RelayThread, Shop


@pytest.fixture
def shop(transactional_db: None, live_server: Any, tmp_path: Path) -> Iterator[Shop]:
    call_command("setup_reference_data", verbosity=0)
    call_command("load_demo_data", verbosity=0)
    with (
        running(webhook_url=f"{live_server.url}/api/v1/webhooks/razorpay") as world,
        override_settings(
            RAZORPAY_BASE_URL=world.razorpay_url,
            MSG91_BASE_URL=world.msg91_url,
            EMAIL_BACKEND="apps.core.mail.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=world.smtp_port,
            STORAGES={
                "default": {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"location": str(tmp_path)},
                },
                "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            },
        ),
    ):
        relay_thread = RelayThread()
        relay_thread.start()
        yield Shop(live_server.url, world)
        relay_thread.stopped.set()
        relay_thread.join(10)
    _wait_for_the_last_to_leave()


def _wait_for_the_last_to_leave() -> None:
    """The live server's threads close their connections a moment after their clients; the database cannot go before."""
    deadline = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.05)
