"""Refunds over HTTP: who may ask, read, decide and cancel; every refusal by its code; and that refusals change nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.core import clock, ids
from apps.ledger.models import LedgerTransaction
from apps.payments.facts import GatewayError
from apps.payments.models import Refund
from apps.payments.services.refunds import amounts
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from apps.payments.states import RefundStatus
from tests.factories.accounts import make_staff
from tests.factories.invoicing import make_rendered_credit_note
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import make_exception, make_refund, make_settlement, make_settlement_lines, pay
from tests.support.answers import without_request_id
from tests.support.checkout import post
from tests.support.stored_rows import KEPT_ANSWERS, everything_stored, nothing_changes

pytestmark = pytest.mark.django_db

Clients = Callable[[Any], APIClient]
BASE = "/api/v1/refunds"
ABSENT = "rfnd_01jf3z8k4qe7tv2w9x0y1z2a3b"
KEY = "some-key-1"
#: Everybody who signs in, by fixture.
ALL = ("owner", "stranger", "support", "finance", "catalogue_manager", "administrator")
DECIDERS = ("finance", "administrator")
#: The verbs of those who decide, each with a state in which it is possible, and what comes of it.
DECISIONS = {
    "approve": ("requires_approval", {}, 202, "pending"),
    "reject": ("requires_approval", {"reason": "no"}, 200, "cancelled"),
    "retry": ("failed", {}, 202, "pending"),
    "hold-for-transfer": ("failed", {}, 200, "awaiting_transfer"),
    "confirm-transfer": ("failed", {"reference": "NEFT 1"}, 200, "processed"),
}


@pytest.fixture
def people(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Everybody who can sign in, by name."""
    return {name: request.getfixturevalue(name) for name in ALL}


@pytest.fixture
def paid(order: Any) -> Any:
    """An order of the owner's that is paid."""
    pay(order)
    return order


def url_of(refund: Refund, verb: str = "") -> str:
    return f"{BASE}/{refund.public_id}{verb}"


def code_of(answer: Any) -> tuple[int, str, str | None]:
    """Return status, code and parameter of a refusal, having looked at its shape."""
    error = answer.json()["error"]
    assert set(error) >= {"type", "code", "message", "request_id"}
    return answer.status_code, error["code"], error.get("param")


def refund_that_is(status: str, order: Any) -> Refund:
    """Return a refund of all of an order, asked for by its owner, in the given state."""
    refund = make_refund(order, is_approved=status != "requires_approval")
    if status == "failed":
        mark_refund_failed(refund=refund, error=GatewayError(code="BAD_REQUEST_ERROR"), now=clock.now())
    refund.refresh_from_db()
    assert refund.status == status
    return refund


# Asking ---------------------------------------------------------------------------------------------------------------


def test_what_the_buyer_asks_for_is_accepted_and_waits(client_of: Clients, owner: Any, paid: Any) -> None:
    answer = post(client_of(owner), BASE, {"order_id": paid.public_id, "note": "Too small"}, key=KEY)

    refund = Refund.objects.get()
    assert (answer.status_code, answer["Location"], answer["Retry-After"]) == (202, url_of(refund), "1")
    (told,) = answer.json()["data"]
    assert (told["id"], told["object"], told["number"]) == (refund.public_id, "refund", f"{paid.number}-R1")
    assert (told["order_id"], told["amount"], told["currency"]) == (paid.public_id, paid.total_amount, "INR")
    assert (told["status"], told["reason"], told["note"]) == ("requires_approval", "customer_request", "Too small")
    assert (told["gateway_refund_id"], told["approved_at"], told["processed_at"], told["lines"]) == (
        None,
        None,
        None,
        [],
    )
    assert (refund.requested_by, told["version"]) == (str(actor_for(owner)), 1)
    assert not LedgerTransaction.objects.filter(kind="refund_due").exists()


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", "requires_approval"),
        ("support", "requires_approval"),
        ("finance", "pending"),
        ("administrator", "pending"),
    ],
)
def test_only_approvers_refund_without_approval(
    client_of: Clients, people: dict[str, Any], paid: Any, who: str, status: str
) -> None:
    answer = post(client_of(people[who]), BASE, {"order_id": paid.public_id, "amount": 1_000}, key=KEY)

    assert (answer.status_code, [one["status"] for one in answer.json()["data"]]) == (202, [status])


