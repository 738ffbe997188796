from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts import services
from apps.accounts.models import Challenge, Session, User
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.accounts import make_user
from tests.support.otp import CODE, WRONG, set_code

pytestmark = pytest.mark.django_db
PASSWORD = "seven brown buffaloes"


def code_of(response: Any) -> str:
    return str(response.json()["error"]["code"])


def challenge_of(response: Any) -> Challenge:
    return set_code(Challenge.objects.get(pk=Challenge.objects.latest("created_at").pk))


class TestMe:
    def test_reads_my_account(self, owner: User, client_of: Any) -> None:
        response = client_of(owner).get("/api/v1/me")

        body = response.json()
        assert response.headers["ETag"] == '"v0"'
        assert response.headers["Cache-Control"] == "private, no-store"
        assert {name: body[name] for name in ("id", "object", "name", "phone", "email", "has_password", "roles")} == {
            "id": owner.public_id, "object": "user", "name": "Asha Owner", "phone": "+919876543210", "email": None,
            "has_password": False, "roles": [],
        }  # fmt: skip
        assert "password" not in body

    def test_staff_see_their_roles(self, support: User, client_of: Any) -> None:
        assert client_of(support).get("/api/v1/me").json()["roles"] == ["support"]

    def test_an_unchanged_account_is_304(self, owner: User, client_of: Any) -> None:
        assert client_of(owner).get("/api/v1/me", HTTP_IF_NONE_MATCH='"v0"').status_code == 304

    def test_anonymous_is_asked_to_sign_in(self, anonymous: Any) -> None:
        for method, path in (
            ("get", ""), ("patch", ""), ("post", "/email"), ("post", "/email/confirm"), ("post", "/password"),
            ("post", "/password/confirm"),
        ):  # fmt: skip
            assert getattr(anonymous, method)(f"/api/v1/me{path}", {}, format="json").status_code == 401

    def test_changes_my_name(self, owner: User, client_of: Any) -> None:
        response = client_of(owner).patch("/api/v1/me", {"name": "Asha Rao"}, format="json", HTTP_IF_MATCH='"v0"')

        assert (response.status_code, response.json()["name"], response.headers["ETag"]) == (200, "Asha Rao", '"v1"')
        event = Event.objects.get()
        assert (event.type, event.changes, event.actor) == (
            "accounts.user.updated", {"personal_fields": ["name"]}, f"user:{owner.public_id}",
        )  # fmt: skip

    def test_unchanged_name_records_no_event(self, owner: User, client_of: Any) -> None:
        client_of(owner).patch("/api/v1/me", {"name": owner.name}, format="json", HTTP_IF_MATCH='"v0"')

        assert not Event.objects.exists()

    @pytest.mark.parametrize(
        ("body", "headers", "status", "code"),
        [
            ({"name": "X"}, {}, 428, "precondition_required"),
            ({"name": "X"}, {"HTTP_IF_MATCH": '"v7"'}, 412, "version_mismatch"),
            ({"is_staff": True}, {"HTTP_IF_MATCH": '"v0"'}, 400, "unknown_field"),
            ({"name": "X", "phone": "+919999999999"}, {"HTTP_IF_MATCH": '"v0"'}, 400, "unknown_field"),
            ({"name": "a" * 121}, {"HTTP_IF_MATCH": '"v0"'}, 400, "max_length"),
            ({"name": "a\r\nb"}, {"HTTP_IF_MATCH": '"v0"'}, 400, "control"),
            ({"name": "\u202egpj.exe"}, {"HTTP_IF_MATCH": '"v0"'}, 400, "control"),
            ({"name": "a" + "\u0301" * 100}, {"HTTP_IF_MATCH": '"v0"'}, 400, "control"),
            ({"name": ["x"]}, {"HTTP_IF_MATCH": '"v0"'}, 400, "invalid"),
            ({}, {"HTTP_IF_MATCH": '"v0"'}, 400, "required"),
        ],
    )
    def test_refuses_what_is_wrong_and_changes_nothing(
        self, owner: User, client_of: Any, body: dict[str, Any], headers: dict[str, str], status: int, code: str
    ) -> None:
        response = client_of(owner).patch("/api/v1/me", body, format="json", **headers)

        assert (response.status_code, code_of(response)) == (status, code)
        owner.refresh_from_db()
        assert (owner.name, owner.is_staff, owner.version) == ("Asha Owner", False, 0)


