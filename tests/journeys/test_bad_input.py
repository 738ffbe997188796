"""Bad input at every endpoint: nothing is stored, nothing breaks, and the answer has the one shape of errors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from apps.accounts.models import User
from apps.backoffice.services.dispute_evidence import render_evidence_pdf
from apps.catalog.services.stock_adjustments import MAX_ON_HAND
from apps.core import clock, ids
from apps.core.events import SYSTEM
from apps.orders import services as orders
from apps.payments.models import Refund
from apps.payments.states import RefundStatus
from tests.corpus import bodies, requests, values
from tests.factories.accounts import make_address, make_challenge, make_session, make_user
from tests.factories.catalog import make_variant
from tests.factories.fulfilment import (
    make_dispatched_shipment,
    make_invoiced_order,
    make_packed_shipment,
    make_shipment,
)
from tests.factories.invoicing import make_rendered_credit_note, make_rendered_invoice
from tests.factories.notifications import make_notification
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    make_dispute,
    make_exception,
    make_gateway_payment,
    make_payment,
    make_refund,
    make_settlement,
    pay,
)
from tests.journeys.attacker import Attacker, refused
from tests.journeys.endpoints import WEBHOOK, Field, Operation, as_json, changed, filled, operations, with_ids
from tests.support.bank_statements import import_statement, statement
from tests.support.storage import documents_in

pytestmark = pytest.mark.django_db

API = [each for each in operations() if each.path.startswith("/api/v1/")]
WITH_BODY = [each for each in API if each.body is not None and each.path != WEBHOOK]
WITH_FIELDS = [each for each in WITH_BODY if each.fields]
LISTS = [each for each in API if each.queries]
WITH_IDS = [each for each in API if "{" in each.path]
BUT_WEBHOOKS = [each for each in API if each.path != WEBHOOK]


@pytest.fixture(scope="module")
def made(
    rows_of_module: Any, tmp_path_factory: Any
) -> Iterator[tuple[User, dict[str, str], dict[str, dict[str, str]]]]:
    """The owner of everything, one of each thing, and what some operations need instead."""
    with documents_in(tmp_path_factory.mktemp("documents")):
        with rows_of_module():
            owner = make_user(phone="+919876543210", name="Asha Owner")
            rows = owner, make_things(owner), make_others(owner)
        yield rows


@pytest.fixture
def owner(made: Any, db: None) -> User:
    return User.objects.get(pk=made[0].pk)


@pytest.fixture
def things(made: Any, db: None) -> dict[str, str]:
    """One of each thing, by the name that it has in paths and by the prefix of its id."""
    return dict(made[1])


@pytest.fixture
def others(made: Any) -> dict[str, dict[str, str]]:
    """What an operation needs instead, because it takes a thing only in a certain state; by the operation's name."""
    return dict(made[2])


def make_things(owner: User) -> dict[str, str]:
    address = make_address(owner)
    order = make_order(owner, address=address)
    variant = order.lines.first().variant
    # Nobody decides about money of their own order: what staff decide about is a stranger's.
    attempt = pay(make_order(make_user()))
    dispute = make_dispute(attempt)
    # A first reading of the evidence has a worker render it; here that was done.
    render_evidence_pdf(dispute_id=dispute.pk)
    differing = make_order(make_user())
    rows = {
        "customer_id": owner,
        "address_id": address,
        "order_id": order,
        "payment_id": make_payment(make_order(owner, address=address)),
        "variant_id": variant,
        "product_id": variant.product,
        "category_id": variant.product.category,
        "invoice_id": make_rendered_invoice(owner),
        "credit_note_id": make_rendered_credit_note(owner),
        "refund_id": make_refund(make_order(owner, address=address)),
        "attempt_id": apply_payment(
            make_gateway_payment(make_payment(differing), amount=differing.total_amount + 2_000)
        ),
        "dispute_id": dispute,
        "settlement_id": make_settlement(),
        "bank_statement_import_id": import_statement(statement((500, "NEFT/FROM NOBODY"))),
        "exception_id": make_exception(),
        "shipment_id": make_shipment(make_invoiced_order(make_user())),
        "notification_id": make_notification(owner),
        "session_id": make_session(owner),
        "challenge_id": make_challenge(owner.phone),
    }
    by_name = {name: row.public_id for name, row in rows.items()}
    # A body names no code that is there: an attempt at one is counted, which is no refusal without effect.
    in_bodies = [text for name, text in by_name.items() if name not in ("challenge_id", "customer_id")]
    return {**by_name, **{text.partition("_")[0]: text for text in in_bodies}, "gstin": "27AAPFU0939F1ZV"}


