"""
The product as the machine drives it: operations that may be killed at any commit, workers, and what its rows say.

Each example runs in one transaction that is rolled back. What a service commits is then a savepoint that is released,
and killing a process at a commit is an error that no handler catches, before or after that release.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.db.models import F, Sum
from django.test import override_settings

from apps.catalog.models import StockLevel
from apps.core import clock, relay
from apps.core.idempotency import run_once
from apps.core.models import HandlerRun, Outbox
from apps.fulfilment.models import Shipment
from apps.ledger.models import LedgerEntry
from apps.payments.facts import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services.refunds import submission
from apps.settlements.models import Settlement
from tests.model.gateway import ModelGateway
from tests.support.handler_runs import run_handler

#: Handlers of other subjects (messages, PDF files, evidence) do nothing to money or stock, and take most of the time.
LEFT_OUT = ("apps.notifications.", "apps.backoffice.", "apps.invoicing.handlers.render_invoice")
APPROVAL_THRESHOLD = 150_000


class Killed(BaseException):
    """The process ended here, as by SIGKILL: nothing of Bahi sees it."""


@dataclass(frozen=True)
class Kill:
    """Kill the process at its n-th commit from now, just before it or just after."""

    commit: int
    is_after: bool


class Commits:
    """Watches the commits of services: checks at each what Postgres checks there, and kills where it is told to."""

    def __init__(self) -> None:
        self.base = 0
        self._kill: Kill | None = None
        self._count = 0
        self._is_dead = False

    def arm(self, kill: Kill | None) -> None:
        self.base, self._kill, self._count, self._is_dead = len(connection.atomic_blocks), kill, 0, False

    @contextmanager
    def watched(self) -> Iterator[None]:
        original = transaction.Atomic.__exit__

        def leave(atomic: Any, exc_type: Any, exc: Any, trace: Any) -> None:
            if exc_type is not None or len(connection.atomic_blocks) != self.base + 1 or connection.needs_rollback:
                return original(atomic, exc_type, exc, trace)
            _check_deferred_constraints()
            self._count += 1
            is_now = self._kill is not None and self._kill.commit == self._count
            if self._is_dead or (is_now and self._kill is not None and not self._kill.is_after):
                # What catches everything and records it does not run in a process that ended: it commits no more.
                self._is_dead = True
                killed = Killed()
                original(atomic, Killed, killed, None)
                raise killed
            original(atomic, None, None, None)
            if is_now:
                self._is_dead = True
                raise Killed
            return None

        with mock.patch.object(transaction.Atomic, "__exit__", leave):
            yield


def _check_deferred_constraints() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def subscriptions() -> dict[str, tuple[relay.Subscription, ...]]:
    """Return the subscriptions that move money, stock or documents."""
    return {
        event_type: tuple(one for one in group if not one.name.startswith(LEFT_OUT))
        for event_type, group in relay.get_subscriptions().items()
    }


@contextmanager
def model_settings() -> Iterator[None]:
    """Point the product at the gateway in memory, and its relay at the handlers that count."""
    chosen, find = subscriptions(), submission.find_gateway_refund

    def find_and_log(gateway: Any, refund: Refund) -> GatewayRefund | None:
        found = find(gateway, refund)
        if found is not None:
            ModelGateway.truth.log.append((found.our_refund, found.status))
        return found

    with (
        override_settings(
            PAYMENT_GATEWAYS={"razorpay": "tests.model.gateway.ModelGateway"},
            REFUND_APPROVAL_THRESHOLD_PAISE=APPROVAL_THRESHOLD,
        ),
        mock.patch.object(relay, "get_subscriptions", return_value=chosen),
        mock.patch.object(submission, "find_gateway_refund", find_and_log),
    ):
        yield


class Driver:
    """One example's product: its clock, its workers, and how an operation is done."""

    def __init__(self, commits: Commits) -> None:
        self.commits = commits
        self.now: datetime = clock.now()
        self.keys = 0

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def do(self, operation: Callable[[], Any], kill: Kill | None, *, claim: int = 120) -> Any:
        """Do what may be repeated; if it is killed, do it again after a claim of the dead (seconds) has run out."""
        self.commits.arm(kill)
        try:
            return operation()
        except Killed:
            self.wait(claim)
            self.commits.arm(None)
            return operation()

    def do_once(self, effect: Callable[[], Any], kill: Kill | None, *, repeat: bool = False) -> str:
        """Do what may not be done twice, as the API does it: with an Idempotency-Key, which its caller sends again."""
        self.keys += 1
        key = f"model-{self.keys}"

        def run() -> tuple[str, bool]:
            return run_once(
                principal="model",
                route="model",
                key=key,
                fingerprint=key.zfill(64),
                effect=lambda: str(effect()),
                now=self.now,
            )

        text, _ = self.do(run, kill)
        if repeat:
            again, is_replayed = self.do(run, None)
            assert is_replayed, "the same key ran the effect twice"
            assert again == text, "the same key had two answers"
        return text

    def work(self, kill: Kill | None) -> None:
        """Let the workers do what the outbox holds; the handlers of one that was killed run again."""
        self.commits.arm(kill)
        for _ in range(50):
            try:
                if not self._work_once():
                    return
            except Killed:
                self.wait(120)
                self.commits.arm(None)
        raise AssertionError("the outbox never becomes empty")

    def _work_once(self) -> bool:
        runs = relay.claim_outbox(now=self.now) or relay.claim_due(now=self.now)
        if not runs:
            runs = self._wait_for_the_unfinished()
        for run in runs:
            if not run_handler(run.pk, now=self.now):
                self._check_failure(run)
        return bool(runs)

    def _wait_for_the_unfinished(self) -> list[HandlerRun]:
        if not HandlerRun.objects.filter(done_at=None, parked_at=None).exists():
            return []
        self.wait(120)
        HandlerRun.objects.filter(done_at=None, parked_at=None, send_after=None).update(send_after=self.now)
        return relay.claim_due(now=self.now)

    @staticmethod
    def _check_failure(run: HandlerRun) -> None:
        error = HandlerRun.objects.values_list("last_error", flat=True).get(pk=run.pk)
        assert not error, f"{run.handler} failed: {error}"

    # -- what the rows say -----------------------------------------------------------------------------------------

    @staticmethod
    def is_idle() -> bool:
        return not Outbox.objects.exists() and not HandlerRun.objects.filter(done_at=None, parked_at=None).exists()

    @staticmethod
    def stock() -> dict[str, tuple[int, int]]:
        rows = StockLevel.objects.values_list("variant__sku", "on_hand_milli", "reserved_milli")
        return {sku: (on_hand // 1000, reserved // 1000) for sku, on_hand, reserved in rows}

    @staticmethod
    def parcels() -> dict[str, str]:
        return {str(pk): status for pk, status in Shipment.objects.values_list("pk", "status")}

    @staticmethod
    def transfers() -> dict[str, str]:
        return dict(Settlement.objects.values_list("utr", "transfer_status"))

    @staticmethod
    def balances() -> dict[str, int]:
        rows = LedgerEntry.objects.values_list("account_id").annotate(balance=Sum("amount"))
        return {code: balance for code, balance in rows if balance}

    @staticmethod
    def attempts(order_id: Any) -> dict[str, str]:
        rows = PaymentAttempt.objects.filter(payment__order_id=order_id)
        return dict(rows.values_list("gateway_payment_id", "status"))

    @staticmethod
    def refunds(order_id: Any) -> list[Refund]:
        rows = Refund.objects.filter(order_id=order_id).order_by("sequence")
        return list(rows.annotate(gateway_payment_id=F("attempt__gateway_payment_id")))
