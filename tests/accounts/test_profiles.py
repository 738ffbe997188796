from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session as BackOfficeSession

from apps.accounts import selectors, services
from apps.accounts.models import Challenge, RateLimitCounter, RefreshToken, Session, User, UserNotFound
from apps.accounts.services.passwords import PasswordTooWeak
from apps.accounts.services.profiles import EmailInUse
from apps.accounts.services.reference_data import PERMISSIONS, PermissionsMissing
from apps.accounts.services.staff import SelfAccessChangeForbidden, UnknownRole, UserManagementForbidden
from apps.accounts.states import EndReason
from apps.core import clock
from apps.core.events import SYSTEM, Actor, gateway_actor
from apps.core.models import Event
from tests.factories.accounts import make_session, make_staff, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "seven brown buffaloes"


def get_actor(user: User) -> Actor:
    return Actor(kind="user", id=user.public_id, label=str(user))


def staff_fields(**fields: Any) -> dict[str, Any]:
    return {
        "email": "Meena@Shop.example", "name": "Meena", "password": PASSWORD, "role": "finance", "actor": SYSTEM,
        "now": clock.now(), **fields,
    }  # fmt: skip


class TestCreateStaff:
    def test_creates_staff_who_can_log_in(self, reference_data: None) -> None:
        user = services.create_staff(**staff_fields())

        user.refresh_from_db()
        assert (user.email, user.is_staff, user.is_superuser, user.check_password(PASSWORD)) == (
            "meena@shop.example", True, False, True,
        )  # fmt: skip
        assert selectors.list_roles(user) == ["finance"]
        event = Event.objects.get()
        assert (event.type, event.changes["roles"], event.actor) == ("accounts.user.signed_up", ["finance"], "system")
        assert "password" not in event.changes

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"role": "emperor"}, UnknownRole),
            ({"password": "short"}, PasswordTooWeak),
            ({"email": "nobody"}, selectors.InvalidEmail),
            ({"email": "taken@shop.example"}, EmailInUse),
        ],
    )
    def test_invalid_input_creates_nobody(
        self, reference_data: None, fields: dict[str, Any], refusal: type[Exception]
    ) -> None:
        make_user(email="taken@shop.example")

        with pytest.raises(refusal):
            services.create_staff(**staff_fields(**fields))

        assert User.objects.count() == 1
        assert not Event.objects.exists()

    @pytest.mark.parametrize("role", ["support", "finance", "catalogue_manager"])
    def test_others_cannot_create_staff(self, reference_data: None, role: str) -> None:
        with pytest.raises(UserManagementForbidden):
            services.create_staff(**staff_fields(actor=get_actor(make_staff(role))))

    def test_admins_may(self, administrator: User) -> None:
        assert services.create_staff(**staff_fields(actor=get_actor(administrator))).is_staff


class TestAccess:
    def actions(self, user: User, actor: Actor) -> list[Any]:
        return [
            lambda: services.deactivate_user(user_id=user.pk, actor=actor, reason="", now=clock.now()),
            lambda: services.reactivate_user(user_id=user.pk, actor=actor, reason="", now=clock.now()),
            lambda: services.set_roles(user_id=user.pk, roles=["admin"], actor=actor, now=clock.now()),
            lambda: services.set_password(user_id=user.pk, password=PASSWORD, actor=actor, now=clock.now()),
        ]

    def test_nobody_changes_their_own(self, administrator: User) -> None:
        for action in self.actions(administrator, get_actor(administrator)):
            with pytest.raises(SelfAccessChangeForbidden):
                action()

    def test_only_managers_of_people_change_it(self, owner: User, stranger: User, support: User) -> None:
        gone = make_staff("admin")
        User.objects.filter(pk=gone.pk).update(is_active=False)
        actors = [get_actor(each) for each in (owner, stranger, support, gone)]
        for actor in [*actors, gateway_actor("razorpay"), services.ANONYMOUS, Actor(kind="user", id="cus_x")]:
            for action in self.actions(stranger, actor):
                with pytest.raises(UserManagementForbidden):
                    action()
        stranger.refresh_from_db()
        assert (stranger.is_active, stranger.is_staff, stranger.has_usable_password()) == (True, False, False)

    def test_deactivation_ends_sessions_and_records_one_event(self, owner: User, administrator: User) -> None:
        session = make_session(owner)
        RefreshToken.objects.create(session=session, expires_at=clock.now() + timedelta(days=7))

        for _ in range(2):
            services.deactivate_user(user_id=owner.pk, actor=get_actor(administrator), reason="fraud", now=clock.now())

        session.refresh_from_db()
        owner.refresh_from_db()
        assert session.end_reason == EndReason.ACCESS_CHANGED
        assert RefreshToken.objects.get().revoked_at is not None
        assert (owner.is_active, owner.session_version) == (False, 2)
        event = Event.objects.get(type="accounts.user.deactivated")
        assert (event.reason, event.actor) == ("fraud", f"user:{administrator.public_id}")

    def test_reactivation_lets_in_again_without_the_old_sessions(self, owner: User) -> None:
        session = make_session(owner)
        services.deactivate_user(user_id=owner.pk, actor=SYSTEM, reason="", now=clock.now())

        for _ in range(2):
            services.reactivate_user(user_id=owner.pk, actor=SYSTEM, reason="", now=clock.now())

        owner.refresh_from_db()
        session.refresh_from_db()
        assert owner.is_active
        assert session.ended_at is not None
        assert Event.objects.filter(type="accounts.user.reactivated").count() == 1

    def test_roles_are_exactly_those_given(self, support: User) -> None:
        services.set_roles(user_id=support.pk, roles=["finance", "admin"], actor=SYSTEM, now=clock.now())
        support.refresh_from_db()
        assert (selectors.list_roles(support), support.session_version) == (["admin", "finance"], 2)

        services.set_roles(user_id=support.pk, roles=["admin", "finance"], actor=SYSTEM, now=clock.now())
        assert Event.objects.filter(type="accounts.user.roles_changed").count() == 1

        services.set_roles(user_id=support.pk, roles=[], actor=SYSTEM, now=clock.now())
        support.refresh_from_db()
        assert (support.is_staff, support.groups.count()) == (False, 0)

    def test_an_unknown_role_changes_nothing(self, support: User) -> None:
        with pytest.raises(UnknownRole):
            services.set_roles(user_id=support.pk, roles=["emperor"], actor=SYSTEM, now=clock.now())
        assert selectors.list_roles(support) == ["support"]

    def test_nobody_is_not_found(self) -> None:
        with pytest.raises(UserNotFound):
            services.deactivate_user(user_id=uuid4(), actor=SYSTEM, reason="", now=clock.now())
        with pytest.raises(UserNotFound):
            selectors.get_user(uuid4())


