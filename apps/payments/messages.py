"""The sentences that staff read about facts of a gateway that conflict with our books. Amounts in paise, shown in their currency."""

from apps.core.money import amount_text


def refund_not_positive(entity_id: str, reported: str) -> str:
    """Return that a refund is reported with no positive amount."""
    return f"The gateway reports refund {entity_id} of {reported}. A refund must be of more than zero."


def refund_of_another_payment(entity_id: str, number: str, payment_id: str) -> str:
    """Return that a refund of ours is reported for another payment."""
    return (
        f"The gateway reports refund {entity_id}, our {number}, for payment {payment_id}, which it does not belong to."
    )


def refund_amount_differs(entity_id: str, number: str, *, ours: str, reported: str) -> str:
    """Return that a refund of ours is reported with another amount; both are amounts in words."""
    return f"The gateway reports {reported} for refund {entity_id}; our refund {number} is of {ours}."


def refund_in_another_currency(entity_id: str, payment_id: str, *, reported: str, currency: str) -> str:
    """Return that a refund is not in the currency of its payment; `reported` is an amount in words."""
    return f"The gateway reports refund {entity_id} of {reported}; payment {payment_id} is in {currency}."


def refund_exceeds_payment(entity_id: str, payment_id: str, *, amount: int, left: int, currency: str) -> str:
    """Return that a refund is of more than is left of its payment."""
    return (
        f"The gateway reports refund {entity_id} of {amount_text(amount, currency)}; only {amount_text(left, currency)} of"
        f" payment {payment_id} is left. Ask the gateway what it paid back."
    )


def refund_paid_twice(entity_id: str, number: str, *, reported: str, reference: str) -> str:
    """Return that the gateway made a refund that we had transferred ourselves."""
    return (
        f"The gateway has made refund {entity_id} of {reported}, our {number}, which we had already transferred as {reference}."
        " Ask the customer to return one of the two."
    )


def dispute_not_positive(entity_id: str, reported: str) -> str:
    """Return that a dispute is reported with no positive amount."""
    return f"The gateway reports dispute {entity_id} about {reported}. A dispute must be about more than zero."


def dispute_deducts_too_much(entity_id: str, *, deducted: str, reported: str) -> str:
    """Return that more was deducted for a dispute than it is about."""
    return f"The gateway says that it deducted {deducted} for dispute {entity_id}, which is about {reported}."


def dispute_of_another_payment(entity_id: str, payment_id: str) -> str:
    """Return that a known dispute is reported for another payment."""
    return f"The gateway reports dispute {entity_id} for payment {payment_id}; it was about another payment before."


def dispute_amount_differs(entity_id: str, *, before: str, reported: str) -> str:
    """Return that a dispute is reported with another amount than before."""
    return f"The gateway reports {reported} for dispute {entity_id}; it reported {before} before."


def dispute_in_another_currency(entity_id: str, payment_id: str, *, reported: str, currency: str) -> str:
    """Return that a dispute is not in the currency of its payment; `reported` is an amount in words."""
    return f"The gateway reports dispute {entity_id} about {reported}; payment {payment_id} is in {currency}."


def dispute_decided_otherwise(entity_id: str, *, before: str, status: str) -> str:
    """Return that a decided dispute is reported with another outcome."""
    return f"The gateway reports dispute {entity_id} as {status}; it reported it as {before} before, which is final."


def dispute_exceeds_payment(entity_id: str, payment_id: str, *, amount: int, left: int, currency: str) -> str:
    """Return that a dispute is about more than is left of its payment."""
    return (
        f"The gateway reports dispute {entity_id} about {amount_text(amount, currency)}; only {amount_text(left, currency)}"
        f" of payment {payment_id} is left after refunds and other disputes. Nothing was booked beyond that."
    )


def another_account(event_type: str, account_id: str) -> str:
    """Return that a webhook is about another account at the gateway."""
    return (
        f"A webhook {event_type or 'without a type'} is about account {account_id}, which is not ours. Its signature is"
        " valid: another account may use the same webhook secret."
    )


def unreadable(event_type: str, why: str) -> str:
    """Return that a webhook about something of ours cannot be read."""
    return (
        f"A webhook {event_type} about this cannot be read ({why}). Look at the gateway's dashboard for what happened."
    )


def webhooks_missing(count: int, entity_id: str) -> str:
    """Return that the gateway was found to have done what no webhook reported."""
    what = "One payment, refund or dispute was" if count == 1 else f"{count} payments, refunds or disputes were"
    return (
        f"{what} found by asking the gateway and reported by no webhook, the latest being {entity_id}. Check that webhooks"
        " are enabled at the gateway, and for all events."
    )


def webhook_parked(event_type: str, attempts: int, why: str) -> str:
    """Return that a webhook was not processed in any of its attempts."""
    return (
        f"A webhook {event_type or 'without a type'} could not be processed in {attempts} attempts ({why}). When the cause is"
        " repaired, process it again from its page."
    )


def event_contradicts_state(event_type: str, entity_id: str, status: str) -> str:
    """Return that a webhook's type and the state in it do not agree."""
    return f"The webhook {event_type} says of {entity_id} that it is {status}."


def payments_contradict(entity_id: str, *, named: str, enclosed: str) -> str:
    """Return that a webhook names one payment and encloses another."""
    return f"A webhook says that {entity_id} belongs to payment {named}, and encloses payment {enclosed}."
