"""Payments over HTTP: what owners, strangers and staff get, and that no view calls the gateway."""

from typing import Any

import pytest

from apps.core import clock
from apps.payments.models import Payment
from apps.payments.services import gateway_orders
from apps.payments.states import PaymentStatus
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, new_gateway_id, pay
from tests.support.checkout import post, signed

pytestmark = pytest.mark.django_db

BASE = "/api/v1/payments"
NOWHERE = f"{BASE}/pay_01jf3z8k4qe7tv2w9x0y1z2a3b"


def url_of(payment: Payment, verb: str = "") -> str:
    return f"{BASE}/{payment.public_id}{verb}"


def same_answer(one: Any, other: Any) -> bool:
    def without_id(answer: Any) -> Any:
        return {name: value for name, value in answer.json()["error"].items() if name != "request_id"}

    return one.status_code == other.status_code == 404 and without_id(one) == without_id(other)


# Starting -------------------------------------------------------------------------------------------------------------


def test_asking_to_pay_answers_at_once_with_the_place_to_watch(client_of: Any, owner: Any, order: Any) -> None:
    answer = post(client_of(owner), BASE, {"order_id": order.public_id}, key="first-try")
    payment = Payment.objects.get()
    assert answer.status_code == 202
    assert answer["Location"] == url_of(payment)
    assert answer["Retry-After"] == "1"
    body = answer.json()
    assert (body["id"], body["object"], body["order_id"], body["status"]) == (
        payment.public_id, "payment", order.public_id, "requires_payment",
    )  # fmt: skip
    assert (body["amount"], body["next_action"], body["error"], body["attempts"]) == (
        order.total_amount,
        None,
        None,
        [],
    )
    assert body["version"] == 1


def test_the_same_request_gets_the_same_answer(client_of: Any, owner: Any, order: Any) -> None:
    client = client_of(owner)
    first = post(client, BASE, {"order_id": order.public_id}, key="first-try")
    again = post(client, BASE, {"order_id": order.public_id}, key="first-try")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (202, first.json(), "true")
    assert Payment.objects.count() == 1


def test_asking_to_pay_needs_a_key(client_of: Any, owner: Any, order: Any) -> None:
    assert (
        post(client_of(owner), BASE, {"order_id": order.public_id}).json()["error"]["code"] == "idempotency_key_missing"
    )
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [{}, {"order_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b"}, {"order_id": 7}, {"order_id": None}, {"order_id": ["x"]}],
)
def test_a_body_that_names_no_order_is_refused(client_of: Any, owner: Any, body: dict[str, Any]) -> None:
    answer = post(client_of(owner), BASE, body, key="some-key-1")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "order_id")


def test_the_buyer_cannot_say_what_is_asked(client_of: Any, owner: Any, order: Any) -> None:
    answer = post(client_of(owner), BASE, {"order_id": order.public_id, "amount": 100}, key="some-key-1")
    assert answer.json()["error"]["code"] == "unknown_field"
    assert Payment.objects.count() == 0


def test_a_strangers_order_is_as_absent_as_none(client_of: Any, stranger: Any, finance: Any, order: Any) -> None:
    absent = {"order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b"}
    for user in (stranger, finance):
        client = client_of(user)
        foreign = post(client, BASE, {"order_id": order.public_id}, key="some-key-1")
        assert same_answer(foreign, post(client, BASE, absent, key="some-key-2"))
    assert Payment.objects.count() == 0


def test_a_paid_order_is_a_conflict(client_of: Any, owner: Any, order: Any) -> None:
    pay(order)
    answer = post(client_of(owner), BASE, {"order_id": order.public_id}, key="some-key-1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_not_payable")


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_payment_is_read_with_its_attempts_and_an_etag(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order)
    failed = apply_payment(make_gateway_payment(payment, status="failed"))
    client = client_of(owner)
    answer = client.get(url_of(payment))
    body = answer.json()
    assert [attempt["id"] for attempt in body["attempts"]] == [failed.public_id]
    assert body["error"] == body["attempts"][0]["error"] == {
        "message": "The bank declined the payment. Try another payment method, or contact your bank.",
        "failed_by": "bank", "another_attempt": "other_method", "offer": ["card", "netbanking"],
        "code": "BAD_REQUEST_ERROR", "reason": "payment_declined", "source": "issuer_bank", "step": "",
    }  # fmt: skip
    assert client.get(url_of(payment), headers={"If-None-Match": answer["ETag"]}).status_code == 304
    apply_payment(make_gateway_payment(payment, status="failed", id=failed.gateway_payment_id, rrn="1"))
    apply_payment(make_gateway_payment(payment))
    assert client.get(url_of(payment), headers={"If-None-Match": answer["ETag"]}).json()["status"] == "succeeded"


def test_a_strangers_payment_is_as_absent_as_none(client_of: Any, stranger: Any, order: Any) -> None:
    payment = make_payment(order)
    client = client_of(stranger)
    assert same_answer(client.get(url_of(payment)), client.get(NOWHERE))
    assert same_answer(client.get(url_of(payment, "/qr.svg")), client.get(f"{NOWHERE}/qr.svg"))
    for verb, body in (("/cancel", {}), ("/sync", {}), ("/verify", signed(payment))):
        assert same_answer(post(client, url_of(payment, verb), body), post(client, f"{NOWHERE}{verb}", body))
    assert client.get(BASE).json()["data"] == []
    assert client.get(BASE, {"order_id": order.public_id}).json()["data"] == []
    payment.refresh_from_db()
    assert (payment.status, payment.version) == (PaymentStatus.REQUIRES_PAYMENT, 1)


