"""Rows that record events are written by `change` and `create` alone, but for the columns that no event keeps."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.db import models

from apps.core.models import Subject

APPS = Path(__file__).resolve().parents[2] / "apps"
WRITING = {
    "save", "update", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "delete",
    "claim", "release", "defer_check",
}  # fmt: skip
#: What `apps.core.row_writes` has: `update_row(row, "column", ...)` and `insert_rows(rows)`.
WRITING_FUNCTIONS = {"update_row", "insert_rows"}
#: Of these, the ones that take the columns by keyword, and keywords of theirs that are none.
BY_KEYWORD, NO_COLUMNS = {"update", "claim", "release", "defer_check"}, {"now", "ttl", "until"}


@dataclass(frozen=True)
class Unrecorded:
    """Columns of a model that a function writes without an event, and why; `also` names those that some events keep."""

    model: str
    reason: str
    also: frozenset[str] = frozenset()


_POLL = "when a worker polls the gateway next"
_CLAIM = "a worker's claim, committed before it calls the gateway"
_RELEASE = "the end of a claim whose call had no usable answer"
_SEND = "how far the code was sent; it lives for ten minutes"
_ERASE = "erasing personal data, which no event keeps"

#: Functions that write rows which record events, other than by `change` and `create`.
UNRECORDED: dict[str, Unrecorded] = {
    "core.incidents:_count_again": Unrecorded("core.incident", "how often a fault was met"),
    "accounts.services.erasure:erase_user": Unrecorded("accounts.session", _ERASE),
    "accounts.services.erasure:_delete_codes": Unrecorded("accounts.challenge", _ERASE),
    "accounts.services.cleanup:end_and_delete_expired": Unrecorded(
        "accounts.challenge", "codes and sessions that are long over"
    ),
    "accounts.services.log_in:_upgrade_password_hash": Unrecorded(
        "accounts.user", "the same password, hashed as today"
    ),
    "accounts.services.otp:_make_challenge": Unrecorded("accounts.challenge", "the new code's event says so"),
    "accounts.services.otp:_claim": Unrecorded("accounts.challenge", _SEND),
    "accounts.services.otp:_record_outcome": Unrecorded("accounts.challenge", _SEND),
    "accounts.services.otp:use_code": Unrecorded("accounts.challenge", "what the code is for has an event"),
    "accounts.services.sessions:_rotate": Unrecorded("accounts.session", "when a session was last used"),
    "notifications.services.erasure:erase_messages": Unrecorded("notifications.notification", _ERASE),
    "notifications.services.inbox:mark_read": Unrecorded("notifications.notification", "what the buyer has read"),
    "notifications.services.inbox:mark_all_read": Unrecorded("notifications.notification", "what the buyer has read"),
    "notifications.services.sending:claim_notification": Unrecorded(
        "notifications.notification",
        "a sender's claim; the event of the outcome keeps what it led to",
        frozenset({"status", "attempts", "claimed_until", "next_attempt_at"}),
    ),
    "notifications.services.sending:_requeue": Unrecorded(
        "notifications.notification",
        "it waits again as it did before the claim",
        frozenset({"status", "claimed_until", "next_attempt_at"}),
    ),
    "payments.services.erasure:erase_payer": Unrecorded("payments.payment", _ERASE, frozenset({"payer", "note"})),
    "payments.services.payment_acceptance:_accept_fee": Unrecorded(
        "payments.paymentattempt", "the event that closes the review keeps it", frozenset({"review_reason"})
    ),
    "payments.services.gateway_orders:_claim": Unrecorded("payments.payment", _CLAIM),
    "payments.services.gateway_orders:release_claim": Unrecorded("payments.payment", _RELEASE),
    "payments.services.polling:sync_payment": Unrecorded("payments.payment", _CLAIM),
    "payments.services.polling:_record_poll_result": Unrecorded("payments.payment", _RELEASE),
    "payments.services.polling:poll_open_payments": Unrecorded("payments.payment", _POLL),
    "payments.services.refunds.gateway_updates:mark_refund_unknown": Unrecorded("payments.refund", _RELEASE),
    "payments.services.refunds.gateway_updates:_merge": Unrecorded(
        "payments.refund", "facts that change no other column"
    ),
    "payments.services.refunds.superseded:cancel_superseded_refund": Unrecorded("payments.refund", _RELEASE),
    "payments.services.refunds.submission:_defer_check": Unrecorded("payments.refund", _POLL),
    "payments.services.refunds.submission:_claim": Unrecorded("payments.refund", _CLAIM),
    "payments.services.refunds.submission:_release_claim": Unrecorded("payments.refund", _RELEASE),
    "payments.services.refunds.submission:sync_refund": Unrecorded("payments.refund", _POLL),
    "payments.services.refunds.submission:_look_for_rejected": Unrecorded("payments.refund", _POLL),
    "payments.services.refunds.submission:poll_open_refunds": Unrecorded("payments.refund", _POLL),
    "payments.services.disputes.gateway_updates:_apply": Unrecorded("payments.dispute", _POLL),
    "payments.services.disputes.gateway_updates:_record": Unrecorded(
        "payments.dispute", "facts that change no other column"
    ),
    "payments.services.disputes.polling:_defer": Unrecorded("payments.dispute", _POLL),
    "payments.services.disputes.responses:submit_dispute_response": Unrecorded("payments.dispute", _RELEASE),
    "payments.services.refunds.submission:_sync_or_release": Unrecorded("payments.refund", _RELEASE),
    "settlements.services.matching:_open_settlement": Unrecorded(
        "settlements.settlement", "the row that its lines refer to; booking them records all of it"
    ),
    "settlements.services.import_claims:take": Unrecorded("settlements.settlementimport", _CLAIM),
    "settlements.services.import_claims:extend": Unrecorded("settlements.settlementimport", _CLAIM),
    "payments.services.webhooks:process_webhook": Unrecorded(
        "payments.webhook", "its effects have events of their own"
    ),
    "payments.services.webhooks:_record_failure": Unrecorded("payments.webhook", "when it is attempted next"),
    "payments.services.webhooks:_start_attempt": Unrecorded("payments.webhook", "when it is attempted next"),
}

#: Functions whose rows record no events, where the code does not name their model.
WITHOUT_EVENTS = {
    "accounts.services.erasure:_blank_log": "the log of the back office",
    "accounts.services.sessions:end_locked_session": "refresh tokens",
    "catalog.services.products:update_category": "categories",
    "invoicing.services.invoices:_issue": "lines of a document",
    "invoicing.services.number_series:assign_number": "number series",
    "invoicing.services.pdf:_store_file": "files of documents",
    "orders.services.erasure:_erase_order": "addresses of orders",
    "ledger.services.postings:_insert": "postings",
    "ledger.services.resolvers:register_resolver": "a table of functions, and no row",
    "payments.services.refunds.requests:_insert": "lines of a refund",
    "settlements.services.bank_statements:_sha256_of": "a hash, and no row",
    "settlements.services.report_imports:_sha256_of": "a hash, and no row",
    "tax.services:set_rate": "tax rates",
    "tax.services:set_up_reference_data": "tax rates",
    "tax.services:update_registration": "registrations",
    "tax.services:set_default_registration": "registrations",
}


def _find_writes() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in a service that may write rows which record events, with the function that makes it."""
    for path in sorted([*APPS.glob("*/services/**/*.py"), *APPS.glob("*/services.py"), APPS / "core" / "incidents.py"]):
        module = ".".join(path.relative_to(APPS).with_suffix("").parts)
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    if _is_write(call) and not _names_model_without_events(module, call.func):
                        yield f"{module}:{function.name}", call


