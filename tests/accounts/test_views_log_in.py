import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import override_settings

from apps.accounts import services
from apps.accounts.models import Challenge, RefreshToken, Session, User
from apps.accounts.services.sessions import refresh_session
from apps.accounts.states import EndReason, Transport
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.accounts import make_access_token, make_session, make_staff, make_user
from tests.support.otp import CODE, WRONG
from tests.support.tokens import sign

pytestmark = pytest.mark.django_db
PHONE = "+919876500001"


def code_of(response: Any) -> str:
    return str(response.json()["error"]["code"])


def post(client: Any, path: str, body: dict[str, Any], **extra: Any) -> Any:
    return client.post(f"/api/v1{path}", body, format="json", **extra)


class TestRequestCode:
    def test_records_the_request_without_a_code(self, anonymous: Any) -> None:
        response = post(anonymous, "/auth/otp", {"phone": "98765 00001"})

        challenge = Challenge.objects.get()
        assert response.status_code == 202
        assert response.json()["id"] == challenge.public_id
        assert response.json()["sent_to"] == "+91******0001"
        assert (challenge.destination, challenge.channel, challenge.purpose) == (PHONE, "sms", "log_in")
        assert (challenge.code_hash, challenge.send_status, challenge.attempts) == ("", "queued", 0)
        assert Event.objects.get().type == "accounts.challenge.requested"
        assert "98765" not in json.dumps(Event.objects.get().changes)

    def test_says_where_it_can_be_seen_whether_the_code_was_sent(self, anonymous: Any) -> None:
        response = post(anonymous, "/auth/otp", {"phone": PHONE})

        location = response.headers["Location"]
        assert location == f"/api/v1/auth/otp/{response.json()['id']}"
        assert response.headers["Retry-After"] == "1"
        assert anonymous.get(location).json() == response.json()

    def test_the_answer_is_the_same_for_known_and_unknown(self, anonymous: Any) -> None:
        make_user(phone=PHONE, name="Known")

        known = post(anonymous, "/auth/otp", {"phone": PHONE}).json()
        unknown = post(anonymous, "/auth/otp", {"phone": "+919876500002"}).json()

        own = {"id", "sent_to", "expires_at", "resend_after", "created_at"}
        assert {k: v for k, v in known.items() if k not in own} == {k: v for k, v in unknown.items() if k not in own}

    def test_times_are_five_minutes_and_thirty_seconds(self, anonymous: Any) -> None:
        with time_machine.travel("2026-11-21T05:30:00Z", tick=False):
            body = post(anonymous, "/auth/otp", {"email": "asha@example.in"}).json()

        assert (body["expires_at"], body["resend_after"]) == ("2026-11-21T05:35:00.000Z", "2026-11-21T05:30:30.000Z")

    def test_second_request_within_the_interval_is_refused(self, anonymous: Any) -> None:
        post(anonymous, "/auth/otp", {"phone": PHONE})

        response = post(anonymous, "/auth/otp", {"phone": PHONE})

        assert (response.status_code, code_of(response)) == (429, "rate_limited")
        assert 1 <= int(response.headers["Retry-After"]) <= 30
        assert Challenge.objects.filter(superseded_at__isnull=True).count() == 1

    def test_a_new_code_supersedes_the_old_one(self, anonymous: Any, request_code: Callable[..., Challenge]) -> None:
        old = request_code(now=clock.now() - timedelta(seconds=31))
        new = request_code()

        answers = [
            post(anonymous, "/auth/otp/verify", {"challenge_id": challenge.public_id, "code": CODE}).status_code
            for challenge in (old, new)
        ]

        assert answers == [400, 200]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, "one_of"),
            ({"phone": PHONE, "email": "a@b.in"}, "one_of"),
            ({"phone": "+14155552671"}, "phone"),
            ({"phone": "022-24123456"}, "phone"),
            ({"phone": 9876500001}, "invalid"),
            ({"phone": ["+919876500001"]}, "invalid"),
            ({"phone": {"$ne": 1}}, "invalid"),
            ({"phone": "９８７６５０００01"}, "phone"),
            ({"phone": None}, "null"),
            ({"phone": PHONE, "is_staff": True}, "unknown_field"),
            ({"email": "a@[127.0.0.1]"}, "email"),
            ({"email": "a@b.c\r\nBcc: x@y.in"}, "control"),
            ({"email": "\u0430sha@example.in"}, "email"),
        ],
    )
    def test_refuses_what_is_no_destination(self, anonymous: Any, body: dict[str, Any], code: str) -> None:
        response = post(anonymous, "/auth/otp", body)

        assert (response.status_code, code_of(response)) == (400, code)
        assert not Challenge.objects.exists()

    @override_settings(RATELIMIT_ENABLE=True)
    def test_flood_is_throttled(self, anonymous: Any, time_machine: Any) -> None:
        # Attempts are counted in fixed minutes, and one could end meanwhile.
        time_machine.move_to(clock.now(), tick=False)
        answers = [post(anonymous, "/auth/otp", {}, REMOTE_ADDR="198.51.100.77").status_code for _ in range(125)]

        assert answers[0] == 400
        assert answers[-1] == 429

    @override_settings(
        RATELIMIT_ENABLE=True, CACHES={"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    )
    def test_without_cache_throttling_is_off_and_rate_limits_hold(self, anonymous: Any) -> None:
        answers = [post(anonymous, "/auth/otp", {"phone": PHONE}).status_code for _ in range(2)]

        assert answers == [202, 429]


class TestVerify:
    def test_first_log_in_creates_the_account(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        body = logged_in(anonymous, name="Asha Rao").json()

        user = User.objects.get()
        assert (user.phone, user.name, user.is_staff, user.has_usable_password()) == (PHONE, "Asha Rao", False, False)
        assert (body["is_new_user"], body["user"]["id"], body["expires_in"]) == (True, user.public_id, 900)
        types = list(Event.objects.order_by("id").values_list("type", flat=True))
        assert types == ["accounts.challenge.requested", "accounts.user.signed_up", "accounts.session.started"]

    def test_second_log_in_keeps_the_name(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        user = make_user(phone=PHONE, name="Asha")

        body = logged_in(anonymous, name="Somebody Else").json()

        assert (body["is_new_user"], body["user"]["id"], body["user"]["name"]) == (False, user.public_id, "Asha")
        assert User.objects.count() == 1

    def test_by_mail_the_address_is_confirmed(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        user = make_user(email="asha@example.in")

        logged_in(anonymous, "asha@example.in")

        user.refresh_from_db()
        assert user.email_confirmed_at is not None

    def test_access_token_authenticates(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        token = logged_in(anonymous).json()["access_token"]

        anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        assert anonymous.get("/api/v1/me").json()["phone"] == PHONE

    def test_access_token_has_its_claims(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        body = logged_in(anonymous).json()

        claims = jwt.decode(body["access_token"], options={"verify_signature": False})
        assert set(claims) == {"sub", "sid", "sv", "typ", "jti", "iss", "aud", "iat", "exp"}
        assert claims["sub"] == body["user"]["id"]
        assert claims["sid"] == body["session"]
        assert (claims["typ"], claims["sv"], claims["iss"], claims["aud"]) == ("access", 1, "bahi", "bahi-api")
        assert claims["exp"] - claims["iat"] == 900

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
        self, anonymous: Any, logged_in: Callable[..., Any]
    ) -> None:
        with override_settings(REFRESH_COOKIE_SECURE=True):
            response = logged_in(anonymous, transport="cookie")

        cookie = response.cookies["bahi_refresh"]
        assert response.json()["refresh_token"] is None
        assert cookie["httponly"]
        assert cookie["secure"]
        assert (cookie["samesite"], cookie["path"]) == ("Strict", "/api/v1/auth")

    def test_five_wrong_codes_lock_the_right_one_out(
        self, anonymous: Any, request_code: Callable[..., Challenge]
    ) -> None:
        challenge = request_code()
        body = {"challenge_id": challenge.public_id}

        answers = [post(anonymous, "/auth/otp/verify", {**body, "code": WRONG}).status_code for _ in range(5)]
        last = post(anonymous, "/auth/otp/verify", {**body, "code": CODE})

        assert answers == [400] * 5
        assert (last.status_code, code_of(last)) == (400, "invalid_otp")
        assert not User.objects.exists()
        assert Challenge.objects.get().attempts == 5

    def test_the_fifth_attempt_may_still_be_right(self, anonymous: Any, request_code: Callable[..., Challenge]) -> None:
        body = {"challenge_id": request_code().public_id}
        for _ in range(4):
            post(anonymous, "/auth/otp/verify", {**body, "code": WRONG})

        assert post(anonymous, "/auth/otp/verify", {**body, "code": CODE}).status_code == 200

    def test_a_code_works_once(self, anonymous: Any, request_code: Callable[..., Challenge]) -> None:
        body = {"challenge_id": request_code().public_id, "code": CODE}

        assert [post(anonymous, "/auth/otp/verify", body).status_code for _ in range(2)] == [200, 400]
        assert Session.objects.count() == 1

    def test_a_code_expires_after_five_minutes(self, anonymous: Any, request_code: Callable[..., Challenge]) -> None:
        body = {"challenge_id": request_code(now=clock.now() - timedelta(minutes=5)).public_id, "code": CODE}

        assert post(anonymous, "/auth/otp/verify", body).status_code == 400

    def test_the_code_of_one_phone_does_not_open_another(
        self, anonymous: Any, request_code: Callable[..., Challenge]
    ) -> None:
        mine, theirs = request_code("+919876500001"), request_code("+919876500002")
        theirs.code_hash = mine.code_hash
        theirs.save()

        assert post(anonymous, "/auth/otp/verify", {"challenge_id": theirs.public_id, "code": CODE}).status_code == 400

    def test_nothing_fits_before_the_code_is_made(self, anonymous: Any) -> None:
        challenge = post(anonymous, "/auth/otp", {"phone": PHONE}).json()["id"]

        assert post(anonymous, "/auth/otp/verify", {"challenge_id": challenge, "code": "000000"}).status_code == 400

    def test_deactivated_user_cannot_log_in(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        make_user(phone=PHONE, is_active=False)

        response = logged_in(anonymous)

        assert (response.status_code, code_of(response)) == (403, "account_deactivated")
        assert not Session.objects.exists()

    @pytest.mark.parametrize(
        "code",
        ["12345", "1234567", "１２３４５６", "12345a", 123456, ["123456"], {"$ne": 1}, "", None, "123456\n", " 12345"],
    )
    def test_refuses_what_is_no_code_and_counts_nothing(
        self, anonymous: Any, request_code: Callable[..., Challenge], code: Any
    ) -> None:
        response = post(anonymous, "/auth/otp/verify", {"challenge_id": request_code().public_id, "code": code})

        assert response.status_code == 400
        assert Challenge.objects.get().attempts == 0

    @pytest.mark.parametrize("challenge_id", ["", "chal_", "sess_01kaj7s2d4f0q9x3v6m8n1b5c9", "1", "chal_" + "0" * 26])
    def test_an_unknown_challenge_looks_like_a_wrong_code(self, anonymous: Any, challenge_id: str) -> None:
        assert post(anonymous, "/auth/otp/verify", {"challenge_id": challenge_id, "code": CODE}).status_code == 400


class TestLogInWithPassword:
    @pytest.fixture
    def asha(self) -> User:
        user = make_user(phone=PHONE, email="asha@example.in")
        user.set_password("seven brown buffaloes")
        user.save()
        return user

    @pytest.mark.parametrize("who", [{"phone": "9876500001"}, {"email": "ASHA@example.in"}])
    def test_opens_by_phone_and_by_mail(self, anonymous: Any, asha: User, who: dict[str, str]) -> None:
        response = post(anonymous, "/auth/login", {**who, "password": "seven brown buffaloes"})

        assert response.status_code == 200
        assert response.json()["user"]["id"] == asha.public_id

    def test_unknown_wrong_unset_and_deactivated_get_the_same_answer(self, anonymous: Any, asha: User) -> None:
        make_user(email="codes-only@example.in")
        make_user(email="gone@example.in", is_active=False, password=asha.password)
        tries = [
            ("nobody@example.in", "seven brown buffaloes"),
            ("asha@example.in", "wrong"),
            ("codes-only@example.in", "wrong"),
            ("gone@example.in", "seven brown buffaloes"),
        ]

        answers = [post(anonymous, "/auth/login", {"email": email, "password": password}) for email, password in tries]

        errors = [{**answer.json()["error"], "request_id": ""} for answer in answers]
        assert [answer.status_code for answer in answers] == [401] * 4
        assert errors == [errors[0]] * 4
        assert errors[0]["code"] == "invalid_credentials"
        assert not Session.objects.exists()

    @pytest.mark.parametrize("email", ["asha@example.in", "nobody@example.in", "codes-only@example.in"])
    def test_every_wrong_attempt_costs_one_hash(
        self, anonymous: Any, asha: User, email: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_user(email="codes-only@example.in")
        hashed: list[str] = []
        real = MD5PasswordHasher.encode

        def encode(self: Any, password: str, salt: str) -> str:
            hashed.append(password)
            return str(real(self, password, salt))

        monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
        post(anonymous, "/auth/login", {"email": email, "password": "wrong"})

        assert len(hashed) == 1

    def test_sixth_attempt_in_a_minute_is_refused_unchecked(self, anonymous: Any, asha: User) -> None:
        answers = [post(anonymous, "/auth/login", {"email": f"x{n}@example.in", "password": "wrong"}) for n in range(5)]
        right = post(anonymous, "/auth/login", {"email": "asha@example.in", "password": "seven brown buffaloes"})

        assert [answer.status_code for answer in answers] == [401] * 5
        assert right.status_code == 429

    def test_an_account_is_guarded_against_many_addresses(self, anonymous: Any, asha: User) -> None:
        body = {"email": "asha@example.in", "password": "wrong"}

        answers = [post(anonymous, "/auth/login", body, REMOTE_ADDR=f"198.51.100.{n}").status_code for n in range(6)]

        assert answers == [401] * 5 + [429]

    def test_another_address_is_not_believed_from_a_header(self, anonymous: Any, asha: User) -> None:
        body = {"email": "asha@example.in", "password": "wrong"}

        answers = [
            post(
                anonymous, "/auth/login", {**body, "email": f"x{n}@example.in"}, HTTP_X_FORWARDED_FOR=f"198.51.100.{n}"
            ).status_code
            for n in range(6)
        ]

        assert answers[-1] == 429

    @override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"])
    def test_production_hashes_by_bcrypt_at_cost_12(self) -> None:
        user = make_user()
        user.set_password("seven brown buffaloes")

        assert user.password.startswith("bcrypt_sha256$$2b$12$")

    def test_settings_of_production_put_bcrypt_first(self) -> None:
        assert settings.PASSWORD_HASHERS[1] == "django.contrib.auth.hashers.BCryptSHA256PasswordHasher"


class TestRefresh:
    def test_rotates_in_the_body(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        first = logged_in(anonymous).json()

        second = post(anonymous, "/auth/refresh", {"refresh_token": first["refresh_token"]}).json()

        assert second["refresh_token"] != first["refresh_token"]
        assert second["session"] == first["session"]
        assert RefreshToken.objects.filter(rotated_at__isnull=True).count() == 1

    def test_rotates_in_the_cookie(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        first = logged_in(anonymous, transport="cookie").cookies["bahi_refresh"].value

        response = post(anonymous, "/auth/refresh", {})

        assert response.json()["refresh_token"] is None
        assert response.cookies["bahi_refresh"].value not in ("", first)

    def test_within_the_grace_the_same_successor_is_returned(
        self, anonymous: Any, logged_in: Callable[..., Any]
    ) -> None:
        with time_machine.travel("2026-11-21T05:30:00Z", tick=False) as traveller:
            body = {"refresh_token": logged_in(anonymous).json()["refresh_token"]}
            first = post(anonymous, "/auth/refresh", body).json()
            traveller.shift(15)
            again = post(anonymous, "/auth/refresh", body).json()

        assert again["refresh_token"] == first["refresh_token"]

    def test_after_the_grace_reuse_ends_the_whole_session(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        with time_machine.travel("2026-11-21T05:30:00Z", tick=False) as traveller:
            tokens = logged_in(anonymous).json()
            successor = post(anonymous, "/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json()
            traveller.shift(16)
            reuse = post(anonymous, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
            after = post(anonymous, "/auth/refresh", {"refresh_token": successor["refresh_token"]})
            anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {successor['access_token']}")
            me = anonymous.get("/api/v1/me")

        assert (reuse.status_code, code_of(reuse)) == (401, "refresh_token_reused")
        assert (after.status_code, me.status_code) == (401, 401)
        assert Session.objects.get().end_reason == EndReason.REUSE_DETECTED
        assert Event.objects.filter(type="accounts.session.ended").count() == 1
        assert audit.run(now=clock.now(), only=["INV-46", "INV-46b"]).failing == []

    def test_refresh_token_expires_after_a_week(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        with time_machine.travel("2026-11-21T05:30:00Z", tick=False) as traveller:
            body = {"refresh_token": logged_in(anonymous).json()["refresh_token"]}
            traveller.shift(7 * 86_400)

            assert post(anonymous, "/auth/refresh", body).status_code == 401

    def test_session_ends_thirty_days_after_the_log_in(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        with time_machine.travel("2026-11-01T05:30:00Z", tick=False) as traveller:
            tokens = logged_in(anonymous).json()
            expiries = []
            for _ in range(5):
                traveller.shift(6 * 86_400 - 1)
                answer = post(anonymous, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
                tokens = answer.json()
                expiries.append(tokens["refresh_expires_at"][:10])
            traveller.shift(4)
            assert audit.run(now=clock.now(), only=["INV-46c"]).failing == []
            traveller.shift(1)
            refused = post(anonymous, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})

            assert expiries == ["2026-11-14", "2026-11-20", "2026-11-26", "2026-12-01", "2026-12-01"]
            assert (refused.status_code, code_of(refused)) == (401, "invalid_refresh_token")
            assert services.end_and_delete_expired(now=clock.now())["sessions"] == 0
            traveller.shift(1)
            assert services.end_and_delete_expired(now=clock.now())["sessions"] == 1

    def test_older_token_is_refused_after_thirty_days(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        with time_machine.travel("2026-11-01T05:30:00Z", tick=False) as traveller:
            tokens = logged_in(anonymous).json()
            traveller.shift(6 * 86_400)
            Session.objects.update(created_at=clock.now() - timedelta(days=30))

            refused = post(anonymous, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})

            assert refused.status_code == 401
            assert RefreshToken.objects.count() == 1

    def test_a_cookie_session_does_not_move_into_the_body(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        cookie = logged_in(anonymous, transport="cookie").cookies["bahi_refresh"].value

        assert post(anonymous, "/auth/refresh", {"refresh_token": cookie}).status_code == 401

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_a_cookie_is_not_believed_without_json(
        self, anonymous: Any, logged_in: Callable[..., Any], content_type: str
    ) -> None:
        logged_in(anonymous, transport="cookie")

        response = anonymous.generic("POST", "/api/v1/auth/refresh", b"", content_type=content_type)

        assert response.status_code == 415
        assert RefreshToken.objects.get().rotated_at is None

    def test_no_token_is_401(self, anonymous: Any) -> None:
        assert post(anonymous, "/auth/refresh", {}).status_code == 401
        assert post(anonymous, "/auth/logout", {}).status_code == 401

    def test_an_access_token_does_not_refresh(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        access = logged_in(anonymous).json()["access_token"]

        assert post(anonymous, "/auth/refresh", {"refresh_token": access}).status_code == 401

    def test_deactivated_user_cannot_refresh(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        body = {"refresh_token": logged_in(anonymous).json()["refresh_token"]}
        User.objects.update(is_active=False)

        assert post(anonymous, "/auth/refresh", body).status_code == 401

    def test_a_forgotten_or_foreign_row_is_not_valid(self) -> None:
        session = make_session(make_user())
        token = RefreshToken.objects.create(
            session=make_session(make_user()), expires_at=clock.now() + timedelta(days=1)
        )

        with pytest.raises(services.sessions.InvalidRefreshToken):
            refresh_session(token_id=token.pk, session_id=session.pk, transport=Transport.BODY, now=clock.now())


class TestLogOut:
    def test_ends_the_session_of_the_token(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        tokens = logged_in(anonymous).json()

        assert post(anonymous, "/auth/logout", {"refresh_token": tokens["refresh_token"]}).status_code == 204

        anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}")
        assert anonymous.get("/api/v1/me").status_code == 401
        assert Session.objects.get().end_reason == EndReason.LOGGED_OUT

    def test_by_cookie_the_browser_forgets_it(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        logged_in(anonymous, transport="cookie")

        response = post(anonymous, "/auth/logout", {})

        assert response.status_code == 204
        assert (response.cookies["bahi_refresh"].value, response.cookies["bahi_refresh"]["max-age"]) == ("", 0)

    def test_twice_does_no_harm(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        body = {"refresh_token": logged_in(anonymous).json()["refresh_token"]}

        assert [post(anonymous, "/auth/logout", body).status_code for _ in range(2)] == [204, 204]
        assert Event.objects.filter(type="accounts.session.ended").count() == 1


class TestSessions:
    def test_lists_mine_and_marks_this_one(self, owner: User, stranger: User, client_of: Any) -> None:
        make_session(stranger)
        other = make_session(owner)
        client = client_of(owner)

        data = client.get("/api/v1/auth/sessions").json()["data"]

        assert len(data) == 2
        assert [row["is_current"] for row in data] == [True, False]
        assert data[1]["id"] == other.public_id

    @pytest.mark.parametrize("count", [1, 50])
    def test_query_count_is_constant(self, owner: User, client_of: Any, count_queries: Any, count: int) -> None:
        client = client_of(owner)
        for _ in range(count - 1):
            make_session(owner)

        with count_queries() as queries:
            assert len(client.get("/api/v1/auth/sessions?limit=100").json()["data"]) == count
        assert len(queries) == 2

    def test_an_ended_session_is_dead_at_once(self, owner: User, client_of: Any) -> None:
        client, session = client_of(owner), make_session(owner)
        token = make_access_token(owner, session)

        assert client.delete(f"/api/v1/auth/sessions/{session.public_id}").status_code == 204

        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        assert client.get("/api/v1/me").status_code == 401

    def test_a_stranger_ends_nothing_of_mine(self, owner: User, stranger: User, client_of: Any) -> None:
        session = make_session(owner)
        client = client_of(stranger)

        answers = [
            client.delete(f"/api/v1/auth/sessions/{public_id}")
            for public_id in (session.public_id, "sess_" + "0" * 26, "nonsense", owner.public_id)
        ]

        assert [answer.status_code for answer in answers] == [404] * 4
        assert len({answer.json()["error"]["type"] for answer in answers}) == 1
        session.refresh_from_db()
        assert session.ended_at is None

    def test_log_out_everywhere_ends_all_of_mine_and_nobody_elses(
        self, owner: User, stranger: User, client_of: Any
    ) -> None:
        client, theirs = client_of(owner), client_of(stranger)
        make_session(owner)

        assert client.delete("/api/v1/auth/sessions").status_code == 204

        assert client.get("/api/v1/me").status_code == 401
        assert theirs.get("/api/v1/me").status_code == 200
        owner.refresh_from_db()
        assert owner.session_version == 2

    def test_anonymous_is_asked_to_sign_in(self, anonymous: Any) -> None:
        for method, path in (("get", ""), ("delete", ""), ("delete", "/sess_" + "0" * 26)):
            assert getattr(anonymous, method)(f"/api/v1/auth/sessions{path}").status_code == 401


class TestAccessTokens:
    """The corpus of bad tokens."""

    @staticmethod
    def forge(
        user: User, *, key: str = "", algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        now = int(clock.now().timestamp())
        payload = {
            "typ": "access", "sub": user.public_id, "sid": make_session(user).public_id, "sv": user.session_version, "jti": "1",
            "iss": "bahi", "aud": "bahi-api", "iat": now, "exp": now + 60, **claims,
        }  # fmt: skip
        payload = {name: value for name, value in payload.items() if value is not None}
        return sign(payload, key=key, algorithm=algorithm, **(headers or {}))

    def status(self, client: Any, header: str) -> int:
        return int(client.get("/api/v1/me", HTTP_AUTHORIZATION=header).status_code)

    def test_valid_token_is_accepted(self, owner: User, anonymous: Any) -> None:
        assert self.status(anonymous, f"Bearer {self.forge(owner)}") == 200

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic abc", "Token abc", "Bearer a.b.c", "Bearer " + "a" * 10_000]
    )
    def test_malformed_header_is_refused(self, anonymous: Any, header: str) -> None:
        assert self.status(anonymous, header) == 401

    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1}, {"exp": None}, {"iat": 9_999_999_999}, {"nbf": 9_999_999_999}, {"iss": "other"}, {"aud": "other"},
            {"iss": None}, {"aud": None}, {"typ": "refresh"}, {"typ": None}, {"jti": None}, {"sv": 2}, {"sv": None}, {"sid": None},
            {"sub": 5}, {"sub": ["cus_1"]}, {"sub": {"a": 1}}, {"sub": None}, {"sid": "sess_" + "0" * 26}, {"sub": "cus_" + "0" * 26},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_wrong_claim_is_401(self, owner: User, anonymous: Any, claims: dict[str, Any]) -> None:
        try:
            token = self.forge(owner, **claims)
        except TypeError:  # the library does not even write some of them
            token = "x"
        assert self.status(anonymous, f"Bearer {token}") == 401

    @pytest.mark.parametrize(
        "headers", [{"kid": "../../etc/passwd"}, {"kid": "' OR 1=1 --"}, {"jku": "http://127.0.0.1:9/x"}]
    )
    def test_what_the_header_names_is_never_fetched(self, owner: User, anonymous: Any, headers: dict[str, Any]) -> None:
        assert (
            self.status(
                anonymous, f"Bearer {self.forge(owner, key='another key that is long enough for it', headers=headers)}"
            )
            == 401
        )

    def test_an_unknown_critical_header_is_401(self, owner: User, anonymous: Any) -> None:
        assert self.status(anonymous, f"Bearer {self.forge(owner, headers={'crit': ['exp2'], 'exp2': 1})}") == 401

    def test_no_algorithm_is_401(self, owner: User, anonymous: Any) -> None:
        head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
        body = self.forge(owner).split(".")[1]

        assert self.status(anonymous, f"Bearer {head}.{body}.") == 401

    @pytest.mark.filterwarnings("ignore:The HMAC key")
    def test_another_algorithm_is_401(self, owner: User, anonymous: Any) -> None:
        assert self.status(anonymous, f"Bearer {self.forge(owner, algorithm='HS512')}") == 401

    @pytest.mark.parametrize("tail", ["!", "=", "A", ".", "=="])
    def test_trailing_characters_are_401(self, owner: User, anonymous: Any, tail: str) -> None:
        assert self.status(anonymous, f"Bearer {self.forge(owner)}{tail}") == 401

    def test_two_schemes_and_the_query_string_are_refused(self, owner: User, anonymous: Any) -> None:
        token = self.forge(owner)

        assert self.status(anonymous, f"Bearer {token}, Bearer {token}") == 401
        assert anonymous.get(f"/api/v1/me?access_token={token}").status_code == 401

    def test_a_session_of_somebody_else_is_401(self, owner: User, stranger: User, anonymous: Any) -> None:
        assert self.status(anonymous, f"Bearer {self.forge(owner, sid=make_session(stranger).public_id)}") == 401

    def test_a_refresh_token_opens_nothing(self, anonymous: Any, logged_in: Callable[..., Any]) -> None:
        assert self.status(anonymous, f"Bearer {logged_in(anonymous).json()['refresh_token']}") == 401

    def test_access_ends_with_deactivation_roles_and_password_at_once(
        self, reference_data: None, client_of: Any
    ) -> None:
        changes: list[Callable[[User], Any]] = [
            lambda user: services.deactivate_user(user_id=user.pk, actor=SYSTEM, reason="", now=clock.now()),
            lambda user: services.set_roles(user_id=user.pk, roles=["finance"], actor=SYSTEM, now=clock.now()),
            lambda user: services.set_password(
                user_id=user.pk, password="nine green parrots", actor=SYSTEM, now=clock.now()
            ),
        ]
        for change in changes:
            user = make_staff("support")
            client = client_of(user)
            assert client.get("/api/v1/me").status_code == 200

            change(user)

            assert client.get("/api/v1/me").status_code == 401