@pytest.mark.parametrize("who", ["stranger", "catalogue_manager"])
def test_to_whom_the_order_is_not_visible_it_is_as_absent_as_none(
    client_of: Clients, people: dict[str, Any], paid: Any, who: str
) -> None:
    client = client_of(people[who])
    with nothing_changes(but=KEPT_ANSWERS):
        foreign = post(client, BASE, {"order_id": paid.public_id}, key="some-key-1")
        absent = post(client, BASE, {"order_id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b"}, key="some-key-2")

    assert foreign.status_code == 404
    assert without_request_id(foreign) == without_request_id(absent)


def test_nobody_asks_without_signing_in(anonymous: APIClient, paid: Any) -> None:
    with nothing_changes(but=KEPT_ANSWERS):
        assert post(anonymous, BASE, {"order_id": paid.public_id}, key=KEY).status_code == 401


@pytest.mark.parametrize("who", DECIDERS)
def test_over_the_limit_a_second_person_agrees_and_never_who_asked(
    client_of: Clients, people: dict[str, Any], paid: Any, settings: Any, who: str
) -> None:
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = 1_000
    client = client_of(people[who])
    below = post(client, BASE, {"order_id": paid.public_id, "amount": 1_000}, key="below-the-limit").json()["data"][0]
    above = post(client, BASE, {"order_id": paid.public_id, "amount": 1_001}, key="above-the-limit").json()["data"][0]
    assert (below["status"], above["status"]) == ("pending", "requires_approval")

    with nothing_changes(but=KEPT_ANSWERS):
        mine = post(client, f"{BASE}/{above['id']}/approve", key="approve-it-myself")
    assert code_of(mine) == (403, "self_approval_forbidden", None)

    another = client_of(make_staff("finance"))
    agreed = post(another, f"{BASE}/{above['id']}/approve", key="approve-anothers")
    assert (agreed.status_code, agreed.json()["status"]) == (202, "pending")
    assert agreed.json()["approved_at"] is not None


def test_a_retry_over_the_limit_waits_for_a_second_person_too(
    client_of: Clients, finance: Any, paid: Any, settings: Any
) -> None:
    failed = refund_that_is("failed", paid)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = failed.amount - 1

    again = post(client_of(finance), url_of(failed, "/retry"), key=KEY)

    assert (again.status_code, again.json()["status"], again.json()["retry_of"]) == (
        202, "requires_approval", failed.public_id,
    )  # fmt: skip
    mine = post(client_of(finance), f"{BASE}/{again.json()['id']}/approve", key="approve-it-myself")
    assert code_of(mine) == (403, "self_approval_forbidden", None)


def test_refund_of_lines_is_their_value(client_of: Clients, owner: Any, paid: Any) -> None:
    line = paid.lines.get()
    line_id = ids.encode("line", line.pk)
    body = {
        "order_id": paid.public_id,
        "lines": [{"order_line_id": line_id, "quantity": 1}],
        "reason": "goods_returned",
    }

    (told,) = post(client_of(owner), BASE, body, key=KEY).json()["data"]

    assert told["lines"] == [
        {"object": "refund_line", "order_line_id": line_id, "quantity": 1, "amount": line.total_amount}
    ]
    assert (told["amount"], told["reason"]) == (paid.total_amount, "goods_returned")