class TestEmail:
    def ask(self, client: Any, email: str = "Asha@Example.in") -> Any:
        return client.post("/api/v1/me/email", {"email": email}, format="json")

    def confirm(self, client: Any, challenge: Challenge, code: str = CODE) -> Any:
        body = {"challenge_id": challenge.public_id, "code": code}
        return client.post("/api/v1/me/email/confirm", body, format="json")

    def test_is_mine_when_the_code_of_its_mailbox_comes_back(self, owner: User, client_of: Any) -> None:
        client = client_of(owner)
        requested = self.ask(client)
        owner.refresh_from_db()
        assert (requested.status_code, requested.json()["sent_to"], owner.email) == (202, "a***@example.in", None)
        assert requested.headers["Location"] == f"/api/v1/auth/otp/{requested.json()['id']}"

        response = self.confirm(client, challenge_of(requested))

        owner.refresh_from_db()
        assert response.json()["email"] == owner.email == "asha@example.in"
        assert owner.email_confirmed_at is not None
        assert Event.objects.latest("id").type == "accounts.user.email_confirmed"

    def test_request_does_not_reveal_whether_the_email_is_taken(self, owner: User, client_of: Any) -> None:
        make_user(email="taken@example.in")
        client = client_of(owner)

        taken, free = self.ask(client, "taken@example.in"), self.ask(client, "tfree@example.in")

        own = {"id", "expires_at", "resend_after", "created_at"}
        assert (taken.status_code, free.status_code) == (202, 202)
        assert {k: v for k, v in taken.json().items() if k not in own} == {
            k: v for k, v in free.json().items() if k not in own
        }

    def test_taken_email_is_revealed_only_to_its_reader(self, owner: User, client_of: Any) -> None:
        make_user(email="taken@example.in")
        client = client_of(owner)
        challenge = challenge_of(self.ask(client, "taken@example.in"))

        wrong, right = self.confirm(client, challenge, WRONG), self.confirm(client, challenge)

        assert (wrong.status_code, code_of(wrong)) == (400, "invalid_otp")
        assert (right.status_code, code_of(right)) == (409, "email_in_use")
        owner.refresh_from_db()
        assert owner.email is None

    def test_a_stranger_cannot_use_my_challenge(self, owner: User, stranger: User, client_of: Any) -> None:
        challenge = challenge_of(self.ask(client_of(owner)))

        response = self.confirm(client_of(stranger), challenge)

        assert (response.status_code, code_of(response)) == (400, "invalid_otp")
        challenge.refresh_from_db()
        assert challenge.attempts == 0

    def test_the_code_of_a_log_in_confirms_nothing(
        self, owner: User, client_of: Any, request_code: Callable[..., Challenge]
    ) -> None:
        assert self.confirm(client_of(owner), request_code("asha@example.in")).status_code == 400


class TestPassword:
    def set(self, client: Any, challenge: Challenge, password: str = PASSWORD, **body: Any) -> Any:
        return client.post(
            "/api/v1/me/password/confirm",
            {"challenge_id": challenge.public_id, "code": CODE, "password": password, **body},
            format="json",
        )

    def test_is_set_by_a_fresh_code_and_ends_every_session(self, owner: User, client_of: Any, anonymous: Any) -> None:
        client, other = client_of(owner), client_of(owner)
        requested = client.post("/api/v1/me/password")
        assert (requested.status_code, requested.json()["sent_to"]) == (202, "+91******3210")
        assert requested.headers["Location"] == f"/api/v1/auth/otp/{requested.json()['id']}"

        response = self.set(client, challenge_of(requested))

        assert response.status_code == 200
        assert [each.get("/api/v1/me").status_code for each in (client, other)] == [401, 401]
        anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access_token']}")
        assert anonymous.get("/api/v1/me").json()["has_password"]
        owner.refresh_from_db()
        assert (owner.check_password(PASSWORD), owner.session_version) == (True, 2)
        assert Session.objects.filter(ended_at__isnull=True).count() == 1
        event = Event.objects.get(type="accounts.user.password_changed")
        assert event.changes == {"session_version": 2}

    @pytest.mark.parametrize("password", ["short", "1234567890123", "password123", "Asha Owner", "a" * 129])
    def test_weak_password_is_refused_without_counting_an_attempt(
        self, owner: User, client_of: Any, password: str
    ) -> None:
        client = client_of(owner)
        challenge = challenge_of(client.post("/api/v1/me/password"))

        response = self.set(client, challenge, password)

        assert (response.status_code, code_of(response)) == (400, "password_too_weak")
        challenge.refresh_from_db()
        assert challenge.attempts == 0
        assert client.get("/api/v1/me").status_code == 200

    def test_without_a_phone_the_code_goes_to_the_mailbox(self, support: User, client_of: Any) -> None:
        assert client_of(support).post("/api/v1/me/password").json()["channel"] == "email"

    def test_spaces_around_it_are_part_of_it(self, owner: User, client_of: Any) -> None:
        client = client_of(owner)

        self.set(client, challenge_of(client.post("/api/v1/me/password")), f" {PASSWORD} ")

        owner.refresh_from_db()
        assert owner.check_password(f" {PASSWORD} ")

    def test_another_purpose_of_code_sets_nothing(
        self, owner: User, client_of: Any, request_code: Callable[..., Challenge]
    ) -> None:
        assert self.set(client_of(owner), request_code(owner.phone)).status_code == 400

    def test_a_stranger_cannot_use_my_challenge(self, owner: User, stranger: User, client_of: Any) -> None:
        challenge = challenge_of(client_of(owner).post("/api/v1/me/password"))

        assert self.set(client_of(stranger), challenge).status_code == 400
        stranger.refresh_from_db()
        assert not stranger.has_usable_password()

    def test_a_log_in_that_was_checked_before_the_change_does_not_start(self, owner: User) -> None:
        from apps.accounts.services import log_in

        owner.set_password(PASSWORD)
        owner.save()
        seen = owner.password
        services.set_password(user_id=owner.pk, password="nine green parrots", actor=SYSTEM, now=clock.now())

        with pytest.raises(log_in.InvalidCredentials):
            log_in._start_session(
                user_id=owner.pk,
                seen=seen,
                device=services.Device(ip="203.0.113.7", user_agent="", transport=Transport.BODY),
                now=clock.now(),
            )
