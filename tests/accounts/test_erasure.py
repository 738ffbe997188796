"""Of an erased person nothing is written any more, whoever writes and however early the request was let in."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client

from apps.accounts import locks, services
from apps.accounts.models import AccessEnded, Address, Challenge, Session, User, UserErased
from apps.accounts.services import AddressFields
from apps.core import audit, clock, idempotency
from apps.core.errors import BahiError, Unauthenticated
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event, IdempotencyKey
from tests.factories.accounts import make_address, make_session, make_user
from tests.factories.orders import actor_for, make_order
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.threads import run_together

NOW = datetime(2026, 11, 15, 5, 30, tzinfo=UTC)
OPERATOR = Actor(kind="operator", id="erase_customer")
USERS = "/admin/accounts/user/"
FIELDS = AddressFields(
    name="Asha Rao", phone="+919876543210", line1="12 MG Road", city="Bengaluru", state="29", pin="560001"
)
SENTENCE = "This person was erased on 15 Nov 2026, so that nothing about them can be changed."


def erase(user: User) -> User:
    return services.erase_user(user_id=user.pk, actor=OPERATOR, now=NOW)


def violated(*only: str) -> list[str]:
    found = audit.run(now=clock.now(), only=list(only or ("INV-50", "INV-50e"))).violated
    return [result.invariant.id for result in found]


def add_address(user: User, actor: Actor) -> Any:
    return services.add_address(user_id=user.pk, fields=FIELDS, actor=actor, now=NOW)


def request_email_code(user: User, actor: Actor) -> Any:
    return services.request_email_code(user_id=user.pk, email="asha@example.in", ip="203.0.113.7", actor=actor, now=NOW)


def change_name(user: User, actor: Actor) -> Any:
    return services.change_name(
        user_id=user.pk, name="Asha", version=User.objects.get(pk=user.pk).version, actor=actor, now=NOW
    )


def place_order(user: User, actor: Actor) -> Any:
    return make_order(user, address=make_address(make_user()), now=NOW)


def log_out_everywhere(user: User, actor: Actor) -> Any:
    return services.log_out_everywhere(user_id=user.pk, actor=actor, now=NOW)


OWN_WRITES = [add_address, request_email_code, change_name, place_order, log_out_everywhere]


@pytest.mark.django_db
class TestOwnWrites:
    @pytest.mark.parametrize("write", OWN_WRITES)
    def test_are_refused_once_access_has_ended(self, owner: User, write: Callable[..., Any]) -> None:
        actor = actor_for(owner)
        erase(owner)
        before = list(User.objects.filter(pk=owner.pk).values()), Event.objects.filter(subject_id=owner.pk).count()

        with pytest.raises(AccessEnded):
            write(owner, actor)

        assert before == (
            list(User.objects.filter(pk=owner.pk).values()), Event.objects.filter(subject_id=owner.pk).count()
        )  # fmt: skip
        assert not Address.objects.filter(user=owner).exists()
        assert not Challenge.objects.exists()

    @pytest.mark.parametrize("write", [add_address, request_email_code, change_name])
    def test_are_refused_to_others_too(self, owner: User, write: Callable[..., Any]) -> None:
        erase(owner)

        with pytest.raises(UserErased, match=SENTENCE):
            write(owner, SYSTEM)

    def test_are_refused_to_the_deactivated(self, owner: User) -> None:
        services.deactivate_user(user_id=owner.pk, actor=SYSTEM, reason="", now=NOW)

        with pytest.raises(AccessEnded):
            change_name(owner, actor_for(owner))

        assert change_name(owner, SYSTEM).name == "Asha"


@pytest.mark.django_db
class TestEraseUser:
    def test_second_call_deletes_what_should_not_be_there(self, owner: User) -> None:
        erase(owner)
        make_address(owner)
        session = make_session(owner)
        Session.objects.filter(pk=session.pk).update(ip="203.0.113.7", ended_at=NOW)
        IdempotencyKey.objects.create(
            principal=owner.public_id, route="POST /api/v1/me/addresses", key="k" * 12, fingerprint="0" * 64, status=201,
            body=b"{}", created_at=NOW, expires_at=NOW,
        )  # fmt: skip
        assert violated() == ["INV-50", "INV-50e"]

        erase(owner)

        assert violated() == []
        assert Event.objects.filter(type="accounts.user.erased").count() == 1

    def test_response_to_an_erased_person_is_not_stored(self, owner: User) -> None:
        erase(owner)

        with pytest.raises(Unauthenticated), transaction.atomic():
            claimed = idempotency.claim(
                principal=owner.public_id, user_id=owner.pk, route="POST /api/v1/orders", key="k" * 12, fingerprint="0" * 64,
                now=NOW,
            )  # fmt: skip
            assert isinstance(claimed, idempotency.Claim)
            idempotency.store(claimed, idempotency.StoredResponse(status=201, body=b"{}", headers={}))

        assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db
class TestBackOffice:
    def test_page_of_an_erased_person_has_nothing_to_change(
        self, client: Client, owner: User, administrator: User
    ) -> None:
        erase(owner)
        client.force_login(administrator)

        page = client.get(f"{USERS}{owner.pk}/change/")
        answer = client.post(f"{USERS}{owner.pk}/change/", {"name": "Asha", "roles": ["finance"]})

        assert (page.status_code, answer.status_code) == (200, 403)
        assert 'name="_save"' not in page.content.decode()
        owner.refresh_from_db()
        assert (owner.name, owner.is_staff) == ("", False)

    def test_reactivating_says_why_not(self, client: Client, owner: User, administrator: User) -> None:
        erase(owner)
        client.force_login(administrator)

        answer = client.post(USERS, {"action": "reactivate", "_selected_action": [str(owner.pk)]}, follow=True)

        assert SENTENCE.replace("'", "&#x27;") in answer.content.decode()
        owner.refresh_from_db()
        assert not owner.is_active

    @pytest.mark.parametrize(
        "change",
        [
            lambda user, actor: services.set_roles(user_id=user.pk, roles=["support"], actor=actor, now=NOW),
            lambda user, actor: services.reactivate_user(user_id=user.pk, actor=actor, reason="", now=NOW),
            lambda user, actor: services.set_password(
                user_id=user.pk, password="seven brown buffaloes", actor=actor, now=NOW
            ),
        ],
    )
    def test_services_refuse(self, owner: User, administrator: User, change: Callable[..., Any]) -> None:
        erase(owner)

        with pytest.raises(UserErased, match=SENTENCE):
            change(owner, actor_for(administrator))

    def test_log_names_people_by_their_id(self, client: Client, owner: User, administrator: User) -> None:
        client.force_login(administrator)
        client.post(f"{USERS}{owner.pk}/change/", {"name": "Asha Rao", "roles": [], "new_password": ""})
        client.post(
            f"{USERS}add/",
            {"email": "new@shop.example", "name": "Meera", "password": "seven brown buffaloes", "role": "support"},
        )

        added = User.objects.get(email="new@shop.example")
        logged = LogEntry.objects.values_list("object_id", "object_repr", "action_flag").order_by("pk")
        assert [*logged] == [(str(owner.pk), owner.public_id, 2), (str(added.pk), added.public_id, 1)]
        owner.refresh_from_db()
        assert owner.name == "Asha Rao"

    def test_log_of_before_is_blanked(self, client: Client, owner: User, administrator: User) -> None:
        client.force_login(administrator)
        client.post(f"{USERS}{owner.pk}/change/", {"name": "Asha Rao", "roles": [], "new_password": ""})
        LogEntry.objects.update(object_repr="Asha Rao")

        erase(owner)

        assert [*LogEntry.objects.values_list("object_repr", flat=True)] == [owner.public_id]
        assert violated() == []
        LogEntry.objects.update(object_repr="Asha Rao")
        assert violated() == ["INV-50"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
class TestUpgradeRaces:
    """A customer writes while they are being erased; each with a control."""

    def race(self, owner: User, write: Callable[..., Any]) -> Any:
        """Let a write begin while an erasure holds the person, and return its outcome."""
        actor, is_erasing = actor_for(owner), threading.Event()

        def erase_slowly() -> None:
            with transaction.atomic():
                erase(owner)
                is_erasing.set()
                wait_for_a_blocked_session()

        def write_meanwhile() -> Any:
            is_erasing.wait(60)
            return write(owner, actor)

        erased, outcome = run_together(erase_slowly, write_meanwhile)
        assert erased is None
        return outcome

    @pytest.mark.parametrize("write", [add_address, request_email_code])
    def test_write_during_an_erasure_is_refused(self, owner: User, write: Callable[..., Any]) -> None:
        assert isinstance(self.race(owner, write), AccessEnded)

        assert (Address.objects.count(), Challenge.objects.count()) == (0, 0)
        assert violated() == []

    @pytest.mark.parametrize("write", [add_address, request_email_code])
    def test_control_without_the_check_it_is_written(
        self, owner: User, write: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(locks, "lock_user_to_change", lambda user_id, *, actor: locks.lock_user(user_id))

        assert not isinstance(self.race(owner, write), BahiError)

        assert violated() == ["INV-50"]

    def answer(self, owner: User) -> Callable[[], Any]:
        """Return a request that claims its key, stores its answer, and ends when the erasure waits for it."""
        has_claimed = self.has_claimed = threading.Event()

        def request() -> None:
            with transaction.atomic():
                claimed = idempotency.claim(
                    principal=owner.public_id, user_id=owner.pk, route="POST /api/v1/me/addresses", key="k" * 12,
                    fingerprint="0" * 64, now=NOW,
                )  # fmt: skip
                answer = idempotency.StoredResponse(status=201, body=b'{"name":"Asha"}', headers={})
                assert isinstance(claimed, idempotency.Claim)
                idempotency.store(claimed, answer)
                has_claimed.set()
                wait_for_a_blocked_session()

        return request

    def erase_after_claim(self, owner: User) -> None:
        self.has_claimed.wait(60)
        erase(owner)

    def test_answer_of_a_running_request_is_forgotten(self, owner: User) -> None:
        outcomes = run_together(self.answer(owner), lambda: self.erase_after_claim(owner))

        assert outcomes == [None, None]
        assert not IdempotencyKey.objects.exists()
        assert violated() == []

    def test_control_without_the_lock_the_answer_stays(self, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = iter(range(7_000, 8_000))
        monkeypatch.setattr(idempotency, "_lock_key", lambda principal: next(keys))
        monkeypatch.setattr(f"{__name__}.wait_for_a_blocked_session", lambda: self.is_erased.wait(60))
        self.is_erased = threading.Event()

        def erase_meanwhile() -> None:
            self.erase_after_claim(owner)
            self.is_erased.set()

        assert run_together(self.answer(owner), erase_meanwhile) == [None, None]

        assert violated() == ["INV-50e"]