def _bodies(order: Any, other_line: str) -> dict[tuple[int, str, str | None], dict[str, Any]]:
    line = ids.encode("line", order.lines.get().pk)
    one = [{"order_line_id": line, "quantity": 1}]
    return {
        (409, "refund_exceeds_payment", "amount"): {"amount": order.total_amount + 1},
        (400, "refund_too_small", "amount"): {"amount": 99},
        (400, "amount_and_lines_conflict", "lines"): {"amount": 100, "lines": one},
        (400, "line_not_in_order", "lines[0].order_line_id"): {"lines": [{"order_line_id": other_line, "quantity": 1}]},
        (409, "refund_quantity_exceeds_line", "lines"): {"lines": [{"order_line_id": line, "quantity": 2}]},
        (409, "nothing_to_refund", None): {"payment_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b"},
        (400, "unknown_field", "status"): {"status": "processed"},
        (400, "invalid_choice", "reason"): {"reason": "order_cancelled"},
        (400, "invalid_choice", "speed"): {"speed": "at_once"},
        (400, "min_value", "amount"): {"amount": 0},
    }


@pytest.mark.parametrize("number", range(10))
def test_what_cannot_be_asked_is_refused_by_its_code(client_of: Clients, owner: Any, paid: Any, number: int) -> None:
    other = ids.encode("line", make_order(owner).lines.get().pk)
    refusal, body = list(_bodies(paid, other).items())[number]
    client = client_of(owner)
    with nothing_changes(but=KEPT_ANSWERS):
        answer = post(client, BASE, {"order_id": paid.public_id, **body}, key=KEY)

    assert code_of(answer) == refusal


def test_unpaid_and_refunded_orders_have_nothing_to_refund(client_of: Clients, owner: Any, paid: Any) -> None:
    client = client_of(owner)
    unpaid = post(client, BASE, {"order_id": make_order(owner).public_id}, key="of-an-unpaid-order")
    post(client, BASE, {"order_id": paid.public_id}, key="of-all-of-it")
    again = post(client, BASE, {"order_id": paid.public_id}, key="of-all-again")

    assert code_of(unpaid) == code_of(again) == (409, "nothing_to_refund", None)
    assert Refund.objects.count() == 1


# Keys -----------------------------------------------------------------------------------------------------------------


def test_the_same_request_is_carried_out_once_and_answered_twice(client_of: Clients, owner: Any, paid: Any) -> None:
    client, body = client_of(owner), {"order_id": paid.public_id, "amount": 1_000}
    first = post(client, BASE, body, key=KEY)
    with nothing_changes(but=KEPT_ANSWERS):
        again = post(client, BASE, body, key=KEY)

    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (202, first.json(), "true")
    assert (again["Location"], Refund.objects.count()) == (first["Location"], 1)


def test_a_key_is_not_used_again_for_something_else(client_of: Clients, owner: Any, paid: Any) -> None:
    client = client_of(owner)
    post(client, BASE, {"order_id": paid.public_id, "amount": 1_000}, key=KEY)
    with nothing_changes(but=KEPT_ANSWERS):
        other_body = post(client, BASE, {"order_id": paid.public_id, "amount": 1_001}, key=KEY)
        other_place = post(client, url_of(Refund.objects.get(), "/cancel"), {}, key=KEY)

    assert code_of(other_body)[:2] == code_of(other_place)[:2] == (422, "idempotency_key_reused")


def test_my_key_is_nothing_to_others(client_of: Clients, owner: Any, support: Any, paid: Any) -> None:
    for user in (owner, support):
        answer = post(client_of(user), BASE, {"order_id": paid.public_id, "amount": 1_000}, key=KEY)
        assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (202, None)

    assert Refund.objects.count() == 2


@pytest.mark.parametrize("verb", ["", "approve", "retry", "hold-for-transfer", "confirm-transfer"])
def test_what_moves_money_needs_a_key(client_of: Clients, finance: Any, paid: Any, verb: str) -> None:
    refund = make_refund(paid)
    url, body = (url_of(refund, f"/{verb}"), {}) if verb else (BASE, {"order_id": paid.public_id})
    client = client_of(finance)
    with nothing_changes(but=KEPT_ANSWERS):
        assert code_of(post(client, url, body))[:2] == (400, "idempotency_key_missing")


