"""The rate card: what the gateway may charge by contract, row by row; a row is corrected by a later one and never changed."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from apps.core.errors import Invalid
from apps.core.events import Actor, create
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.settlements import events, selectors
from apps.settlements.facts import FeeTerms
from apps.settlements.gateways.rate_card_file import RateCardUnreadable, terms_from_file
from apps.settlements.models import FeeRate
from apps.settlements.states import FUNDINGS, NETWORKS, FeeMethod

_HIGHEST_RATE = 10_000


class FeeRateNotAllowed(Invalid):
    """The row of the rate card contradicts itself or names something unknown. Correct the field that `param` names."""

    message = "This rate cannot be entered: {0}."


class RateCardInvalid(Invalid):
    """The file is not a rate card. The message says where and why; nothing of it was imported."""

    message = "The rate card cannot be read: {0}."


@transactional
def import_rate_card(*, lines: Iterable[str], actor: Actor, now: datetime, gateway: str = "razorpay") -> list[FeeRate]:
    """
    Add the rows of a rate card in a CSV file that are not in force already, all or none, and return them.

    :raises RateCardInvalid: if the file cannot be read
    :raises FeeRateNotAllowed: if a row contradicts itself, or its amounts overlap with those of a rate in force
    """
    try:
        rows = terms_from_file(lines)
    except RateCardUnreadable as failure:
        raise RateCardInvalid(failure) from failure

    known = {terms.key: terms for terms in map(terms_of, selectors.list_fee_rates(gateway=gateway))}
    added = []
    for terms in rows:
        if known.get(terms.key) == terms or (terms.is_withdrawn and terms.key not in known):
            continue
        _check(terms)
        added.append(_insert(terms, actor=actor, now=now, gateway=gateway))
        known[terms.key] = terms

    for rate in added:
        _check_band(terms_of(rate), known.values())

    return added


@transactional
def add_fee_rate(*, terms: FeeTerms, actor: Actor, now: datetime, gateway: str = "razorpay") -> FeeRate:
    """
    Add a row of the rate card. One of the same conditions, amounts and first day is replaced by it.

    :raises FeeRateNotAllowed: if the row contradicts itself, names something unknown, or its amounts overlap with those of a
        rate in force
    """
    _check(terms)
    _check_band(terms, map(terms_of, selectors.list_fee_rates(gateway=gateway)))

    return _insert(terms, actor=actor, now=now, gateway=gateway)


def _insert(terms: FeeTerms, *, actor: Actor, now: datetime, gateway: str) -> FeeRate:
    rate = FeeRate(gateway=gateway, **vars(terms))
    event_type = events.FEE_RATE_WITHDRAWN if terms.is_withdrawn else events.FEE_RATE_ADDED
    create(rate, event_type, actor=actor, now=now)

    return rate


@transactional
def withdraw_fee_rate(*, rate_id: UUID, actor: Actor, now: datetime) -> FeeRate:
    """
    Withdraw a wrong row of the rate card: the next audit ignores it, also for earlier days.

    :raises FeeRateNotFound: if there is none
    """
    found = selectors.get_fee_rate(rate_id)
    terms = FeeTerms(**{**vars(terms_of(found)), "is_withdrawn": True})

    return add_fee_rate(terms=terms, actor=actor, now=now, gateway=found.gateway)


def terms_of(rate: FeeRate) -> FeeTerms:
    """Return what a stored row says."""
    return FeeTerms(**{name: getattr(rate, name) for name in FeeTerms.__dataclass_fields__})


def describe_band(terms: FeeTerms | FeeRate) -> str:
    """Return the amounts that a rate is for: `from ₹2,000.01`, `up to ₹2,000.00`, both, or nothing if for every amount."""
    low = "" if terms.amount_from is None else f"from {rupees(terms.amount_from)}"
    high = "" if terms.amount_to is None else f"up to {rupees(terms.amount_to)}"
    return f"{low} {high}".strip()


def describe_charge(rate: FeeRate) -> str:
    """Return the fee of a rate for people: `2 % + ₹3.00, at most ₹500.00, and 18 % GST`."""
    parts = [f"{rate.rate_basis_points / 100:g} %"] if rate.rate_basis_points or not rate.fixed_amount else []
    charge = " + ".join([*parts, *([rupees(rate.fixed_amount)] if rate.fixed_amount else [])])
    least = "" if rate.min_amount is None else f", at least {rupees(rate.min_amount)}"
    most = "" if rate.max_amount is None else f", at most {rupees(rate.max_amount)}"
    return f"{charge}{least}{most}, and {rate.gst_basis_points / 100:g} % GST"


def _check(terms: FeeTerms) -> None:
    if terms.method not in FeeMethod.values:
        raise FeeRateNotAllowed(f"the method {terms.method[:30]!r} is not known", param="method")
    if terms.network and terms.network not in NETWORKS:
        raise FeeRateNotAllowed(f"the network must be one of {', '.join(NETWORKS)}", param="network")
    if terms.funding and terms.funding not in FUNDINGS:
        raise FeeRateNotAllowed(f"the funding must be one of {', '.join(FUNDINGS)}", param="funding")
    if max(terms.rate_basis_points, terms.gst_basis_points) > _HIGHEST_RATE:
        raise FeeRateNotAllowed("a rate must be at most 100 %", param="rate_basis_points")
    if terms.valid_to is not None and terms.valid_to < terms.valid_from:
        raise FeeRateNotAllowed("its period ends before it begins", param="valid_to")
    _check_order(terms.amount_from, terms.amount_to, "amount_to")
    _check_order(terms.min_amount, terms.max_amount, "max_amount")


def _check_band(terms: FeeTerms, others: Iterable[FeeTerms]) -> None:
    """Refuse a row whose band of amounts overlaps with that of a rate in force: neither would be the one that decides."""
    if terms.is_withdrawn:
        return
    for other in others:
        if not other.is_withdrawn and terms.has_overlapping_band(other):
            raise FeeRateNotAllowed(
                f"its amounts overlap with those of the rate of the same conditions and first day {describe_band(other)};"
                " withdraw that one first, or begin one band a paisa after the other ends",
                param="amount_to",
            )


def _check_order(low: int | None, high: int | None, param: str) -> None:
    if low is not None and high is not None and low > high:
        raise FeeRateNotAllowed("the higher amount is below the lower one", param=param)
