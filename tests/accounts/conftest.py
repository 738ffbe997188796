"""Codes without their journey: the code that a worker would have sent is put there by hand."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from apps.accounts import services
from apps.accounts.models import Challenge
from apps.core import clock
from apps.core.events import SYSTEM
from tests.support.otp import CODE, set_code


@pytest.fixture
def request_code() -> Callable[..., Challenge]:
    """Return a function that asks for a log-in code and makes it CODE."""

    def ask(destination: str = "+919876500001", *, ip: str = "203.0.113.7", now: datetime | None = None) -> Challenge:
        challenge = services.request_log_in_code(destination=destination, ip=ip, actor=SYSTEM, now=now or clock.now())
        return set_code(challenge)

    return ask


@pytest.fixture
def logged_in(client_of: Any, request_code: Callable[..., Challenge]) -> Callable[..., Any]:
    """Return a function that logs in by code over the API and returns the answer."""

    def log_in(client: Any, destination: str = "+919876500001", **body: Any) -> Any:
        challenge = request_code(destination)
        return client.post(
            "/api/v1/auth/otp/verify",
            {"challenge_id": challenge.public_id, "code": CODE, **body},
            format="json",
        )

    return log_in
