"""Erasing what payments know of the person who paid."""

from uuid import UUID

from apps.core.transactions import transactional
from apps.payments.models import Payment, PaymentAttempt, Refund

ERASED = "erased"


@transactional
def erase_payer(*, customer_id: UUID) -> None:
    """
    Erase the payer, the device and its address from a customer's payments, and the notes of their refunds.

    What was paid and refunded, when and by which method stays.

    What gateways sent us stays as it was received: it is the proof of the money, and is kept as long as the books.
    """
    # Not blank: the next report of the gateway fills what is.
    PaymentAttempt.objects.filter(payment__customer_id=customer_id).update(payer=ERASED)
    Payment.objects.filter(customer_id=customer_id).update(payer_ip=None, payer_user_agent="")
    Refund.objects.filter(order__customer_id=customer_id).exclude(note="").update(note="")