def test_an_approval_that_is_repeated_is_answered_as_the_first(client_of: Clients, finance: Any, paid: Any) -> None:
    refund, client = make_refund(paid), client_of(finance)
    first = post(client, url_of(refund, "/approve"), key=KEY)
    with nothing_changes(but=KEPT_ANSWERS):
        again = post(client, url_of(refund, "/approve"), key=KEY)

    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (202, first.json(), "true")
    assert LedgerTransaction.objects.filter(kind="refund_due").count() == 1


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"),
    [("owner", 200), ("support", 200), ("finance", 200), ("administrator", 200), ("stranger", 404), ("catalogue_manager", 404)],
)  # fmt: skip
def test_a_refund_is_there_for_its_buyer_and_for_staff_who_see_money(
    client_of: Clients, people: dict[str, Any], paid: Any, who: str, status: int
) -> None:
    refund, client = make_refund(paid), client_of(people[who])

    answer, absent = client.get(url_of(refund)), client.get(f"{BASE}/{ABSENT}")
    listed = [one["id"] for one in client.get(BASE).json()["data"]]

    assert (answer.status_code, absent.status_code) == (status, 404)
    assert listed == ([refund.public_id] if status == 200 else [])
    if status == 404:
        assert without_request_id(answer) == without_request_id(absent)
        assert client.get(BASE, {"order_id": paid.public_id}).json()["data"] == []


def test_reading_needs_signing_in(anonymous: APIClient, paid: Any) -> None:
    refund = make_refund(paid)
    assert {anonymous.get(url).status_code for url in (BASE, url_of(refund))} == {401}


def test_what_has_not_changed_is_not_sent_again(client_of: Clients, owner: Any, finance: Any, paid: Any) -> None:
    refund, client = make_refund(paid), client_of(owner)
    one, page = client.get(url_of(refund)), client.get(BASE)
    assert one["ETag"] == '"v1"'
    for url, seen in ((url_of(refund), one), (BASE, page)):
        again = client.get(url, headers={"If-None-Match": seen["ETag"]})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", seen["ETag"])

    approved = post(client_of(finance), url_of(refund, "/approve"), key=KEY)

    for url, seen in ((url_of(refund), one), (BASE, page)):
        again = client.get(url, headers={"If-None-Match": seen["ETag"]})
        assert (again.status_code, again["ETag"] != seen["ETag"]) == (200, True)
    assert client.get(url_of(refund))["ETag"] == f'"v{approved.json()["version"]}"' == '"v2"'


def test_lists_are_narrowed_by_status_and_order(client_of: Clients, owner: Any, paid: Any) -> None:
    waiting = make_refund(paid)
    other = make_order(owner)
    unsent = make_refund(other, is_approved=True)
    client = client_of(owner)

    def listed(**query: str) -> list[str]:
        return [one["id"] for one in client.get(BASE, query).json()["data"]]

    assert listed() == [unsent.public_id, waiting.public_id]
    assert listed(sort="created_at") == [waiting.public_id, unsent.public_id]
    assert listed(status="pending,failed") == [unsent.public_id]
    assert listed(order_id=paid.public_id) == [waiting.public_id]
    assert listed(order_id=paid.public_id, status="pending") == []


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ({"status": "lost"}, "invalid_refund_status", "status"),
        ({"order_id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b"}, "invalid_order_id", "order_id"),
        ({"cursor": "x"}, "invalid_cursor", "cursor"),
    ],
)
def test_what_a_list_cannot_read_is_refused(
    client_of: Clients, owner: Any, query: dict[str, str], code: str, param: str
) -> None:
    assert code_of(client_of(owner).get(BASE, query)) == (400, code, param)


