"""The stack of a run: servers, processes and sandbox on free ports, and the log-ins to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from devtools import demo_accounts, environment
from devtools.demo.client import Api, Phone
from devtools.demo.orders import DELIVERY_ADDRESS, find_code
from devtools.embedded import CHECKOUT, Servers
from devtools.history.waits import MUTANT
from devtools.processes import Stack

SETTINGS = "devtools.history.settings"
#: Seconds of the sandbox's clock after which a UPI request that nobody answers has failed.
_UPI_TIMEOUT_SECONDS = 25
_AUDIT_SECONDS = 300.0
_BUDGETS = dict.fromkeys(
    ("OTP_REQUESTS_PER_NETWORK_PER_HOUR", "OTP_REQUESTS_PER_PREFIX_PER_DAY", "OTP_REQUESTS_PER_DAY"), "1000000"
)


class AuditFailed(RuntimeError):
    """The audit could not run; the message has the end of what it printed."""


@contextlib.contextmanager
def running_stack(place: Path, *, ttl_seconds: float, mutant: str = "") -> Iterator[Stack]:
    """
    Start everything with the demonstration shop in `place`, and stop it at the end.

    :param ttl_seconds: after which an order that is not paid expires
    :param mutant: the fault to plant into the product
    :raises ProcessFailed: if a process does not start
    :raises ServersFailed: if a server does not start
    """
    # Kept, not temporary: a temporary cluster may lose its last commits when it is killed.
    servers = Servers(place / "data")
    try:
        servers.start()
        ports = environment.Ports.choose()
        env = environment.build_environment(servers.env, ports, data_dir=place, ignore_user=True)
        env |= {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "LOG_FORMAT": "json",
            "HISTORY_TTL_SECONDS": str(ttl_seconds),
            **_BUDGETS,
        }
        stack = Stack(servers, env, ports, logs=place / "logs")
        stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
        stack.run_manage("demo-data", "load_demo_data")
        stack.env[MUTANT] = mutant
        stack.start()
        Phone(stack.sandbox_url).control("POST", "/knobs/razorpay", {"upi_timeout_seconds": _UPI_TIMEOUT_SECONDS})
        yield stack
    finally:
        servers.stop()


def is_ready(stack: Stack) -> bool:
    """Return whether the web process answers and finds its database and Redis."""
    session = requests.Session()
    session.trust_env = False
    with contextlib.suppress(requests.RequestException, ValueError, KeyError):
        return bool(session.get(f"{stack.web_url}/readyz", timeout=10).json()["status"] == "ready")
    return False


def log_in_customer(stack: Stack, phone: str) -> tuple[str, str]:
    """Return the access token of a customer who logs in by OTP, and the id of their address."""
    api = Api(f"{stack.web_url}/api/v1")
    asked = api.call("POST", "/auth/otp", {"phone": phone}, expect=202).json()
    sms = Phone(stack.sandbox_url).control("GET", "/sms", to=phone.removeprefix("+"), wait=30)
    body = {"challenge_id": asked["id"], "code": find_code(sms["items"][0]), "transport": "body"}
    token = str(api.call("POST", "/auth/otp/verify", body).json()["access_token"])
    api.sign_in(token)
    return token, str(api.call("POST", "/me/addresses", DELIVERY_ADDRESS, expect=201).json()["id"])


def log_in_staff(stack: Stack, role: str) -> str:
    """Return the access token of a member of staff."""
    login = next(each for each in demo_accounts.STAFF if each.role == role)
    body = {"email": login.email, "password": login.password, "transport": "body"}
    return str(Api(f"{stack.web_url}/api/v1").call("POST", "/auth/login", body).json()["access_token"])


def run_audit(env: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    Run `manage.py audit`, and return the invariants that do not hold, with their first rows.

    :raises AuditFailed: if it could not run
    """
    ended = subprocess.run(
        [sys.executable, str(CHECKOUT / "manage.py"), "audit", "--json"],
        env=dict(env), capture_output=True, text=True, timeout=_AUDIT_SECONDS, check=False,
    )  # fmt: skip
    try:
        results = json.loads(ended.stdout)["results"]
    except (ValueError, KeyError) as error:
        raise AuditFailed(f"The audit could not run: {ended.stderr[-2000:]}") from error
    return [{"name": each["name"], "rows": each["rows"][:5]} for each in results if not each["holds"]]
