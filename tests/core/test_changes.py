"""A change and its event: one statement, of which nothing is stored without the other."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.db.transaction import TransactionManagementError
from django.db.utils import DatabaseError

from apps.accounts.models import Address, Challenge, Session, User
from apps.accounts.states import Channel, SendStatus
from apps.core import event_sql, prepared
from apps.core.event_replay import find_drift, list_events_of_subjects, rebuild
from apps.core.events import (
    SYSTEM,
    Actor,
    RecordedOutsideTransaction,
    SubjectNotLocked,
    change,
    changed_values,
    create,
    create_if_absent,
    current_request_id,
)
from apps.core.models import Event, Incident, Outbox
from apps.payments.models import Webhook
from tests.factories.accounts import make_user
from tests.factories.catalog import make_variant
from tests.support.threads import run_together

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 5, 30, 0, 123_000, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
TYPE = "test.row.changed"


@pytest.fixture(autouse=True)
def _everything_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The challenges of these tests have no columns that events leave out, so that every kind of column can be looked at."""
    monkeypatch.setattr(Challenge, "NOT_IN_EVENTS", frozenset())


@pytest.fixture
def request_id() -> Iterator[None]:
    token = current_request_id.set("req_test")
    yield
    current_request_id.reset(token)


def make_incident(**values: Any) -> Incident:
    given = {"kind": "fault", "key": "here", "first_seen_at": NOW, "last_seen_at": NOW, "created_at": NOW, **values}
    return Incident.objects.create(**given)


def make_challenge(**values: Any) -> Challenge:
    given = {"purpose": "log_in", "channel": Channel.EMAIL, "destination": "asha@example.in", "expires_at": LATER}
    return Challenge(**{**given, **values})


def stored(row: Any) -> dict[str, Any]:
    """The row as the database has it; the instance must have the same."""
    return {name: getattr(type(row).objects.get(pk=row.pk), name) for name in event_sql.fields_of(type(row))}


def held(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in event_sql.fields_of(type(row))}


