from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.models import Challenge, Session, User
from apps.core import clock
from apps.core.dates import format_instant
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.accounts import make_address, make_challenge, make_session, make_staff, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
USERS = "/admin/accounts/user/"


@pytest.fixture
def page_of(client: Client) -> Any:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


def log_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    return client.post("/admin/login/?next=/admin/", {"username": email, "password": password})


class TestSearchOfLists:
    @pytest.mark.parametrize("typed", ["098765 43210", "98765/43210", "Asha.Owner@Example.in"])
    @pytest.mark.parametrize("page", ["user", "session", "challenge", "address"])
    def test_a_list_is_searched_by_a_contact_in_any_writing(
        self, page_of: Any, administrator: User, page: str, typed: str
    ) -> None:
        asha, bala = make_user(phone="+919876543210", email="asha.owner@example.in"), make_user()
        for person in (asha, bala):
            make_session(person)
            make_address(person, phone=person.phone)
        for destination in ("+919876543210", "asha.owner@example.in", "+919812345678"):
            make_challenge(destination)

        rows = page_of(administrator).get(f"/admin/accounts/{page}/", {"q": typed}).context["cl"].result_list

        key = {"user": "pk", "session": "user_id", "address": "user_id"}.get(page)
        assert len(rows) == 1
        assert key is None or getattr(rows[0], key) == asha.pk

    @pytest.mark.parametrize(
        ("typed", "found"), [("560001", 1), ("29AAGCB1286Q000", 0), ("560", 0), ("nobody@example.in", 0)]
    )
    def test_addresses_are_searched_by_a_whole_pin_or_gstin(
        self, page_of: Any, administrator: User, typed: str, found: int
    ) -> None:
        make_address(make_user(), pin="560001")

        rows = page_of(administrator).get("/admin/accounts/address/", {"q": typed}).context["cl"].result_list

        assert len(rows) == found


class TestLogIn:
    def test_staff_by_email_and_password(self, client: Client, support: User) -> None:
        assert log_in(client, support.email.upper()).status_code == 302
        assert client.get("/admin/").status_code == 200

    @pytest.mark.parametrize("page", ["https://evil.example/", "//evil.example", ""])
    def test_leads_to_the_first_page_and_to_no_other_site(self, client: Client, support: User, page: str) -> None:
        response = client.post(f"/admin/login/?next={page}", {"username": support.email, "password": PASSWORD})

        assert (response.status_code, response["Location"]) == (302, "/admin/")

    @pytest.mark.parametrize("password", ["wrong", ""])
    def test_wrong_password_is_refused(self, client: Client, support: User, password: str) -> None:
        assert log_in(client, support.email, password).status_code == 200
        assert client.get("/admin/").status_code == 302

    def test_customer_or_deactivated_user_cannot_log_in(self, client: Client, owner: User, support: User) -> None:
        owner.email = "asha@example.in"
        owner.set_password(PASSWORD)
        owner.save()
        services.deactivate_user(user_id=support.pk, actor=SYSTEM, reason="", now=clock.now())

        assert [log_in(client, email).status_code for email in (owner.email, support.email)] == [200, 200]

    def test_sixth_attempt_in_a_minute_fails(self, client: Client, support: User) -> None:
        for _ in range(5):
            log_in(client, support.email, "wrong")

        assert log_in(client, support.email).status_code == 200
        assert client.get("/admin/").status_code == 302

    def test_a_change_of_access_ends_the_session_there_too(self, client: Client, support: User) -> None:
        log_in(client, support.email)

        services.set_roles(user_id=support.pk, roles=["finance"], actor=SYSTEM, now=clock.now())

        assert client.get("/admin/").status_code == 302