class TestReferenceData:
    def test_each_role_has_exactly_its_permissions(self, db: None) -> None:
        services.set_up_reference_data(now=clock.now())
        Group.objects.get(name="support").permissions.add(Permission.objects.get(codename="manage_users"))

        services.set_up_reference_data(now=clock.now())

        for role, wanted in PERMISSIONS.items():
            held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
            assert {f"{app}.{codename}" for app, codename in held} == wanted

    def test_the_matrix_holds_where_it_matters(self, reference_data: None) -> None:
        def may(role: str, permission: str) -> bool:
            return make_staff(role).has_perm(permission)

        roles = ("support", "finance", "catalogue_manager", "admin")
        assert [may(role, "orders.view_order") for role in roles] == [True, True, False, True]
        assert [may(role, "orders.change_order") for role in roles] == [True, False, False, True]
        assert [may(role, "ledger.view_ledgertransaction") for role in roles] == [False, True, False, True]
        assert [may(role, "catalog.change_product") for role in roles] == [False, False, True, True]
        assert [may(role, "accounts.view_user") for role in roles] == [True, True, False, True]
        assert [may(role, "accounts.manage_users") for role in roles] == [False, False, False, True]
        assert [may(role, "core.view_event") for role in roles] == [False, False, False, True]

    def test_nobody_may_change_or_delete_money_and_events(self) -> None:
        facts = ("ledger", "event", "invoiceline", "webhook")
        for permissions in PERMISSIONS.values():
            assert not [name for name in permissions if ".delete_" in name]
            changing = {name for name in permissions if ".view_" not in name and any(fact in name for fact in facts)}
            # Staff resolve exceptions; what an exception is about stays frozen.
            assert changing <= {"ledger.change_reconciliationexception"}

    def test_a_permission_that_no_model_has_stops_it(self, db: None) -> None:
        Permission.objects.filter(codename="view_order").delete()

        with pytest.raises(PermissionsMissing, match="orders.view_order"):
            services.set_up_reference_data(now=clock.now())


class TestDeleteExpired:
    def test_deletes_expired_rows_only(self, owner: User) -> None:
        now = clock.now()
        for key, age in (("old", -1), ("new", 60)):
            RateLimitCounter.objects.create(key=key, allowed=1, expires_at=now + timedelta(seconds=age))
        for days in (31, 1):
            Challenge.objects.create(
                purpose="log_in",
                channel="sms",
                destination=f"+9198765000{days:02d}",
                expires_at=now - timedelta(days=days),
            )
        dead, live = make_session(owner), make_session(owner)
        first = RefreshToken.objects.create(session=dead, expires_at=now - timedelta(days=9), rotated_at=now)
        second = RefreshToken.objects.create(session=dead, expires_at=now - timedelta(days=8))
        RefreshToken.objects.filter(pk=first.pk).update(successor=second)
        kept = RefreshToken.objects.create(session=live, expires_at=now + timedelta(days=1))

        for key, age in (("old", -1), ("new", 60)):
            BackOfficeSession.objects.create(session_key=key, expire_date=now + timedelta(seconds=age))

        counts = services.end_and_delete_expired(now=now)

        assert counts == {"sessions": 1, "rate_limits": 1, "challenges": 1, "tokens": 2, "back_office_sessions": 1}
        dead.refresh_from_db()
        live.refresh_from_db()
        assert (dead.end_reason, live.ended_at) == (EndReason.EXPIRED, None)
        assert list(RefreshToken.objects.all()) == [kept]
        assert [session.session_key for session in BackOfficeSession.objects.all()] == ["new"]
        assert set(services.end_and_delete_expired(now=now).values()) == {0}

    def test_task_is_scheduled(self, db: None) -> None:
        from apps.accounts.tasks import delete_expired
        from config.schedule import SCHEDULE

        RateLimitCounter.objects.create(key="old", allowed=1, expires_at=clock.now() - timedelta(seconds=1))
        delete_expired()

        assert not RateLimitCounter.objects.filter(expires_at__lt=clock.now()).exists()
        assert delete_expired.name in {entry["task"] for entry in SCHEDULE.values()}


def test_sessions_show_as_their_id(owner: User) -> None:
    assert str(Session.objects.create(user=owner, transport="body", last_used_at=clock.now())).startswith("sess_")
