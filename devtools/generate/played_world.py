"""The world outside of Bahi while templates are played: a clock that is set, and a gateway and messages that answer at once."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar, Final
from unittest import mock
from uuid import UUID

from django.conf import settings
from django.test import override_settings

from apps.core import clock, ids
from apps.fulfilment.services import packing_slips
from apps.invoicing import documents
from apps.invoicing.services import credit_notes, invoices, number_series
from apps.notifications.gateways import Outcome, SendResult, mail, msg91
from apps.payments.facts import GatewayOrder, GatewayPayment, GatewayRefund, GatewaySettlement, SettlementRow, UpiIntent
from apps.payments.gateways.razorpay.adapter import Razorpay
from apps.payments.gateways.razorpay.entities import payment_from
from devtools.generate.identifiers import base_of

#: What every id of the gateway has in it while templates are played, so that each is found again in any text.
ID_MARK = "Zq"
#: What stands for the PDF of each document.
STAND_IN_PDF = b"%PDF-1.4\n% A stand-in: this document was made by `manage.py generate` to measure growth.\n%%EOF\n"
STAND_IN_SHA256: Final = hashlib.sha256(STAND_IN_PDF).hexdigest()

_STANDING: Final = SimpleNamespace(monotonic=lambda: 0.0)
_numbers = itertools.count(1)


def new_gateway_id(prefix: str) -> str:
    """Return a new id of the gateway's form, which is found again by its mark."""
    return f"{prefix}_{ID_MARK}{next(_numbers):012d}"


class PlayedClock:
    """The instant that it is while templates are played; it moves when its holder moves it."""

    def __init__(self, start: datetime) -> None:
        self.instant = start

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def pass_time(self, **time: float) -> datetime:
        """Move on by days, hours, minutes or seconds, and return the instant."""
        self.instant += timedelta(**time)
        return self.instant


class _PlayedIds:
    """Ids of rows that are played: by the clock that is set and a count, so that they are in order, and the same in each run."""

    def __init__(self, played: PlayedClock) -> None:
        self._played = played
        self._counted = itertools.count(1)

    def uuid7(self) -> UUID:
        milliseconds = round(self._played.now().timestamp() * 1000)
        return UUID(int=base_of(milliseconds, 0) + next(self._counted))


class PlayedGateway(Razorpay):  # its methods have the parameters of the adapter's, whether they need them or not
    """Razorpay as it would answer: what it reads and checks is its adapter's, what it does is done at once."""

    #: The lines of the settlement report that is asked for next, and the transfer that they make up.
    report: ClassVar[Sequence[SettlementRow]] = ()
    #: The last webhook about each payment, by its id: what the gateway says when it is polled.
    payments: ClassVar[dict[str, dict[str, Any]]] = {}

    def create_order(self, *, receipt: str, amount: int, currency: str, notes: Mapping[str, str]) -> GatewayOrder:  # noqa: ARG002
        """Create an order."""
        return GatewayOrder(
            id=new_gateway_id("order"), amount=amount, currency=currency, receipt=receipt, status="created"
        )

    def list_payments(self, *, gateway_order_id: str) -> list[GatewayPayment]:
        """Return every attempt to pay an order, as its last webhook had it."""
        return [payment_from(each) for each in self.payments.values() if each["order_id"] == gateway_order_id]

    def get_order(self, *, gateway_order_id: str) -> GatewayOrder:
        """Return an order of which nothing is paid: no other is polled."""
        made = self.list_payments(gateway_order_id=gateway_order_id)
        return GatewayOrder(
            id=gateway_order_id, amount=made[0].amount if made else 0, currency="INR", receipt="", status="attempted"
        )

    def create_upi_intent(self, **_asked: Any) -> UpiIntent | None:
        """Have no UPI from our server: buyers pay by Checkout."""
        return None

    def create_refund(
        self,
        *,
        gateway_payment_id: str,
        amount: int,
        speed: str,  # noqa: ARG002
        receipt: str,
        notes: Mapping[str, str],
        idempotency_key: str,  # noqa: ARG002
    ) -> GatewayRefund:
        """Refund a payment, which is pending until a webhook reports it."""
        return GatewayRefund(
            gateway=self.name, id=new_gateway_id("rfnd"), gateway_payment_id=gateway_payment_id, status="pending",
            amount=amount, currency="INR", our_refund=notes["refund"], receipt=receipt,
        )  # fmt: skip

    def list_settlement_rows(self, *, day: date, skip: int) -> list[SettlementRow | None]:  # noqa: ARG002
        """Return the lines of the report."""
        return [*type(self).report[skip:]]

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        """Return the transfer that the lines of the report make up."""
        lines = type(self).report
        return GatewaySettlement(
            gateway=self.name, id=gateway_settlement_id, amount=sum(line.credit - line.debit for line in lines),
            status="processed", utr=lines[0].utr, created_at=lines[0].settled_at,
        )  # fmt: skip


def _accept(**_message: Any) -> Outcome:
    return Outcome(SendResult.ACCEPTED, provider_id=new_gateway_id("msg"))


@contextlib.contextmanager
def played_world(start: datetime) -> Iterator[PlayedClock]:
    """
    Have services see a clock that is set by its holder, and an outside world that takes everything and answers at once.

    Nothing leaves the process, and no file is kept. It is for one thread, and for the length of a `with` block.
    """
    played = PlayedClock(start)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="bahi-generate-"))
        storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": place}}
        gateway = f"{PlayedGateway.__module__}.{PlayedGateway.__qualname__}"
        stack.enter_context(
            override_settings(
                STORAGES={**settings.STORAGES, "default": storage}, PAYMENT_GATEWAYS={PlayedGateway.name: gateway}
            )
        )
        for place_of_call, name, answer in (
            (clock, "now", played.now),
            (ids, "uuid_utils", SimpleNamespace(uuid7=_PlayedIds(played).uuid7)),
            (msg91, "send", _accept),
            (mail, "send", _accept),
            (documents, "render_invoice_pdf", lambda *_: STAND_IN_PDF),
            (packing_slips, "render_packing_slip", lambda **_: None),
            # A number is issued at `now` and what has really passed since: here nothing has.
            *((module, "time", _STANDING) for module in (invoices, credit_notes, number_series)),
        ):
            stack.enter_context(mock.patch.object(place_of_call, name, answer))
        # What is said of orders that are only played would lead nobody anywhere.
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        stack.callback(logging.disable, before)
        yield played