def make_others(owner: User) -> dict[str, dict[str, str]]:
    paid = make_order(owner)
    pay(paid)
    waiting = make_refund(make_order(make_user()), actor=actor_for(make_user()))
    failed = make_refund(make_order(make_user()), actor=SYSTEM)
    Refund.objects.filter(pk=failed.pk).update(status=RefundStatus.FAILED)
    sendable, held = make_invoiced_order(make_user(), quantity=2), make_invoiced_order(make_user())
    orders.hold_order(order_id=held.pk, reason="wait", actor=SYSTEM, now=clock.now())
    dispatched = make_dispatched_shipment(make_invoiced_order(make_user())).public_id
    to_send = {"ord": sendable.public_id, "line": ids.encode("line", sendable.lines.first().pk)}
    return {
        "hold_order": {"order_id": sendable.public_id},
        "release_order": {"order_id": held.public_id},
        "create_shipment": to_send,
        "dispatch_shipment": {"shipment_id": make_packed_shipment(make_invoiced_order(make_user())).public_id},
        "deliver_shipment": {"shipment_id": dispatched},
        "mark_shipment_lost": {"shipment_id": dispatched},
        "mark_shipment_damaged": {"shipment_id": dispatched},
        "request_refund": {
            "ord": paid.public_id,
            "line": ids.encode("line", paid.lines.first().pk),
        },
        "approve_refund": {"refund_id": waiting.public_id},
        "retry_refund": {"refund_id": failed.public_id},
        "hold_refund_for_transfer": {"refund_id": failed.public_id},
        "confirm_refund_transfer": {"refund_id": failed.public_id},
    }


@pytest.fixture
def attacker(owner: Any) -> Attacker:
    """The owner of everything, with all rights, so that nothing is refused for who asks."""
    owner.is_staff = owner.is_superuser = True
    owner.save(update_fields=["is_staff", "is_superuser"])
    return Attacker(owner)


@dataclass(frozen=True)
class Target:
    """An operation at its URL, with a body that is right."""

    operation: Operation
    url: str
    body: dict[str, Any]

    def attack(self, attacker: Attacker, case: str, raw: bytes | None = None, *, query: str = "", **how: Any) -> Any:
        """Send what is right, but for what is given."""
        if raw is None:
            raw = b"" if self.operation.body is None else as_json(self.body)
        return attacker.send(f"{self.operation} {case}", self.operation.method, f"{self.url}{query}", raw, **how)


@pytest.fixture
def aim(things: dict[str, str], others: dict[str, dict[str, str]]) -> Callable[[Iterable[Operation]], list[Target]]:
    """Return operations with their URLs and bodies."""

    def make(chosen: Iterable[Operation]) -> list[Target]:
        return [target(each, {**things, **others.get(each.name, {})}) for each in chosen]

    def target(operation: Operation, these: dict[str, str]) -> Target:
        return Target(operation, filled(operation.path, these), with_ids(operation.body or {}, these))

    return make


Aim = Callable[[Iterable[Operation]], list[Target]]


def slice_of(table: Mapping[str, Any], turn: int, share: int = 6) -> list[tuple[str, Any]]:
    """Return every `share`-th case, others for each turn: what one piece of code handles for all is tried on all together."""
    return [case for index, case in enumerate(table.items()) if index % share == turn % share]


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_a_right_body_of_the_examples_is_taken(operation: Operation, attacker: Attacker, aim: Aim) -> None:
    """The control: what the others spoil is right before they do."""
    target = aim([operation])[0]

    response = target.attack(attacker, "example")

    # A code, a token, a password and a signature cannot be examples.
    needs_a_secret = {"code", "password", "refresh_token", "signature"} & set(target.body)
    assert response.status_code < 300 or (needs_a_secret and response.status_code in (400, 401)), response.content
    assert attacker.faults == []