class TestChange:
    @pytest.mark.usefixtures("request_id")
    def test_row_event_and_outbox_are_written_by_one_statement(self, django_assert_num_queries: Any) -> None:
        user, root = make_user(), make_user().pk

        with django_assert_num_queries(1):
            event_id = change(
                user,
                TYPE,
                {"is_active": False, "session_version": 7},
                actor=Actor("user", "cus_1", "Asha"),
                now=LATER,
                root=root,
                event_reason="as asked",
                event_values={"roles": ["support"]},
            )

        event = Event.objects.get()
        assert (user.is_active, user.session_version, user.version, user.updated_at) == (False, 7, 1, LATER)
        assert stored(user) == held(user)
        assert event.pk == event_id
        assert (event.type, event.subject_type, event.subject_id) == (TYPE, "accounts.user", user.pk)
        assert (event.version, event.root_id, event.created_at) == (1, root, LATER)
        assert (event.actor, event.reason, event.request_id) == ("user:cus_1", "as asked", "req_test")
        assert event.changes == {"is_active": False, "session_version": 7, "roles": ["support"]}
        assert list(Outbox.objects.values_list("event_id", "created_at")) == [(event_id, LATER)]

    def test_events_are_numbered_from_one(self) -> None:
        user = make_user()

        for number in range(1, 4):
            change(user, TYPE, {"session_version": number}, actor=SYSTEM, now=NOW + timedelta(seconds=number))

        versions = Event.objects.order_by("version").values_list("version", "changes__session_version")
        assert (list(versions), user.version) == ([(1, 1), (2, 2), (3, 3)], 3)

    def test_an_event_may_change_nothing_else(self) -> None:
        user = make_user()
        before = held(user)

        change(user, TYPE, {}, actor=SYSTEM, now=LATER)

        assert held(user) == stored(user) == {**before, "version": 1, "updated_at": LATER}
        assert Event.objects.get().changes == {}

    def test_of_personal_data_the_event_keeps_the_names(self) -> None:
        user = make_user(name="Asha")

        change(user, TYPE, {"name": "Bala", "is_active": False, "email": "b@example.in"}, actor=SYSTEM, now=LATER)

        assert (stored(user)["name"], stored(user)["email"]) == ("Bala", "b@example.in")
        assert Event.objects.get().changes == {"is_active": False, "personal_fields": ["email", "name"]}

    def test_bookkeeping_is_stored_and_not_recorded(self) -> None:
        incident = make_incident()

        change(incident, TYPE, {"count": 5, "resolved_at": LATER}, actor=SYSTEM, now=LATER)

        assert (stored(incident)["count"], stored(incident)["resolved_at"]) == (5, LATER)
        assert Event.objects.get().changes == {"resolved_at": "2026-11-21T05:30:01.123Z"}

    def test_a_reason_is_cut_to_its_column(self) -> None:
        change(make_user(), TYPE, {}, actor=SYSTEM, now=LATER, event_reason="x" * 600)

        assert Event.objects.get().reason == "x" * 500

    def test_instants_are_kept_in_milliseconds_everywhere(self) -> None:
        incident = make_incident()
        fine = LATER + timedelta(microseconds=987)

        change(incident, TYPE, {"resolved_at": fine}, actor=SYSTEM, now=fine)

        assert (incident.resolved_at, incident.updated_at) == (LATER, LATER)
        assert stored(incident) == held(incident)
        assert Event.objects.get().created_at == LATER

    @pytest.mark.parametrize("name", ["user", "user_id"])
    def test_a_foreign_key_takes_an_object_or_its_key(self, name: str, django_assert_num_queries: Any) -> None:
        challenge, user = make_challenge(), make_user()
        challenge.save()

        change(challenge, TYPE, {name: user if name == "user" else user.pk}, actor=SYSTEM, now=LATER)

        assert stored(challenge)["user_id"] == user.pk
        assert Event.objects.get().changes == {"user_id": str(user.pk)}
        with django_assert_num_queries(0 if name == "user" else 1):
            assert challenge.user == user

    def test_a_foreign_key_may_become_null(self) -> None:
        challenge = make_challenge(user=make_user())
        challenge.save()

        change(challenge, TYPE, {"user": None}, actor=SYSTEM, now=LATER)

        assert (stored(challenge)["user_id"], challenge.user) == (None, None)

    @pytest.mark.parametrize(
        ("name", "value", "recorded"),
        [
            ("send_status", SendStatus.SENT, "sent"),
            ("attempts", 3, 3),
            ("used_at", LATER, "2026-11-21T05:30:01.123Z"),
            ("used_at", None, None),
            ("provider_id", "it's 100% \\ ₹ \" $1", "it's 100% \\ ₹ \" $1"),
            ("metadata", {"a": [1, None, True, "₹", {"b": 2**70}]}, {"a": [1, None, True, "₹", {"b": 2**70}]}),
        ],
    )
    def test_kinds_of_values(self, name: str, value: Any, recorded: Any) -> None:
        challenge = make_challenge()
        challenge.save()

        change(challenge, TYPE, {name: value}, actor=SYSTEM, now=LATER)

        assert (getattr(challenge, name), stored(challenge)[name]) == (value, value)
        assert Event.objects.get().changes == {name: recorded}

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("version", 9, TypeError),
            ("id", "019ab", TypeError),
            ("updated_at", LATER, TypeError),
            ("nothing", 1, TypeError),
            ("attempts", F("attempts") + 1, TypeError),
            ("provider_id", ["a"], TypeError),
            ("metadata", {"at": LATER}, TypeError),
            ("used_at", datetime(2026, 11, 21, 5, 30), ValueError),  # noqa: DTZ001 - what is refused
        ],
    )
    def test_what_it_does_not_take_is_refused(self, name: str, value: Any, error: type[Exception]) -> None:
        challenge = make_challenge()
        challenge.save()
        before = held(challenge)

        with pytest.raises(error):
            change(challenge, TYPE, {name: value}, actor=SYSTEM, now=LATER)

        assert (held(challenge), stored(challenge), Event.objects.count()) == (before, before, 0)

    def test_a_generated_column_is_refused(self) -> None:
        product = make_variant().product

        with pytest.raises(TypeError, match="search"):
            change(product, TYPE, {"search": "x"}, actor=SYSTEM, now=LATER)

    def test_a_stale_writer_is_refused_and_writes_nothing(self) -> None:
        user = make_user()
        stale = User.objects.get(pk=user.pk)
        change(user, TYPE, {"session_version": 2}, actor=SYSTEM, now=NOW)
        before = held(stale)

        with pytest.raises(SubjectNotLocked, match=f"{TYPE}: accounts.user {user.pk} is not at version 0"):
            change(stale, TYPE, {"session_version": 3}, actor=SYSTEM, now=LATER)

        assert (held(stale), stored(user)) == (before, held(user))
        assert (Event.objects.count(), Outbox.objects.count()) == (1, 1)

    def test_what_a_constraint_refuses_leaves_the_instance_as_it_was(self) -> None:
        user = make_user()
        before = held(user)

        with pytest.raises(IntegrityError, match="user_phone_is_e164"), transaction.atomic():
            change(user, TYPE, {"phone": "12"}, actor=SYSTEM, now=LATER)

        assert (held(user), stored(user), Event.objects.count()) == (before, before, 0)

    def test_frozen_columns_stay_frozen(self) -> None:
        incident = make_incident()

        with pytest.raises(DatabaseError, match="(?i)cannot"), transaction.atomic():
            change(incident, TYPE, {"kind": "another"}, actor=SYSTEM, now=LATER)

        assert (stored(incident)["kind"], Event.objects.count()) == ("fault", 0)

    def test_after_an_error_the_transaction_is_over(self) -> None:
        user = make_user()

        with transaction.atomic():
            transaction.set_rollback(True)
            with pytest.raises(TransactionManagementError):
                change(user, TYPE, {}, actor=SYSTEM, now=LATER)

    def test_a_rollback_takes_row_and_event_back(self) -> None:
        user = make_user()
        before = held(user)

        with transaction.atomic():
            change(user, TYPE, {"session_version": 5}, actor=SYSTEM, now=LATER)
            transaction.set_rollback(True)

        assert (stored(user), Event.objects.count(), Outbox.objects.count()) == (before, 0, 0)

    def test_only_values_that_differ_are_changes(self) -> None:
        user = make_user(name="Asha")

        assert changed_values(user, {"name": "Asha", "is_active": False}) == {"is_active": False}


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_change_outside_a_transaction_is_refused(self) -> None:
        user = make_user()

        with pytest.raises(RecordedOutsideTransaction):
            change(user, TYPE, {"session_version": 5}, actor=SYSTEM, now=LATER)

        assert (User.objects.get(pk=user.pk).session_version, user.version, Event.objects.count()) == (1, 0, 0)

    def test_a_new_row_outside_a_transaction_is_refused(self) -> None:
        with pytest.raises(RecordedOutsideTransaction):
            create(make_challenge(), TYPE, actor=SYSTEM, now=LATER)

        assert (Challenge.objects.count(), Event.objects.count()) == (0, 0)

    @pytest.mark.race
    @pytest.mark.parametrize("is_locked", [True, False], ids=["with its lock", "control: without its lock"])
    def test_of_two_writers_who_read_the_same_version_one_is_refused(self, is_locked: bool) -> None:
        user = make_user()

        def raise_version() -> int:
            with transaction.atomic():
                rows = User.objects.select_for_update(no_key=True) if is_locked else User.objects
                row = rows.get(pk=user.pk)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.3)")  # both have read by then, unless one waits for the lock
                change(row, TYPE, {"session_version": row.session_version + 1}, actor=SYSTEM, now=LATER)
                return row.session_version

        results = run_together(raise_version, raise_version)

        refused = [result for result in results if isinstance(result, SubjectNotLocked)]
        user.refresh_from_db()
        written = 2 if is_locked else 1
        assert len(refused) == 2 - written
        assert (user.session_version, user.version) == (1 + written, written)
        versions = Event.objects.order_by("version").values_list("version", "changes__session_version")
        assert list(versions) == [(number, number + 1) for number in range(1, written + 1)]

    @pytest.mark.race
    def test_of_two_who_create_the_same_row_one_gets_none(self) -> None:
        def make() -> Any:
            with transaction.atomic():
                made = create_if_absent(make_challenge(), TYPE, actor=SYSTEM, now=LATER)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.2)")
                return made

        results = run_together(make, make)

        assert sorted(result is None for result in results) == [False, True]
        assert (Challenge.objects.count(), Event.objects.count()) == (1, 1)


