"""Amounts of a payment in the currency of its payer."""

from apps.payments.rules.refund_amounts import MINIMUM_REFUND_PAISE


def in_payer_currency(amount: int, *, of: int, payer_amount: int | None) -> int:
    """
    Convert an amount (paise) of a payment to the currency that its payer was charged in, in its smallest unit.

    The whole payment is the whole charge. A part is rounded down, so that the parts never exceed the charge.
    """
    if payer_amount is None:
        return amount
    return payer_amount if amount == of else amount * payer_amount // of


def from_payer_currency(charged: int, *, of: int, payer_amount: int) -> int:
    """
    Convert an amount in the currency that the payer was charged in to paise.

    A part is rounded up, so that `in_payer_currency` converts it back.
    """
    return -(-charged * of // payer_amount)


def minimum_refund(*, of: int, payer_amount: int | None) -> int:
    """
    Return the smallest refund (paise) of a payment.

    It is the gateway's minimum, and at least one smallest unit of the payer's own currency.
    """
    unit = 0 if not payer_amount else -(-of // payer_amount)
    return max(MINIMUM_REFUND_PAISE, unit)


def rounding_tolerance(*, of: int, payer_amount: int) -> int:
    """
    Return by how much an amount may differ after conversion to paise and back.

    The tolerance is in the smallest unit of the payer's currency. It is zero, unless this unit is worth less than a
    paisa.
    """
    return (payer_amount - 1) // of