def test_nobody_is_let_in_without_a_token(anonymous: Any, order: Any) -> None:
    payment = make_payment(order)
    for path in (BASE, url_of(payment), url_of(payment, "/qr.svg")):
        assert anonymous.get(path).status_code == 401
    for path in (BASE, *(url_of(payment, verb) for verb in ("/verify", "/cancel", "/sync"))):
        assert post(anonymous, path, {}, key="some-key-1").status_code == 401


def test_finance_sees_all_and_the_catalogue_manager_none(
    client_of: Any, finance: Any, catalogue_manager: Any, order: Any
) -> None:
    payment = make_payment(order)
    assert client_of(finance).get(url_of(payment)).status_code == 200
    assert [row["id"] for row in client_of(finance).get(BASE).json()["data"]] == [payment.public_id]
    assert client_of(catalogue_manager).get(url_of(payment)).status_code == 404
    assert client_of(catalogue_manager).get(BASE).json()["data"] == []


def test_payments_are_listed_newest_first_and_narrowed(client_of: Any, shop: Any, owner: Any) -> None:
    paid, waiting = make_order(owner), make_order(owner)
    pay(paid)
    second = make_payment(waiting)
    client = client_of(owner)
    assert [row["order_id"] for row in client.get(BASE).json()["data"]] == [waiting.public_id, paid.public_id]
    assert [row["id"] for row in client.get(BASE, {"order_id": waiting.public_id}).json()["data"]] == [second.public_id]
    assert [row["status"] for row in client.get(BASE, {"status": "succeeded,cancelled"}).json()["data"]] == [
        "succeeded"
    ]


@pytest.mark.parametrize(
    "query",
    [{"status": "paid"}, {"order_id": "7"}, {"order_id": ""}, {"amount": "1"}, {"limit": "0"}, {"status": "a\x00"}],
)
def test_a_list_refuses_what_it_does_not_know(client_of: Any, owner: Any, query: dict[str, str]) -> None:
    assert client_of(owner).get(BASE, query).status_code == 400


def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_one(
    client_of: Any, shop: Any, owner: Any, count_queries: Any
) -> None:
    client = client_of(owner)
    counts = []
    for rows in (1, 49):
        for _ in range(rows):
            pay(make_order(owner))
        with count_queries() as queries:
            assert len(client.get(BASE, {"limit": "50"}).json()["data"]) in (1, 50)
        counts.append(len(queries))
    assert counts == [3, 3]


# Verbs ----------------------------------------------------------------------------------------------------------------


def test_valid_callback_requests_a_sync_and_changes_nothing_itself(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order)
    answer = post(client_of(owner), url_of(payment, "/verify"), signed(payment))
    assert (answer.status_code, answer["Location"]) == (202, url_of(payment))
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT
    assert payment.next_check_at <= clock.now()
    assert payment.attempts.count() == 0


@pytest.mark.parametrize(
    "lie",
    [
        {"signature": "0" * 64},
        {"gateway_payment_id": "pay_AnotherPayment"},
        {"gateway_order_id": "order_AnotherOrder"},
        {"signature": "é"},
    ],
)
def test_a_forged_callback_is_refused_and_changes_nothing(
    client_of: Any, owner: Any, order: Any, lie: dict[str, str]
) -> None:
    payment = make_payment(order)
    answer = post(client_of(owner), url_of(payment, "/verify"), {**signed(payment), **lie})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_checkout_signature")
    payment.refresh_from_db()
    assert payment.version == 1


def test_the_signature_is_over_our_gateway_order_not_the_browsers(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order)
    other = new_gateway_id("order")
    body = {**signed(payment, order_id=other), "gateway_order_id": other}
    assert post(client_of(owner), url_of(payment, "/verify"), body).status_code == 400


def test_a_payment_without_a_gateway_order_has_nothing_to_verify(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order, is_ready=False)
    assert post(client_of(owner), url_of(payment, "/verify"), signed(payment, order_id="None")).status_code == 400


def test_owner_cancels_a_payment(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order)
    answer = post(client_of(owner), url_of(payment, "/cancel"))
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = post(client_of(owner), url_of(payment, "/cancel"))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "payment_not_cancellable")


def test_staff_can_sync_and_cancel_a_payment(client_of: Any, finance: Any, catalogue_manager: Any, order: Any) -> None:
    payment = make_payment(order)
    assert post(client_of(finance), url_of(payment, "/sync")).status_code == 202
    assert post(client_of(catalogue_manager), url_of(payment, "/cancel")).status_code == 404
    payment.refresh_from_db()
    assert (payment.status, payment.version) == (PaymentStatus.REQUIRES_PAYMENT, 2)
    assert post(client_of(finance), url_of(payment, "/cancel")).json()["status"] == "cancelled"


def test_second_sync_request_before_the_first_ran_changes_nothing(client_of: Any, owner: Any, order: Any) -> None:
    payment = make_payment(order)
    for _ in range(3):
        assert post(client_of(owner), url_of(payment, "/sync")).status_code == 202
    payment.refresh_from_db()
    assert payment.version == 2


def test_the_upi_link_is_there_as_a_picture_while_it_can_be_paid(
    client_of: Any, owner: Any, order: Any, sandbox: Any
) -> None:
    payment = make_payment(order, is_ready=False)
    client = client_of(owner)
    assert client.get(url_of(payment, "/qr.svg")).json()["error"]["code"] == "upi_link_not_found"
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    for accept in ("image/svg+xml", "application/json", "*/*", "text/html"):
        answer = client.get(url_of(payment, "/qr.svg"), headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
        assert answer.content.startswith(b"<svg ")
    assert client.get(url_of(payment)).json()["next_action"]["upi"]["qr_url"] == url_of(payment, "/qr.svg")