class TestUsers:
    def test_permission_to_view_is_required(self, reference_data: None, page_of: Any, owner: User) -> None:
        roles = ("support", "finance", "catalogue_manager", "admin")

        assert [page_of(make_staff(role)).get(USERS).status_code for role in roles] == [200, 200, 403, 200]

    def test_support_sees_numbers_masked_and_finds_by_the_whole_number(
        self, page_of: Any, owner: User, support: User
    ) -> None:
        page = page_of(support)

        text = page.get(f"{USERS}?q=%2B919876543210").content.decode()

        assert "+91******3210" in text
        assert ">+919876543210<" not in text
        assert ">+919876543210<" not in page.get(f"{USERS}{owner.pk}/change/").content.decode()
        assert page.get(f"{USERS}add/").status_code == 403
        assert page.post(f"{USERS}{owner.pk}/change/", {"name": "X"}).status_code == 403

    def test_admins_see_them_whole(self, page_of: Any, owner: User, administrator: User) -> None:
        assert "+919876543210" in page_of(administrator).get(USERS).content.decode()

    def test_admin_can_create_staff(self, page_of: Any, administrator: User) -> None:
        page = page_of(administrator)
        assert page.get(f"{USERS}add/").status_code == 200

        response = page.post(
            f"{USERS}add/",
            {"email": "Meena@shop.example", "name": "Meena", "password": "seven brown buffaloes", "role": "finance"},
        )

        user = User.objects.get(email="meena@shop.example")
        assert response.status_code == 302
        assert (selectors.list_roles(user), user.check_password("seven brown buffaloes")) == (["finance"], True)
        assert Event.objects.get(subject_id=user.pk).actor == f"user:{administrator.public_id}"

    @pytest.mark.parametrize(
        "change", [{"email": "nobody"}, {"email": "taken@shop.example"}, {"password": "short"}, {"role": "emperor"}]
    )
    def test_invalid_form_creates_nobody(
        self, page_of: Any, administrator: User, owner: User, change: dict[str, str]
    ) -> None:
        User.objects.filter(pk=owner.pk).update(email="taken@shop.example")
        body = {
            "email": "m@shop.example",
            "name": "Meena",
            "password": "seven brown buffaloes",
            "role": "finance",
            **change,
        }

        assert page_of(administrator).post(f"{USERS}add/", body).status_code == 200
        assert User.objects.count() == 2

    def test_an_admin_changes_name_roles_and_password(self, page_of: Any, administrator: User, support: User) -> None:
        page = page_of(administrator)
        session = make_session(support)
        assert page.get(f"{USERS}{support.pk}/change/").status_code == 200

        response = page.post(
            f"{USERS}{support.pk}/change/",
            {"name": "Meena", "roles": ["finance", "support"], "new_password": "seven brown buffaloes"},
        )

        support.refresh_from_db()
        session.refresh_from_db()
        assert response.status_code == 302
        assert (support.name, selectors.list_roles(support)) == ("Meena", ["finance", "support"])
        assert support.check_password("seven brown buffaloes")
        assert session.ended_at is not None
        types = list(Event.objects.filter(subject_id=support.pk).order_by("version").values_list("type", flat=True))
        assert types == ["accounts.user.updated", "accounts.user.roles_changed", "accounts.user.password_changed"]

    @pytest.mark.parametrize("change", [{"roles": ["support"]}, {"new_password": "seven brown buffaloes"}])
    def test_nobody_changes_their_own_access(self, page_of: Any, administrator: User, change: dict[str, Any]) -> None:
        body = {"name": administrator.name, "roles": ["admin"], "new_password": "", **change}

        response = page_of(administrator).post(f"{USERS}{administrator.pk}/change/", body)

        assert "You cannot change your own access. Ask another administrator." in response.content.decode()
        administrator.refresh_from_db()
        assert (selectors.list_roles(administrator), administrator.session_version) == (["admin"], 1)

    def test_a_weak_password_is_refused(self, page_of: Any, administrator: User, support: User) -> None:
        body = {"name": "x", "roles": ["support"], "new_password": "short"}

        assert page_of(administrator).post(f"{USERS}{support.pk}/change/", body).status_code == 200

    def test_admin_can_deactivate_and_reactivate_others_only(
        self, page_of: Any, administrator: User, owner: User
    ) -> None:
        page = page_of(administrator)
        chosen = [str(owner.pk), str(administrator.pk)]

        page.post(USERS, {"action": "deactivate", "_selected_action": chosen})
        states = list(User.objects.order_by("created_at").values_list("is_active", flat=True))
        page.post(USERS, {"action": "reactivate", "_selected_action": chosen})

        assert sorted(states) == [False, True]
        administrator.refresh_from_db()
        owner.refresh_from_db()
        assert administrator.is_active
        assert owner.is_active

    def test_support_reads_when_a_customer_logged_in_last(self, page_of: Any, support: User, owner: User) -> None:
        before = page_of(support).get(f"{USERS}{owner.pk}/change/").content.decode()
        session = make_session(owner)

        after = page_of(support).get(f"{USERS}{owner.pk}/change/").content.decode()

        assert "Latest log-in" in before
        assert "never" in before
        assert format_instant(session.created_at) in after
        assert "Last login" not in after

    def test_support_is_offered_no_action(self, page_of: Any, support: User, owner: User) -> None:
        page_of(support).post(USERS, {"action": "deactivate", "_selected_action": [str(owner.pk)]})

        owner.refresh_from_db()
        assert owner.is_active

    def test_nobody_deletes_people(self, page_of: Any, administrator: User, owner: User) -> None:
        assert page_of(administrator).get(f"{USERS}{owner.pk}/delete/").status_code == 403


class TestOtherPages:
    def test_sessions_can_be_ended_and_not_edited(self, page_of: Any, administrator: User, owner: User) -> None:
        session, page = make_session(owner), page_of(administrator)
        url = "/admin/accounts/session/"
        assert page.get(f"{url}?q=%2B919876543210").status_code == 200
        assert page.get(f"{url}{session.pk}/change/").status_code == 200
        assert page.post(f"{url}{session.pk}/change/", {"ended_at": ""}).status_code == 403

        page.post(url, {"action": "end", "_selected_action": [str(session.pk)]})

        assert Session.objects.get().ended_at is not None

    def test_challenges_show_no_code_and_no_whole_number(self, page_of: Any, administrator: User) -> None:
        challenge = Challenge.objects.create(
            purpose="log_in", channel="sms", destination="+919876500001", expires_at=clock.now(), code_hash="ab" * 32
        )
        page = page_of(administrator)

        texts = [
            page.get(url).content.decode()
            for url in ("/admin/accounts/challenge/", f"/admin/accounts/challenge/{challenge.pk}/change/")
        ]

        assert all("+91******0001" in text for text in texts)
        assert not any("ab" * 32 in text or "+919876500001" in text for text in texts)

    def test_addresses_and_roles_are_read_only(self, page_of: Any, administrator: User, owner: User) -> None:
        address, page = make_address(owner), page_of(administrator)
        group = Group.objects.get(name="support")

        for url, key in (("/admin/accounts/address/", address.pk), ("/admin/auth/group/", group.pk)):
            assert page.get(url).status_code == 200
            assert page.get(f"{url}{key}/change/").status_code == 200
            assert page.post(f"{url}{key}/change/", {"name": "X"}).status_code == 403
            assert page.get(f"{url}add/").status_code == 403

    @pytest.mark.parametrize("count", [1, 30])
    def test_lists_have_constant_query_count(
        self, page_of: Any, administrator: User, owner: User, count_queries: Any, count: int
    ) -> None:
        page = page_of(administrator)
        page.get("/admin/accounts/session/")
        for _ in range(count):
            make_session(owner)

        with count_queries() as queries:
            page.get("/admin/accounts/session/")

        assert len(queries) <= 8
