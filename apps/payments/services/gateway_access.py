"""
The gateways as services call them: each call also shows whether the gateway accepts our credentials.

A rejected key says nothing about a payment, refund, link or dispute. It is one incident for operators, and whatever was to be
done is done later; the first call that the gateway answers closes the incident.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from apps.core import clock
from apps.core.incidents import CREDENTIALS_REJECTED, report_incident, resolve_incident
from apps.payments.gateways.interface import Gateway, GatewayFailure, GatewayRejected, load_adapter

_REJECTED = frozenset({401, 403})
#: What an adapter computes without a call: no proof that the gateway accepts our key.
LOCAL_METHODS = frozenset(
    {
        "checkout_options", "is_checkout_signed", "is_webhook_signed", "may_be_our_account", "read_envelope", "read_webhook",
        "read_report_line", "find_settlement_day",
    }
)  # fmt: skip


def get_monitored_gateway(name: str) -> Gateway:
    """Return a gateway by the name that payments keep; its calls open and close the incident about our credentials."""
    return cast("Gateway", _WatchedGateway(load_adapter(name)))


class _WatchedGateway:
    """A gateway's adapter, with a look at how each of its calls over the network ends."""

    def __init__(self, adapter: Gateway) -> None:
        self._adapter = adapter
        #: Whether a call of this instance was answered, so that the incident is closed already.
        self._is_accepted = False

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._adapter, name)
        is_call = callable(attribute) and name not in LOCAL_METHODS
        return partial(self._call, attribute) if is_call else attribute

    def _call(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            answer = call(*args, **kwargs)
        except GatewayRejected:
            # It said no to what we asked, and so knows who we are.
            self._resolve()
            raise
        except GatewayFailure as failure:
            if failure.error.status in _REJECTED:
                self._report(failure)
            raise
        self._resolve()
        return answer

    def _report(self, failure: GatewayFailure) -> None:
        self._is_accepted = False
        error = failure.error
        detail = f"HTTP {error.status}: {error.description or error.reason or error.code or 'no reason given'}"
        report_incident(kind=CREDENTIALS_REJECTED, key=self._adapter.name, detail=detail, now=clock.now())

    def _resolve(self) -> None:
        if not self._is_accepted:
            resolve_incident(kind=CREDENTIALS_REJECTED, key=self._adapter.name, now=clock.now())
            self._is_accepted = True
