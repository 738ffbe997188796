"""
Faults that a run can plant into the product, to show that the checker finds them.

They are patched in from outside, as `HISTORY_MUTANT` says, in processes that a run of history has started and in no others.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from importlib import import_module
from typing import Any
from uuid import uuid4

_ONE_OF_TEN = 0.1


def plant(name: str) -> None:
    """
    Plant a mutant into this process.

    :raises KeyError: if there is none of this name
    """
    MUTANTS[name]()


def _wrap(module: str, name: str, make: Callable[[Any], Any]) -> None:
    """
    Replace a function, a method written as `Class.method`, or a statement, by what `make` makes of it.

    :raises ValueError: if it is the same as before: the product was changed, and the mutant must follow
    """
    owner: Any = import_module(module)
    *path, attribute = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, attribute)
    changed = make(original)
    if changed == original:
        raise ValueError(f"{module}.{name} is as it was")
    setattr(owner, attribute, changed)


def _ignore_idempotency_keys() -> None:
    """Let every request claim a key of its own, so that a repeated one takes effect again."""

    def make(claim: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **given: claim(**{**given, "key": uuid4().hex})

    _wrap("apps.core.idempotency", "claim", make)


def _answer_before_commit() -> None:
    """Answer one order of ten and roll it back then, as a server does that answers before it has committed."""
    from django.db import transaction

    def make(store: Callable[..., Any]) -> Callable[..., Any]:
        def store_and_forget(**given: Any) -> None:
            # The last statement of the transaction, so that nothing of it fails before its end.
            store(**given)
            if given["answer"].status == HTTPStatus.CREATED and random.random() < _ONE_OF_TEN:  # noqa: S311
                transaction.set_rollback(True)

        return store_and_forget

    _wrap("apps.core.idempotency", "store", make)


def _forget_release() -> None:
    """Mark the units of an order that is cancelled or expires as released, and leave them counted as reserved."""

    def make(negated: Callable[..., Any]) -> Callable[..., Any]:
        return lambda units: dict.fromkeys(negated(units), 0)

    _wrap("apps.catalog.services.reservations", "_negated", make)


def _new_refund_key() -> None:
    """Send a new idempotency key with each call to refund, and look no unknown outcome up."""

    def make(call: Callable[..., Any]) -> Callable[..., Any]:
        def call_anew(self: Any, method: str, path: str, **given: Any) -> Any:
            if method == "POST" and path.endswith("/refund"):
                given["headers"] = {**given["headers"], "X-Refund-Idempotency": uuid4().hex}
            return call(self, method, path, **given)

        return call_anew

    _wrap("apps.core.http", "Client.call", make)
    _wrap("apps.payments.services.refunds.submission", "find_gateway_refund", lambda _: lambda *_, **__: None)
    _wrap("apps.payments.services.refunds.submission", "list_gateway_refunds", lambda _: lambda *_, **__: [])


def _lose_captures() -> None:
    """Take one captured payment of ten for a failed one, by webhook, poll and callback alike."""

    def make(apply: Callable[..., Any]) -> Callable[..., Any]:
        def apply_or_lose(*, facts: Any, **given: Any) -> Any:
            if facts.status == "captured" and sum(facts.gateway_payment_id.encode()) % 10 == 0:
                facts = replace(facts, status="failed")
            return apply(facts=facts, **given)

        return apply_or_lose

    for module in ("attempts", "webhooks", "polling", "checkout_signatures"):
        if hasattr(import_module(f"apps.payments.services.{module}"), "apply_gateway_payment"):
            _wrap(f"apps.payments.services.{module}", "apply_gateway_payment", make)


def _refuse_what_took_effect() -> None:
    """Answer one order of ten with a refusal, and keep what was written."""
    from apps.core.api.errors import domain_error_response
    from apps.core.errors import Conflict

    def make(run: Callable[..., Any]) -> Callable[..., Any]:
        def run_and_refuse(call: Callable[[], Any]) -> Any:
            response = run(call)
            is_refused = response.status_code == HTTPStatus.CREATED and random.random() < _ONE_OF_TEN  # noqa: S311
            return domain_error_response(Conflict()) if is_refused else response

        return run_and_refuse

    _wrap("apps.core.api.idempotency", "_run", make)


def _read_stale() -> None:
    """Read an order from a copy that each web process made when it first read it."""
    copies: dict[Any, Any] = {}

    def make(get: Callable[..., Any]) -> Callable[..., Any]:
        def get_copy(*, order_id: Any, **given: Any) -> Any:
            return copies.setdefault(order_id, get(order_id=order_id, **given))

        return get_copy

    _wrap("apps.orders.selectors", "get_visible_order", make)


def _skip_availability_check() -> None:
    """Reserve units without a check of what is available, by the service and by the prepared statement."""
    _wrap("apps.catalog.services.reservations", "_check_availability", lambda _: lambda *_: None)
    _wrap("apps.catalog.services.reservations", "_require_units", lambda _: lambda *_: None)
    _wrap("apps.orders.sql", "_PLACE", lambda statement: statement.replace("free_milli >= quantity_milli", "true"))


#: Name -> what plants it.
MUTANTS: dict[str, Callable[[], None]] = {
    "idempotency-key-ignored": _ignore_idempotency_keys,
    "answer-before-commit": _answer_before_commit,
    "release-forgotten": _forget_release,
    "new-refund-key": _new_refund_key,
    "captures-lost": _lose_captures,
    "refusal-with-effect": _refuse_what_took_effect,
    "stale-reads": _read_stale,
    "availability-unchecked": _skip_availability_check,
}