def _is_write(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in WRITING_FUNCTIONS
    return isinstance(node.func, ast.Attribute) and node.func.attr in WRITING


def test_a_write_is_found_by_what_it_calls_and_so_are_its_columns() -> None:
    calls = [
        ast.parse(text, mode="eval").body
        for text in ('update_row(row, "a", "b")', "row.save(update_fields=['c'])", "f(x)")
    ]

    assert [_is_write(call) for call in calls] == [True, True, False]
    assert [_columns(call) for call in calls[:2]] == [{"a", "b"}, {"c"}]


def _names_model_without_events(module: str, node: ast.AST) -> bool:
    """Return whether a chain such as `RefreshToken.objects.filter(...).update` begins with a model that is no Subject."""
    while isinstance(node, (ast.Attribute, ast.Call)):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    found = getattr(importlib.import_module(f"apps.{module}"), node.id, None) if isinstance(node, ast.Name) else None
    return isinstance(found, type) and issubclass(found, models.Model) and not issubclass(found, Subject)


def _columns(call: ast.Call) -> set[str]:
    """Return the names of the columns that a call writes, as far as the code names them."""
    is_update = isinstance(call.func, ast.Attribute) and call.func.attr in BY_KEYWORD
    named = {keyword.arg for keyword in call.keywords if keyword.arg} - NO_COLUMNS if is_update else set()
    lists = [keyword.value for keyword in call.keywords if keyword.arg == "update_fields"]
    if isinstance(call.func, ast.Name):
        lists = call.args[1:]
    texts = {node.value for each in lists for node in ast.walk(each) if isinstance(node, ast.Constant)}
    return {str(name) for name in named | texts}


def test_services_write_recorded_rows_by_change_and_create() -> None:
    found = {where for where, _ in _find_writes()}

    assert found - UNRECORDED.keys() - WITHOUT_EVENTS.keys() == set()


def test_no_exemption_is_out_of_date() -> None:
    found = {where for where, _ in _find_writes()}

    assert (UNRECORDED.keys() | WITHOUT_EVENTS.keys()) - found == set()


def test_what_is_written_without_an_event_is_what_no_event_keeps() -> None:
    written = {}
    for where, call in _find_writes():
        if where in UNRECORDED:
            exempt = UNRECORDED[where]
            model = apps.get_model(exempt.model)
            unrecorded = model.NOT_IN_EVENTS | model.PERSONAL_FIELDS | exempt.also | {"updated_at"}  # type: ignore[attr-defined]
            if surplus := _columns(call) - unrecorded:
                written[where] = surplus

    assert written == {}
