"""The queue of exceptions over HTTP: read one, give it an owner, find those of an owner."""

from typing import Any

import pytest

from apps.core import clock, ids
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import services
from tests.factories.accounts import make_staff
from tests.factories.payments import make_exception
from tests.support.stored_rows import nothing_changes

pytestmark = pytest.mark.django_db

QUEUE = "/api/v1/reconciliation/exceptions"


@pytest.mark.parametrize("role", ["support", "catalogue_manager", "stranger"])
def test_only_who_keeps_the_books_reads_and_assigns(stranger: Any, client_of: Any, role: str) -> None:
    row = make_exception()
    client = client_of(stranger if role == "stranger" else make_staff(role))

    with nothing_changes():
        assert client.get(f"{QUEUE}/{row.public_id}").status_code == 403
        assert client.post(f"{QUEUE}/{row.public_id}/assign", {}, format="json").status_code == 403


def test_one_is_read_with_its_version(finance: Any, client_of: Any) -> None:
    row = make_exception()

    answer = client_of(finance).get(f"{QUEUE}/{row.public_id}")

    assert (answer.status_code, answer["ETag"]) == (200, f'"v{row.version}"')
    assert (answer.json()["id"], answer.json()["expected_amount"]) == (row.public_id, 2782)
    assert client_of(finance).get(f"{QUEUE}/{ids.encode('rex', ids.new())}").status_code == 404


def test_one_is_taken_by_oneself_and_given_to_another(finance: Any, administrator: Any, client_of: Any) -> None:
    row, client = make_exception(), client_of(finance)

    mine = client.post(f"{QUEUE}/{row.public_id}/assign", {}, format="json")
    assert (mine.status_code, mine.json()["owner_id"]) == (200, finance.public_id)
    again = client.post(f"{QUEUE}/{row.public_id}/assign", {}, format="json")
    assert again.json()["version"] == mine.json()["version"], "it is nobody else's now, and nothing has changed"
    given = client.post(f"{QUEUE}/{row.public_id}/assign", {"owner_id": administrator.public_id}, format="json")

    assert (given.json()["owner_id"], given["ETag"]) == (administrator.public_id, f'"v{given.json()["version"]}"')
    told = Event.objects.filter(subject_id=row.pk).order_by("version").values_list("type", "actor")
    assert list(told) == [("ledger.exception.assigned", f"user:{finance.public_id}")] * 2


def test_a_long_note_is_kept_as_far_as_it_fits(db: None) -> None:
    row = make_exception()

    services.resolve_exception(exception_id=row.pk, resolution="noted", note="n" * 501, actor=SYSTEM, now=clock.now())

    row.refresh_from_db()
    assert row.note == "n" * 500


@pytest.mark.parametrize("whom", ["support", "stranger", "nobody", "not an id"])
def test_nobody_owns_one_who_may_not_decide(
    finance: Any, support: Any, stranger: Any, client_of: Any, whom: str
) -> None:
    row = make_exception()
    named = {"support": support.public_id, "stranger": stranger.public_id, "nobody": ids.encode("cus", ids.new())}
    client, body = client_of(finance), {"owner_id": named.get(whom, "finance")}

    with nothing_changes():
        answer = client.post(f"{QUEUE}/{row.public_id}/assign", body, format="json")

    assert answer.status_code == (404 if whom == "nobody" else 400)


def test_what_is_resolved_has_no_new_owner(finance: Any, administrator: Any, client_of: Any) -> None:
    row, client = make_exception(), client_of(finance)
    resolved = client.post(
        f"{QUEUE}/{row.public_id}/resolve",
        {"resolution": "noted", "note": "seen"},
        format="json",
        headers={"Idempotency-Key": "key-of-the-test"},
    )
    assert resolved.status_code == 200, resolved.json()

    with nothing_changes():
        answer = client.post(f"{QUEUE}/{row.public_id}/assign", {"owner_id": administrator.public_id}, format="json")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "exception_already_resolved")


def test_they_are_found_by_owner(finance: Any, administrator: Any, client_of: Any) -> None:
    mine, theirs, nobodys = make_exception(owner=finance), make_exception(owner=administrator), make_exception()
    client = client_of(finance)

    def found(owner: str) -> list[str]:
        return [row["id"] for row in client.get(f"{QUEUE}?owner_id={owner}").json()["data"]]

    assert found("me") == [mine.public_id]
    assert found(administrator.public_id) == [theirs.public_id]
    assert found("none") == [nobodys.public_id]
    assert client.get(f"{QUEUE}?owner_id=somebody").json()["error"]["param"] == "owner_id"