def test_pages_follow_each_other(client_of: Clients, owner: Any) -> None:
    made = [make_refund(make_order(owner)).public_id for _ in range(3)]
    client = client_of(owner)
    first = client.get(BASE, {"limit": 2}).json()
    second = client.get(BASE, {"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [one["id"] for one in first["data"] + second["data"]] == made[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)


# Deciding -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("who", [name for name in ALL if name not in DECIDERS])
def test_who_may_not_decide_learns_nothing_and_changes_nothing(
    client_of: Clients, people: dict[str, Any], paid: Any, who: str, verb: str
) -> None:
    state, body, _, _ = DECISIONS[verb]
    refund, client = refund_that_is(state, paid), client_of(people[who])
    with nothing_changes(but=KEPT_ANSWERS):
        there = post(client, url_of(refund, f"/{verb}"), body, key="some-key-1")
        absent = post(client, f"{BASE}/{ABSENT}/{verb}", body, key="some-key-2")

    assert code_of(there) == (403, "refund_not_permitted", None)
    assert without_request_id(there) == without_request_id(absent)


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_without_signing_in(anonymous: APIClient, paid: Any, verb: str) -> None:
    refund = make_refund(paid)
    with nothing_changes(but=KEPT_ANSWERS):
        assert post(anonymous, url_of(refund, f"/{verb}"), key=KEY).status_code == 401


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("who", DECIDERS)
def test_who_may_decide_decides(client_of: Clients, people: dict[str, Any], paid: Any, who: str, verb: str) -> None:
    state, body, status, becomes = DECISIONS[verb]
    refund, client = refund_that_is(state, paid), client_of(people[who])

    answer = post(client, url_of(refund, f"/{verb}"), body, key=KEY)

    assert (answer.status_code, answer.json()["status"]) == (status, becomes)
    assert code_of(post(client, f"{BASE}/{ABSENT}/{verb}", body, key="some-key-2"))[0] == 404
    if verb == "retry":
        assert (answer.json()["retry_of"], answer["Location"]) == (refund.public_id, f"{BASE}/{answer.json()['id']}")
    else:
        assert answer.json()["id"] == refund.public_id


@pytest.mark.parametrize(
    ("verb", "state", "code"),
    [
        ("hold-for-transfer", "pending", "refund_not_transferable"),
        ("approve", "pending", "refund_not_awaiting_approval"),
        ("reject", "pending", "refund_not_awaiting_approval"),
        ("retry", "pending", "refund_not_failed"),
        ("confirm-transfer", "pending", "refund_not_transferable"),
        ("confirm-transfer", "requires_approval", "refund_not_transferable"),
        ("approve", "failed", "refund_not_awaiting_approval"),
        ("cancel", "failed", "refund_not_cancellable"),
    ],
)
def test_what_cannot_be_decided_now_is_a_conflict(
    client_of: Clients, finance: Any, paid: Any, verb: str, state: str, code: str
) -> None:
    refund = refund_that_is(state, paid)
    client = client_of(finance)
    with nothing_changes(but=KEPT_ANSWERS):
        answer = post(client, url_of(refund, f"/{verb}"), DECISIONS.get(verb, ("", {}))[1], key=KEY)

    assert code_of(answer) == (409, code, None)


def test_failed_refund_is_retried_once(client_of: Clients, finance: Any, paid: Any) -> None:
    refund, client = refund_that_is("failed", paid), client_of(finance)
    assert post(client, url_of(refund, "/retry"), key="some-key-1").status_code == 202
    with nothing_changes(but=KEPT_ANSWERS):
        again = post(client, url_of(refund, "/retry"), key="some-key-2")
        by_hand = post(client, url_of(refund, "/confirm-transfer"), {"reference": "NEFT 1"}, key="some-key-3")

    assert code_of(again) == code_of(by_hand) == (409, "refund_already_retried", None)


def test_transfer_is_awaited_first_and_then_confirmed(client_of: Clients, finance: Any, paid: Any) -> None:
    refund, client = refund_that_is("failed", paid), client_of(finance)

    held = post(client, url_of(refund, "/hold-for-transfer"), key="some-key-1")
    done = post(client, url_of(refund, "/confirm-transfer"), {"reference": "NEFT N1"}, key="some-key-2")

    assert (held.status_code, held.json()["status"]) == (200, "awaiting_transfer")
    assert (done.json()["status"], done.json()["transfer_reference"]) == ("processed", "NEFT N1")
    assert done["ETag"] == f'"v{done.json()["version"]}"'


@pytest.mark.parametrize(
    "body", [{}, {"reference": ""}, {"reference": " "}, {"reference": "\u200b"}, {"reference": None}]
)
def test_a_transfer_is_confirmed_only_with_a_reference(client_of: Clients, finance: Any, paid: Any, body: Any) -> None:
    refund = refund_that_is("failed", paid)

    refused = post(client_of(finance), url_of(refund, "/confirm-transfer"), body, key="some-key-1")

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "reference")
    refund.refresh_from_db()
    assert (refund.status, refund.transfer_reference) == ("failed", "")


# Cancelling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("owner", 200, None),
        ("finance", 200, None),
        ("administrator", 200, None),
        ("support", 403, "refund_not_permitted"),
        ("stranger", 404, "refund_not_found"),
        ("catalogue_manager", 404, "refund_not_found"),
    ],
)
def test_a_refund_is_cancelled_by_who_asked_or_by_who_decides(
    client_of: Clients, people: dict[str, Any], paid: Any, who: str, status: int, code: str | None
) -> None:
    refund, client = make_refund(paid), client_of(people[who])
    before = everything_stored()

    answer = post(client, url_of(refund, "/cancel"), {"reason": "I keep it after all"})

    assert answer.status_code == status
    if code is None:
        assert answer.json()["status"] == "cancelled"
    else:
        assert code_of(answer) == (status, code, None)
        assert everything_stored() == before


