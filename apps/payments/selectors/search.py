"""Search of payments, refunds and disputes by the gateway's ids, our ids and bank references."""

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from apps.core.search import SearchTerm, any_of
from apps.orders import selectors as orders
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund

Row = TypeVar("Row", bound=Model)


def search_payments(term: SearchTerm) -> "QuerySet[Payment]":
    """Return the payments that match a public id or the gateway's id of an order, link or payment; newest first."""
    pk = term.pk_of(Payment)
    if pk is not None:
        return Payment.objects.filter(pk=pk)
    if not term.reference:
        return Payment.objects.none()
    keys = any_of(
        Payment.objects.filter(gateway_order_id=term.reference).values_list("pk"),
        Payment.objects.filter(gateway_link_id=term.reference).values_list("pk"),
        PaymentAttempt.objects.filter(gateway_payment_id=term.reference).values_list("payment_id"),
    )
    return Payment.objects.filter(pk__in=keys).order_by("-created_at", "-id")


def search_attempts(term: SearchTerm) -> "QuerySet[PaymentAttempt]":
    """Return the attempts that match a public id, a gateway's payment id or a bank's RRN; newest first."""
    pk = term.pk_of(PaymentAttempt)
    if pk is not None:
        return PaymentAttempt.objects.filter(pk=pk)
    if not term.reference:
        return PaymentAttempt.objects.none()
    keys = any_of(
        PaymentAttempt.objects.filter(gateway_payment_id=term.reference).values_list("pk"),
        PaymentAttempt.objects.filter(rrn__in=term.case_variants).exclude(rrn="").values_list("pk"),
    )
    return PaymentAttempt.objects.filter(pk__in=keys).order_by("-created_at", "-id")


def search_refunds(term: SearchTerm) -> "QuerySet[Refund]":
    """
    Return the refunds that match a search, newest first.

    They match by public id, number, gateway's id, or the bank's reference (ARN, or the UTR of our own transfer).
    """
    pk = term.pk_of(Refund)
    if pk is not None:
        return Refund.objects.filter(pk=pk)
    if not term.reference:
        return Refund.objects.none()
    keys = any_of(
        Refund.objects.filter(number=term.code).values_list("pk"),
        Refund.objects.filter(gateway_refund_id=term.reference).values_list("pk"),
        Refund.objects.filter(arn__in=term.case_variants).exclude(arn="").values_list("pk"),
        Refund.objects.filter(transfer_reference__in=term.case_variants)
        .exclude(transfer_reference="")
        .values_list("pk"),
    )
    return Refund.objects.filter(pk__in=keys).order_by("-created_at", "-id")


def search_disputes(term: SearchTerm) -> "QuerySet[Dispute]":
    """Return the dispute that matches a public id or the gateway's id."""
    pk = term.pk_of(Dispute)
    if pk is not None:
        return Dispute.objects.filter(pk=pk)
    return Dispute.objects.filter(gateway_dispute_id=term.reference) if term.reference else Dispute.objects.none()


def search_of_order(
    rows: "QuerySet[Row]", term: SearchTerm, *, order: str = "order_id"
) -> "QuerySet[Row, tuple[UUID]]":
    """Return the keys of payments, attempts, refunds or disputes of the orders whose numbers match."""
    named = orders.search_orders(term).order_by().values("pk")
    return rows.filter(**{f"{order}__in": named}).values_list("pk")
