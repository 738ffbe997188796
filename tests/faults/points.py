"""
Places at which a process kills itself with -9, once, when the test has armed them.

They are wrapped around the product from outside, by an app that only the fault tests install, so that the product itself
knows nothing of them.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.http import HttpRequest, HttpResponse

WEB_BEFORE_COMMIT = "web_before_commit"
WEB_AFTER_COMMIT = "web_after_commit"
WORKER_AFTER_GATEWAY = "worker_after_gateway"
WORKER_BEFORE_DONE = "worker_before_done"
WHOLE_WORKER_BEFORE_DONE = "whole_worker_before_done"
RELAY_BEFORE_HINT = "relay_before_hint"
WORKER_AFTER_REFUND = "worker_after_refund"
IMPORT_AMID_READING = "import_amid_reading"
IMPORT_AMID_BOOKING = "import_amid_booking"
ALL = (
    WEB_BEFORE_COMMIT, WEB_AFTER_COMMIT, WORKER_AFTER_GATEWAY, WORKER_BEFORE_DONE, WHOLE_WORKER_BEFORE_DONE,
    RELAY_BEFORE_HINT, WORKER_AFTER_REFUND, IMPORT_AMID_READING, IMPORT_AMID_BOOKING,
)  # fmt: skip
#: The keys of the refunds that the gateway was asked for, in the order in which it was asked, a line each.
REFUND_KEYS = "refund_keys"


def arm(directory: Path, point: str) -> None:
    """Let the next process that comes by this point die there."""
    (directory / point).touch()


def is_armed(directory: Path, point: str) -> bool:
    """Test if nobody has come by yet."""
    return (directory / point).exists()


def hit(point: str, *, with_parent: bool = False) -> None:
    try:
        (Path(os.environ["FAULT_DIR"]) / point).unlink()
    except FileNotFoundError:
        return
    if with_parent:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _note_key(key: str) -> None:
    with (Path(os.environ["FAULT_DIR"]) / REFUND_KEYS).open("a") as file:
        file.write(f"{key}\n")


class KillingMiddleware:
    """Dies after the commit of a placed order."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path != "/api/v1/orders":
            return self.get_response(request)
        response = self.get_response(request)
        hit(WEB_AFTER_COMMIT)
        return response


class FaultPoints(AppConfig):
    name = "tests.faults"
    label = "fault_points"

    def ready(self) -> None:
        from apps.core import external_calls, http, relay
        from apps.core.management import relay_loop
        from apps.payments.rules import polling
        from apps.settlements.services import import_claims, report_rows

        # The waits of the product, shortened so that a test need not sit through them.
        relay.RESEND_AFTER = timedelta(seconds=6)
        external_calls.CLAIM_TTL = timedelta(seconds=6)
        polling._REFUND_WAITS = (2, 2, 2, 5, 5, 5)
        # And its pieces, so that a report of a few hundred lines is one of many.
        report_rows._BATCH = 100

        call, subscribe, send = http.Client.call, relay._make_subscription, relay_loop.send_hints

        def call_and_die(self: http.Client, method: str, path: str, **kwargs: Any) -> http.Response:
            is_refund = method == "POST" and path.endswith("/refund")
            if is_refund:
                _note_key(kwargs["headers"]["X-Refund-Idempotency"])
                kwargs["timeout"] = (3.05, 1.5)
            answer = call(self, method, path, **kwargs)
            if (method, path) == ("POST", "/v1/orders"):
                hit(WORKER_AFTER_GATEWAY)
            if is_refund:
                hit(WORKER_AFTER_REFUND)
            return answer

        def subscribe_to_die(handler: Any) -> relay.Subscription:
            subscription = subscribe(handler)

            def handle_and_die(**event: Any) -> None:
                subscription.call(**event)
                hit(WORKER_BEFORE_DONE)  # nothing of it is committed, or its call is made and not marked as done
                hit(WHOLE_WORKER_BEFORE_DONE, with_parent=True)

            return replace(subscription, call=handle_and_die)

        def die_or_send(*args: Any, **kwargs: Any) -> None:
            hit(RELAY_BEFORE_HINT)
            send(*args, **kwargs)

        stage_batch, renew = report_rows._stage_batch, import_claims.ImportClaim.renew

        def die_or_stage(rows: Any, **others: Any) -> None:
            stage_batch(rows, **others)
            if others["claim"].report.rows_read >= 200:
                hit(IMPORT_AMID_READING)

        def renew_or_die(self: import_claims.ImportClaim) -> None:
            renew(self)
            if self.report.lines_added >= 200:
                hit(IMPORT_AMID_BOOKING)

        report_rows._stage_batch = die_or_stage
        import_claims.ImportClaim.renew = renew_or_die  # type: ignore[method-assign]
        http.Client.call = call_and_die  # type: ignore[method-assign]
        _die_when_placing()
        relay._make_subscription = subscribe_to_die
        relay_loop.send_hints = die_or_send


def _die_when_placing() -> None:
    """Die in the transaction of a placed order, by whichever implementation it is stored."""
    from apps.orders import sql
    from apps.orders.services import placement

    create, write_order = placement.create, sql.write_order

    def create_and_die(*args: Any, **kwargs: Any) -> Any:
        event_id = create(*args, **kwargs)
        hit(WEB_BEFORE_COMMIT)  # order, event and outbox row are written
        return event_id

    def write_order_and_die(*args: Any, **kwargs: Any) -> Any:
        refusal = write_order(*args, **kwargs)
        hit(WEB_BEFORE_COMMIT)
        return refusal

    placement.create = create_and_die
    sql.write_order = write_order_and_die