class TestCreate:
    @pytest.mark.usefixtures("request_id")
    def test_row_event_and_outbox_are_written_by_one_statement(self, django_assert_num_queries: Any) -> None:
        user = make_user()
        challenge = make_challenge(user=user, ip="10.1.2.3", metadata={"a": 1})

        with django_assert_num_queries(1):
            event_id = create(challenge, TYPE, actor=SYSTEM, now=NOW, root=user.pk, event_values={"more": [1]})

        event = Event.objects.get()
        recorded = set(event_sql.fields_of(Challenge)) - {"version", "created_at", "updated_at"}
        personal = sorted(Challenge.PERSONAL_FIELDS)
        assert (event.pk, event.version, event.root_id, event.created_at) == (event_id, 1, user.pk, NOW)
        assert (event.subject_id, event.request_id) == (challenge.pk, "req_test")
        assert event.changes["personal_fields"] == personal
        assert event.changes["expires_at"] == "2026-11-21T05:30:01.123Z"
        assert event.changes["user_id"] == str(user.pk)
        unrecorded = Challenge.PERSONAL_FIELDS | Challenge.NOT_IN_EVENTS
        assert set(event.changes) == recorded - unrecorded | {"personal_fields", "more"}
        assert Outbox.objects.get().event_id == event_id

    def test_the_instance_is_what_is_stored(self) -> None:
        challenge = make_challenge()

        create(challenge, TYPE, actor=SYSTEM, now=NOW)

        assert held(challenge) == stored(challenge)
        assert (challenge.version, challenge.created_at, challenge.updated_at) == (1, NOW, NOW)
        assert not challenge._state.adding
        change(challenge, TYPE, {"attempts": 1}, actor=SYSTEM, now=LATER)
        assert held(challenge) == stored(challenge)

    def test_a_row_may_say_when_it_was_made(self) -> None:
        challenge = make_challenge(created_at=NOW)

        create(challenge, TYPE, actor=SYSTEM, now=LATER)

        assert (challenge.created_at, challenge.updated_at) == (NOW, LATER)
        assert held(challenge) == stored(challenge)

    def test_a_default_of_the_database_is_recorded_too(self) -> None:
        challenge = make_challenge(attempts=DatabaseDefault(Value(2)))

        create(challenge, TYPE, actor=SYSTEM, now=NOW)

        assert (challenge.attempts, stored(challenge)["attempts"]) == (2, 2)
        assert Event.objects.get().changes["attempts"] == 2

    def test_a_default_that_only_the_database_can_compute_is_refused(self) -> None:
        with pytest.raises(TypeError, match="known to the database alone"):
            create(make_challenge(used_at=DatabaseDefault(Now())), TYPE, actor=SYSTEM, now=NOW)

        assert (Challenge.objects.count(), Event.objects.count()) == (0, 0)

    def test_folding_the_events_gives_the_row(self) -> None:
        variant = make_variant()
        made = type(variant)(product=variant.product, sku="S-1", hsn="6109", uqc="NOS", tax_class="standard", price=1)
        create(made, TYPE, actor=SYSTEM, now=NOW)
        for number, values in enumerate(
            ({"price": 2}, {"title": "L", "is_active": False}, {}, {"attributes": {"a": "₹"}})
        ):
            change(made, TYPE, values, actor=SYSTEM, now=LATER + timedelta(seconds=number))

        events = list(list_events_of_subjects(type(made), [made.pk]))

        assert (len(events), find_drift(made, events)) == (5, {})
        assert held(rebuild(made, events)) == held(made) == stored(made)

    def test_a_generated_column_is_computed(self) -> None:
        product = make_variant().product
        made = type(product)(category_id=product.category_id, name="Brass lamp", slug="brass-lamp")

        create(made, TYPE, actor=SYSTEM, now=NOW)

        assert "lamp" in made.search

    def test_an_address_of_a_network_is_stored(self) -> None:
        session = Session(user=make_user(), transport="cookie", ip="2001:db8::1", last_used_at=NOW)

        create(session, TYPE, actor=SYSTEM, now=NOW)

        assert Session.objects.get().ip == "2001:db8::1"

    def test_a_row_that_is_there_is_no_new_row(self) -> None:
        user = make_user()

        with pytest.raises(TypeError, match="is not new"):
            create(user, TYPE, actor=SYSTEM, now=NOW)

    def test_a_refused_row_has_no_event(self) -> None:
        create(make_challenge(), TYPE, actor=SYSTEM, now=NOW)
        twin = make_challenge()

        with pytest.raises(IntegrityError, match="one_live_challenge"), transaction.atomic():
            create(twin, TYPE, actor=SYSTEM, now=NOW)

        assert (Challenge.objects.count(), Event.objects.count(), Outbox.objects.count()) == (1, 1, 1)
        assert (twin.version, twin._state.adding) == (0, True)


