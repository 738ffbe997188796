"""Comparison of our books with the books of the sandbox, in rehearsals."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings

from apps.core.errors import Invalid
from apps.payments import selectors as payments
from apps.settlements import selectors
from apps.settlements.gateways.sandbox_books import read_sandbox_books


class SandboxNotConfigured(Invalid):
    """The comparison needs a sandbox, and none is set. Set `SANDBOX_URL`."""

    message = "SANDBOX_URL is not set: set it to the sandbox whose books are compared, such as http://127.0.0.1:9000."


@dataclass(frozen=True)
class Difference:
    """One object that two books record differently; None if one of them does not have it. Amounts in paise."""

    kind: str
    gateway_id: str
    ours: str | None
    theirs: str | None


def check_sandbox_configured() -> None:
    """
    Make sure that a sandbox is configured to compare with.

    :raises SandboxNotConfigured: if SANDBOX_URL is not set
    """
    if not settings.SANDBOX_URL:
        raise SandboxNotConfigured


def compare_with_sandbox() -> list[Difference]:
    """
    Compare our payments, their fees, refunds, disputes and settlements with the sandbox's books. Calls the sandbox.

    :raises SandboxNotConfigured: if SANDBOX_URL is not set
    :raises SandboxBooksUnavailable: if the sandbox does not answer
    """
    check_sandbox_configured()
    truth = read_sandbox_books(settings.SANDBOX_URL)
    pairs: Iterable[tuple[str, Mapping[str, str], Mapping[str, str]]] = (
        ("payment", payments.describe_payments_by_gateway_id(), truth.payments),
        ("fee", payments.fees_by_gateway_id(), truth.fees),
        ("refund", payments.describe_refunds_by_gateway_id(), truth.refunds),
        ("dispute", payments.describe_disputes_by_gateway_id(), truth.disputes),
        ("settlement", selectors.settlements_by_gateway_id(), truth.settlements),
    )
    return [one for kind, ours, theirs in pairs for one in _differences(kind, ours, theirs)]


def _differences(kind: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[Difference]:
    for gateway_id in sorted(ours.keys() | theirs.keys()):
        our_side, their_side = ours.get(gateway_id), theirs.get(gateway_id)
        if our_side != their_side:
            yield Difference(kind, gateway_id, our_side, their_side)
