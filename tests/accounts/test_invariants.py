"""Each invariant finds exactly the violation that is planted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection, transaction

from apps.accounts import services
from apps.accounts.models import Challenge, RefreshToken, User
from apps.accounts.states import Transport
from apps.core import audit, clock
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event
from tests.factories.accounts import make_session, make_user
from tests.support.events import record_event

pytestmark = pytest.mark.django_db


def found(invariant: str) -> list[dict[str, Any]]:
    result = audit.run(now=clock.now(), only=[invariant]).results[0]
    assert result.error == ""
    return result.rows


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture(autouse=True)
def _holds_before(db: None) -> None:
    for invariant in ("INV-46", "INV-46b", "INV-46c", "INV-47", "INV-47b", "INV-48", "INV-51"):
        assert found(invariant) == []


def token(user: User, **fields: Any) -> RefreshToken:
    return RefreshToken.objects.create(
        session=fields.pop("session", None) or make_session(user), expires_at=clock.now() + timedelta(days=7), **fields
    )


class TestRefreshTokensExpireWithTheirSession:
    def test_a_token_that_outlives_it(self) -> None:
        row = token(make_user())
        RefreshToken.objects.update(expires_at=row.session.created_at + timedelta(days=30))
        assert found("INV-46c") == []

        RefreshToken.objects.update(expires_at=row.session.created_at + timedelta(days=30, seconds=1))

        assert [found_row["session_id"] for found_row in found("INV-46c")] == [row.session_id]


class TestOneRefreshTokenIsCurrent:
    def test_two_current_tokens(self) -> None:
        execute("DROP INDEX one_current_refresh_token_per_session")
        first = token(make_user())
        token(first.session.user, session=first.session)

        assert [(row["session"], row["current_tokens"]) for row in found("INV-46")] == [(first.session_id, 2)]

    def test_a_current_token_of_an_ended_session(self) -> None:
        row = token(make_user())
        assert found("INV-46") == []
        type(row.session).objects.update(ended_at=clock.now())

        assert [found_row["session"] for found_row in found("INV-46")] == [row.session_id]

    def test_a_current_token_of_a_deactivated_person(self) -> None:
        row = token(make_user())
        User.objects.update(is_active=False)

        assert [found_row["user_id"] for found_row in found("INV-46")] == [row.session.user_id]


class TestRefreshTokensFormAChain:
    def test_a_successor_of_another_session(self) -> None:
        now, theirs = clock.now(), token(make_user())
        mine = token(make_user(), rotated_at=now, successor=theirs)

        assert [row["id"] for row in found("INV-46b")] == [mine.pk]

    def test_rotated_without_successor(self) -> None:
        mine = token(make_user(), rotated_at=clock.now())

        assert [row["id"] for row in found("INV-46b")] == [mine.pk]


class TestCodesAreBounded:
    def plant(self, **fields: Any) -> Challenge:
        values = {
            "purpose": "log_in", "channel": "sms", "destination": "+919876500001", "expires_at": clock.now() + timedelta(minutes=5),
        }  # fmt: skip
        return Challenge.objects.create(**{**values, **fields})

    def test_a_sixth_attempt(self) -> None:
        execute("ALTER TABLE accounts_challenge DROP CONSTRAINT challenge_has_five_attempts")
        challenge = self.plant(attempts=6)

        assert [(row["id"], row["fault"]) for row in found("INV-47")] == [(challenge.pk, "limits")]

    def test_a_code_that_lives_too_long(self) -> None:
        challenge = self.plant(expires_at=clock.now() + timedelta(minutes=11))

        assert [(row["id"], row["fault"]) for row in found("INV-47")] == [(challenge.pk, "limits")]

    @pytest.mark.parametrize(
        "fields",
        [
            {"used_at": clock.now() + timedelta(days=1), "attempts": 1, "code_hash": "a" * 64},
            {"used_at": clock.now(), "attempts": 0, "code_hash": "a" * 64},
            {"used_at": clock.now(), "attempts": 1, "code_hash": ""},
            {"used_at": clock.now(), "attempts": 1, "code_hash": "a" * 64, "superseded_at": clock.now()},
        ],
    )
    def test_used_when_dead(self, fields: dict[str, Any]) -> None:
        challenge = self.plant(**fields)

        assert [(row["id"], row["fault"]) for row in found("INV-47")] == [(challenge.pk, "used dead")]

    @pytest.mark.parametrize(
        "fields",
        [
            {"send_status": "failed", "send_failure": "rejected"},
            {"send_status": "unknown"},
            {"send_status": "sent", "send_failure": "rejected", "send_error": "400: no"},
        ],
    )
    def test_a_failure_that_does_not_say_why(self, fields: dict[str, str]) -> None:
        challenge = self.plant(**fields)

        assert [(row["id"], row["send_status"]) for row in found("INV-47b")] == [(challenge.pk, fields["send_status"])]

    def test_two_live_for_one_purpose(self) -> None:
        execute("DROP INDEX one_live_challenge")
        self.plant()
        self.plant()

        assert [(row["attempts"], row["fault"]) for row in found("INV-47")] == [(2, "not alone")]


class TestDeactivatedUsersDoNotAct:
    def test_event_after_deactivation_is_found(self) -> None:
        now, gone = clock.now(), make_user()
        services.deactivate_user(user_id=gone.pk, actor=SYSTEM, reason="", now=now)
        with transaction.atomic():
            event = record_event(
                "test.user.acted",
                subject=make_user(),
                actor=Actor(kind="user", id=gone.public_id),
                changes={},
                now=now + timedelta(milliseconds=1),
            )

        assert [row["id"] for row in found("INV-48")] == [event.pk]

    def test_what_they_did_before_is_no_violation(self) -> None:
        gone = make_user()
        with transaction.atomic():
            record_event(
                "test.user.acted", subject=make_user(), actor=Actor(kind="user", id=gone.public_id), changes={}
            )
        services.deactivate_user(user_id=gone.pk, actor=SYSTEM, reason="", now=clock.now())

        assert found("INV-48") == []


class TestSecretsAreHashed:
    def test_a_password_in_clear(self) -> None:
        user = make_user()
        User.objects.filter(pk=user.pk).update(password="seven brown buffaloes")

        assert [(row["secret"], row["id"]) for row in found("INV-51")] == [("password", user.pk)]

    def test_a_code_in_clear(self) -> None:
        execute("ALTER TABLE accounts_challenge DROP CONSTRAINT challenge_code_is_hashed")
        challenge = Challenge.objects.create(
            purpose="log_in", channel="sms", destination="+919876500001", expires_at=clock.now(), code_hash="042917"
        )

        assert [(row["secret"], row["id"]) for row in found("INV-51")] == [("code", challenge.pk)]

    def test_a_secret_in_an_event(self) -> None:
        with transaction.atomic():
            event = record_event("test.user.changed", subject=make_user(), actor=SYSTEM, changes={"colour": "x"})
        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(pk=event.pk).update(changes={"password": "x"})

        assert [(row["secret"], row["id"]) for row in found("INV-51")] == [("event", event.pk)]

    def test_every_way_to_log_in_holds(self, request_code: Callable[..., Challenge]) -> None:
        challenge = request_code()
        device = services.Device(ip="203.0.113.7", user_agent="", transport=Transport.BODY)
        grant = services.log_in_with_code(challenge_id=challenge.pk, code="042917", device=device, now=clock.now())
        services.refresh_session(
            token_id=grant.refresh_token.pk, session_id=grant.session.pk, transport=Transport.BODY, now=clock.now()
        )
        services.log_out_everywhere(user_id=grant.user.pk, actor=SYSTEM, now=clock.now())

        for invariant in ("INV-46", "INV-46b", "INV-47", "INV-47b", "INV-48", "INV-51"):
            assert found(invariant) == []