class TestCreateIfAbsent:
    def test_a_new_row_is_made(self, django_assert_num_queries: Any) -> None:
        challenge = make_challenge()

        with django_assert_num_queries(1):
            event_id = create_if_absent(challenge, TYPE, actor=SYSTEM, now=NOW)

        assert Event.objects.get().pk == event_id
        assert held(challenge) == stored(challenge)

    def test_of_a_row_that_is_there_nothing_is_written(self, django_assert_num_queries: Any) -> None:
        create(make_challenge(), TYPE, actor=SYSTEM, now=NOW)
        twin = make_challenge()

        with django_assert_num_queries(1):
            assert create_if_absent(twin, TYPE, actor=SYSTEM, now=NOW) is None

        assert (Challenge.objects.count(), Event.objects.count(), Outbox.objects.count()) == (1, 1, 1)
        assert (twin.version, twin._state.adding) == (0, True)

    def test_another_constraint_still_refuses(self) -> None:
        with pytest.raises(IntegrityError, match="challenge_has_five_attempts"), transaction.atomic():
            create_if_absent(make_challenge(attempts=6), TYPE, actor=SYSTEM, now=NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"at": NOW, "on": NOW.date(), "amount": Decimal("1.50"), "text": '₹ \u2028 " \\', "status": SendStatus.SENT},
        {"none": None, "yes": True, "big": 2**63, "negative": -1, "list": [1, ("a", {"b": None})]},
        {"key": {1: "one", None: 2}, "huge": 2**80},
        {},
    ],
)
def test_json_means_what_django_writes(values: dict[str, Any]) -> None:
    assert json.loads(event_sql.to_json(values)) == json.loads(json.dumps(values, cls=DjangoJSONEncoder))