def test_support_cancels_what_it_asked_for_itself(client_of: Clients, support: Any, paid: Any) -> None:
    client = client_of(support)
    asked = post(client, BASE, {"order_id": paid.public_id}, key=KEY).json()["data"][0]
    answer = post(client, f"{BASE}/{asked['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_what_the_gateway_may_know_of_is_not_cancelled(client_of: Clients, owner: Any, paid: Any) -> None:
    refund = make_refund(paid, is_approved=True)
    Refund.objects.filter(pk=refund.pk).update(status=RefundStatus.UNKNOWN, gateway_call="unknown")
    client = client_of(owner)
    with nothing_changes(but=KEPT_ANSWERS):
        answer = post(client, url_of(refund, "/cancel"))

    assert code_of(answer) == (409, "refund_not_cancellable", None)


# Queries --------------------------------------------------------------------------------------------------------------


def _refunds(owner: Any, count: int) -> str:
    for _ in range(count):
        order = make_order(owner)
        pay(order)
        make_refund(order, lines=[amounts.RefundLineInput(order.lines.get().pk, 1)])
    return BASE


def _credit_notes(owner: Any, count: int) -> str:
    for _ in range(count):
        make_rendered_credit_note(owner)
    return "/api/v1/credit-notes"


def _settlements(owner: Any, count: int) -> str:
    for _ in range(count):
        make_settlement()
    return "/api/v1/settlements"


def _lines(owner: Any, count: int) -> str:
    settlement = make_settlement()
    make_settlement_lines(settlement, count)
    return f"/api/v1/settlements/{settlement.public_id}/lines"


def _exceptions(owner: Any, count: int) -> str:
    for _ in range(count):
        make_exception(settlement_id=make_settlement().pk, owner=make_staff("finance"))
    return "/api/v1/reconciliation/exceptions"


@pytest.mark.parametrize(
    ("make", "most"), [(_refunds, 5), (_credit_notes, 5), (_settlements, 4), (_lines, 5), (_exceptions, 5)]
)
def test_fifty_rows_take_no_more_queries_than_one(
    client_of: Clients, owner: Any, finance: Any, count_queries: Any, make: Callable[[Any, int], str], most: int
) -> None:
    client, counts = client_of(finance), []
    url = make(owner, 1)
    for added in (0, 49):
        # The lines of one settlement are read anew for another; of the rest there are fifty then.
        url = make(owner, 50 if make is _lines else added) if added else url
        with count_queries() as queries:
            rows = client.get(url, {"limit": 100}).json()["data"]
        assert len(rows) == (50 if added else 1)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= most