def test_a_body_that_is_no_object_is_refused(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for turn, target in enumerate(aim(WITH_BODY)):
            for case, raw in [*bodies.STRUCTURES.items(), *slice_of(bodies.HEAVY, turn)]:
                target.attack(attacker, case, raw, want=(400, 413))
            for case, (content_type, raw) in bodies.MEDIA_TYPES.items():
                target.attack(attacker, case, raw, content_type=content_type, want=(400, 415))


def test_a_field_of_another_type_is_refused(attacker: Attacker, aim: Aim) -> None:
    wrong = {
        "string": values.WRONG_FOR_TEXT, "integer": values.WRONG_FOR_NUMBER, "boolean": values.WRONG_FOR_BOOLEAN,
        "array": values.WRONG_FOR_LIST, "object": values.WRONG_FOR_OBJECT,
    }  # fmt: skip

    with refused(attacker):
        for target in aim(WITH_FIELDS):
            for field in target.operation.fields:
                table = {**wrong[field.type], **(values.IDS if field.is_id else {})}
                for case, value in table.items():
                    raw = as_json(changed(target.body, field, value))
                    target.attack(attacker, f"{field.name} {case}", raw, want=(400,))


def test_an_odd_value_breaks_nothing(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for target in aim(WITH_FIELDS):
            for turn, field in enumerate(target.operation.fields):
                for case, value in _odd_values(field, turn):
                    target.attack(attacker, f"{field.name} {case}", as_json(changed(target.body, field, value)))


def _odd_values(field: Field, turn: int) -> list[tuple[str, Any]]:
    if field.type == "string":
        return [*slice_of(values.TEXTS, turn, 3), *slice_of(values.HEAVY_TEXTS, turn, 8)]
    return [*values.NUMBERS.items()] if field.type == "integer" else []


def test_what_cannot_be_seen_is_blank(attacker: Attacker, things: dict[str, str]) -> None:
    with refused(attacker):
        for case in ("S06 blank", "S06 unseen", "S06 Hangul filler"):
            address = {
                "name": values.TEXTS[case],
                "line1": "1 MG Road",
                "city": "Mysuru",
                "state": "29",
                "pin": "570001",
            }
            response = attacker.send(case, "POST", "/api/v1/me/addresses", as_json(address), want=(400,))
            assert response.json()["error"]["code"] == "blank"


def test_read_only_fields_cannot_be_assigned(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for target in aim(WITH_FIELDS):
            known = {field.path[-1] for field in target.operation.fields}
            for name, value in values.PRIVILEGED.items():
                if name not in known:
                    target.attack(attacker, name, as_json({**target.body, name: value}), want=(400,))


def test_a_query_that_the_route_does_not_know_is_refused(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for turn, target in enumerate(aim(BUT_WEBHOOKS)):
            for case, query in slice_of(requests.FOREIGN_QUERIES, turn, 3):
                target.attack(attacker, case, query=f"?{query}", want=(400,))


def test_an_odd_parameter_breaks_no_list(attacker: Attacker, aim: Aim) -> None:
    strict = ("limit", "sort", "in_stock", "unread", "on", "status", "order_id", "price[gte]", "price[lte]", "cursor", "created_at[gte]",
              "created_at[gt]", "created_at[lte]", "created_at[lt]", "reason", "state", "as_of")  # fmt: skip

    with refused(attacker):
        for target in aim(LISTS):
            for turn, name in enumerate(target.operation.queries):
                for case, value in slice_of(requests.PARAMETER_VALUES, turn, 2):
                    is_number = name.startswith("price") and value.isdigit() and len(value) <= 13
                    want = (400,) if name in strict and value and not is_number else ()
                    target.attack(attacker, f"{name} {case}", query=f"?{name}={value}", want=want)
                target.attack(attacker, f"{name} twice", query=f"?{name}=1&{name}=2", want=(400,))


def test_what_is_no_id_is_not_found(attacker: Attacker, things: dict[str, str]) -> None:
    with refused(attacker):
        for operation in WITH_IDS:
            name = operation.path.partition("{")[2].partition("}")[0]
            raw = b"" if operation.body is None else as_json(with_ids(operation.body, things))
            others = {f"I09 {key}": text for key, text in things.items() if key.endswith("_id") and key != name}
            absent = {} if name == "gstin" else {"absent": ids.encode(things[name].partition("_")[0], ids.new())}
            for case, text in {**values.PATH_IDS, **others, **absent}.items():
                url = filled(operation.path, {**things, name: text})
                want = (200, 404) if name == "gstin" else (404,)
                attacker.send(f"{operation} {case}", operation.method, url, raw, want=want)


def test_odd_headers_and_keys_break_nothing(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for turn, target in enumerate(aim(API)):
            for case, headers in slice_of(requests.HEADERS, turn, 3):
                target.attack(attacker, case, headers=headers)
            for case, key in slice_of(requests.KEYS, turn, 3):
                target.attack(attacker, case, headers={"Idempotency-Key": key})


def test_a_token_that_is_none_opens_nothing(attacker: Attacker, aim: Aim) -> None:
    attacker.headers = {}
    chosen = [
        each
        for each in BUT_WEBHOOKS
        if not each.path.startswith(("/api/v1/auth/", "/api/v1/gst/rates", "/api/v1/states"))
    ]
    chosen += [each for each in API if each.path.startswith("/api/v1/auth/sessions")]

    with refused(attacker):
        for turn, target in enumerate(aim(chosen)):
            for case, token in slice_of(requests.TOKENS, turn, 4):
                target.attack(attacker, case, headers={"Authorization": f"Bearer {token}"}, want=(401,))
            for case, text in requests.AUTHORIZATIONS.items():
                target.attack(attacker, case, headers={"Authorization": text}, want=_for_nobody(target.operation))


def _for_nobody(operation: Operation) -> tuple[int, ...]:
    # Another scheme than Bearer is none of ours: who brings it is nobody, and may read what is public.
    is_public = operation.method == "GET" and operation.path.split("/")[3] in ("products", "variants", "categories")
    return (200, 401) if is_public else (401,)


@pytest.mark.parametrize("way", ["body", "cookie"])
def test_a_refresh_token_that_is_none_is_refused(way: str, attacker: Attacker) -> None:
    attacker.headers = {}
    with refused(attacker):
        for action in ("refresh", "logout"):
            for case, token in requests.TOKENS.items():
                attacker.client.cookies.clear()
                if way == "cookie":
                    attacker.client.cookies["bahi_refresh"] = token.encode("ascii", "ignore").decode()
                raw = as_json({"refresh_token": token} if way == "body" else {})
                attacker.send(f"{action} {case}", "POST", f"/api/v1/auth/{action}", raw, want=(400, 401))


def test_a_path_that_is_none_is_not_found_in_our_shape(attacker: Attacker) -> None:
    with refused(attacker):
        for path in requests.NO_PATHS:
            for method in ("GET", "POST", "PATCH", "DELETE"):
                body = b"{}" if method in ("POST", "PATCH") else b""
                attacker.send(f"{method} {path}", method, path, body, want=(404,))


def test_methods_that_nobody_needs_are_refused(attacker: Attacker, aim: Aim) -> None:
    with refused(attacker):
        for target in aim(API):
            for method in ("PUT", "TRACE", "CONNECT", "PROPFIND", "OPTIONS", "X" * 200):
                body = b"" if method in ("TRACE", "OPTIONS") else b"{}"
                attacker.send(f"{target.operation} {method}", method, target.url, body, want=(405,))


def test_no_amount_of_stock_overflows(attacker: Attacker, things: dict[str, str]) -> None:
    full = make_variant(stock=MAX_ON_HAND - 1)
    wanted = {"variant_id": full.public_id, "kind": "receipt", "reason": "too much"}

    with refused(attacker):
        attacker.send("over", "POST", "/api/v1/stock-adjustments", as_json({**wanted, "quantity": 2}), want=(409,))
        attacker.send("full", "POST", "/api/v1/stock-adjustments", as_json({**wanted, "quantity": 1}), want=(201,))