@pytest.mark.usefixtures("nothing_prepared")
def test_amounts_of_mixed_size_share_one_plan() -> None:
    variant = make_variant()

    for price in (1, 40_000, 3_000_000_000, 1, 70_000):
        change(variant, TYPE, {"price": price, "position": price % 7}, actor=SYSTEM, now=LATER)

    assert _count_plans('UPDATE "catalog_variant"') == 1
    for price in (None, 2):
        change(make_incident(key=str(price)), TYPE, {"resolved_at": price and LATER}, actor=SYSTEM, now=LATER)
    assert _count_plans('UPDATE "core_incident"') == 1


@pytest.fixture
def nothing_prepared() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def _count_plans(part: str) -> int:
    [row] = prepared.fetch_all(
        "SELECT count(*) AS count FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{part}%"]
    )
    return int(row["count"])


@pytest.mark.usefixtures("nothing_prepared")
def test_one_set_of_fields_has_one_statement_in_any_order() -> None:
    user = make_user()

    change(user, TYPE, {"is_active": False, "session_version": 3}, actor=SYSTEM, now=LATER)
    change(user, TYPE, {"session_version": 4, "is_active": True}, actor=SYSTEM, now=LATER)

    assert (stored(user)["is_active"], stored(user)["session_version"]) == (True, 4)
    assert _count_plans('UPDATE "accounts_user"') == 1


def test_an_address_is_recorded_by_its_names() -> None:
    address = Address(user=make_user(), name="Asha", line1="1 MG Road", city="Pune", pin="411001", state="27")

    create(address, TYPE, actor=SYSTEM, now=NOW)

    kept = Event.objects.get().changes
    assert kept["state"] == "27"
    assert kept["personal_fields"] == ["city", "company", "gstin", "line1", "line2", "name", "phone", "pin"]
    assert "MG Road" not in json.dumps(kept)


def test_bytes_are_stored_as_they_are() -> None:
    body = bytes(range(256))
    webhook = Webhook(
        gateway="razorpay", event_type="payment.captured", body=body, body_sha256="0" * 64, received_at=NOW
    )

    create(webhook, TYPE, actor=SYSTEM, now=NOW)

    assert bytes(Webhook.objects.get().body) == body
    assert "body" not in Event.objects.get().changes


def test_what_is_stored_prevails_over_what_only_the_event_keeps() -> None:
    user = make_user()

    change(
        user, TYPE, {"session_version": 4}, actor=SYSTEM, now=LATER, event_values={"session_version": 1, "name": "x"}
    )

    assert Event.objects.get().changes == {"session_version": 4, "personal_fields": ["name"]}
