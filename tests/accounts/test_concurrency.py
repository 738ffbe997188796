"""Races, each with a control that shows what happens without the statement or the lock that decides it."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection

from apps.accounts import locks, rules, services, sql
from apps.accounts.models import Address, Challenge, RateLimitCounter, RefreshToken, Session, User
from apps.accounts.rules import RateLimit
from apps.accounts.services.addresses import AddressFields
from apps.accounts.services.sessions import Device
from apps.accounts.states import Transport
from apps.core import audit, clock
from apps.core.errors import BahiError
from apps.core.events import SYSTEM
from tests.factories.accounts import make_session, make_user
from tests.support.lock_controls import without_lock
from tests.support.otp import CODE, WRONG, set_code

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

DEVICE = Device(ip="203.0.113.7", user_agent="test", transport=Transport.BODY)


def at_once(count: int, act: Callable[[int], Any], *, threads: int = 16) -> Counter[str]:
    """Do something `count` times from many threads and count the outcomes by name."""
    outcomes: Counter[str] = Counter()
    gate, lock, numbers = threading.Event(), threading.Lock(), iter(range(count))

    def work() -> None:
        gate.wait()
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    result = act(number)
                    outcome = result if isinstance(result, str) else "done"
                except (BahiError, IntegrityError) as error:
                    outcome = type(error).__name__
                with lock:
                    outcomes[outcome] += 1
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(min(count, threads))]
    for worker in workers:
        worker.start()
    gate.set()
    for worker in workers:
        worker.join(100)
    return outcomes


def meeting(count: int) -> Callable[[], None]:
    """Return what lets the first `count` callers go on only when all of them are there; later callers pass."""
    barrier, first = threading.Barrier(count), iter(range(count))

    def meet() -> None:
        if next(first, None) is not None:
            barrier.wait(60)

    return meet


class TestCodeGuesses:
    """A hundred guesses of one code at once."""

    def guess(self, challenge: Challenge, code: str = WRONG) -> Counter[str]:
        return at_once(
            100,
            lambda _: services.log_in_with_code(challenge_id=challenge.pk, code=code, device=DEVICE, now=clock.now()),
        )

    def compared(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        seen: list[str] = []
        real = rules.matches_code

        def matches_code(**facts: Any) -> bool:
            seen.append(facts["code"])
            return real(**facts)

        monkeypatch.setattr(rules, "matches_code", matches_code)
        return seen

    def test_five_guesses_are_compared(
        self, request_code: Callable[..., Challenge], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        challenge, compared = request_code(), self.compared(monkeypatch)

        outcomes = self.guess(challenge)

        challenge.refresh_from_db()
        assert outcomes == {"InvalidOtp": 100}
        assert (challenge.attempts, len(compared)) == (5, 5)

    def test_correct_code_in_parallel_logs_in_once(self, request_code: Callable[..., Challenge]) -> None:
        outcomes = self.guess(request_code(), CODE)

        assert outcomes == {"done": 1, "InvalidOtp": 99}
        assert (User.objects.count(), Session.objects.count()) == (1, 1)

    def test_control_reading_before_counting_compares_more(
        self, request_code: Callable[..., Challenge], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        challenge, compared = request_code(), self.compared(monkeypatch)
        meet = meeting(16)

        def read_then_write(*, challenge_id: Any, most: int, **_: Any) -> bool:
            attempts = Challenge.objects.get(pk=challenge_id).attempts
            meet()
            if attempts >= most:
                return False
            Challenge.objects.filter(pk=challenge_id).update(attempts=attempts + 1)
            return True

        monkeypatch.setattr(sql, "count_attempt", read_then_write)
        self.guess(challenge)

        assert len(compared) >= 16


class TestLogIns:
    """Two hundred log-ins from one address at once."""

    def log_in(self) -> Counter[str]:
        return at_once(
            200,
            lambda number: services.log_in_with_password(
                identity=f"somebody{number}@example.in", password="wrong", device=DEVICE, now=clock.now()
            ),
        )

    def test_five_attempts_are_checked(self) -> None:
        assert self.log_in() == {"InvalidCredentials": 5, "RateLimited": 195}

    def test_account_has_five_attempts_from_all_addresses(self) -> None:
        outcomes = at_once(
            200,
            lambda number: services.log_in_with_password(
                identity="asha@example.in",
                password="wrong",
                device=Device(ip=f"198.51.100.{number}", user_agent="", transport=Transport.BODY),
                now=clock.now(),
            ),
        )

        assert outcomes == {"InvalidCredentials": 5, "RateLimited": 195}

    def test_refused_attempt_uses_no_other_rate_limit(self) -> None:
        self.log_in()

        counted = RateLimitCounter.objects.filter(key__startswith="login:minute:").count()
        assert counted == 5

    def test_control_reading_before_writing_checks_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, meet = clock.now(), meeting(16)
        # There from the start: of two that make it, one would wait for the other instead of reading.
        of_caller = rules.log_in_rate_limits(identity="x", ip=DEVICE.ip, peppers=[settings.OTP_PEPPER])[0]
        RateLimitCounter.objects.create(key=of_caller.key, allowed=of_caller.allowed, expires_at=now + of_caller.window)

        def read_then_write(rate_limits: Any, *, now: Any) -> set[str]:
            row = RateLimitCounter.objects.get(key=of_caller.key)
            meet()
            if len(row.hits) >= of_caller.allowed:
                return {of_caller.key}
            RateLimitCounter.objects.filter(pk=row.pk).update(hits=[*row.hits, now])
            return set()

        monkeypatch.setattr(sql, "consume", read_then_write)

        assert self.log_in()["InvalidCredentials"] >= 16


class TestKnownDevices:
    """Tries on a device where the person has logged in before, all at once."""

    PASSWORD = "correct horse battery"

    @pytest.fixture
    def asha(self, db: None) -> User:
        user = make_user(email="asha@example.in")
        user.set_password(self.PASSWORD)
        user.save()
        return user

    def log_in(self, asha: User, password: str, *, count: int, now: Any = None) -> Counter[str]:
        phone = Device(
            ip="203.0.113.7",
            user_agent="",
            transport=Transport.BODY,
            id="the phone",
            user_ids=frozenset({asha.public_id}),
        )

        def act(_: int) -> None:
            services.log_in_with_password(
                identity="asha@example.in", password=password, device=phone, now=now or clock.now()
            )

        return at_once(count, act)

    def test_five_guesses_are_checked(self, asha: User) -> None:
        assert self.log_in(asha, "wrong", count=100) == {"InvalidCredentials": 5, "RateLimited": 95}

    def test_control_reading_before_writing_checks_more(self, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
        now, meet = clock.now(), meeting(16)
        of_device = rules.known_device_rate_limits(device_id="the phone", user_id=asha.public_id)[0]
        RateLimitCounter.objects.create(key=of_device.key, allowed=of_device.allowed, expires_at=now + of_device.window)

        def read_then_write(rate_limits: Any, *, now: Any) -> set[str]:
            row = RateLimitCounter.objects.get(key=of_device.key)
            meet()
            if len(row.hits) >= of_device.allowed:
                return {of_device.key}
            RateLimitCounter.objects.filter(pk=row.pk).update(hits=[*row.hits, now])
            return set()

        monkeypatch.setattr(sql, "consume", read_then_write)

        assert self.log_in(asha, "wrong", count=100)["InvalidCredentials"] >= 16

    def test_log_ins_of_one_instant_use_no_attempt(self, asha: User) -> None:
        now = clock.now()
        assert self.log_in(asha, "wrong", count=1, now=now) == {"InvalidCredentials": 1}

        assert self.log_in(asha, self.PASSWORD, count=4, now=now) == {"done": 4}

        # The wrong one of the same instant is still there.
        assert [row.hits for row in RateLimitCounter.objects.all()] == [[now], [now]]

    def test_control_restoring_without_the_lock_leaves_attempts_used(
        self, asha: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, all_have_consumed, all_have_read = clock.now(), meeting(4), meeting(4)

        def read_then_write(rate_limits: Any, *, consumed_at: Any) -> None:
            all_have_consumed()
            rows = list(RateLimitCounter.objects.filter(key__in=[rate_limit.key for rate_limit in rate_limits]))
            all_have_read()
            for row in rows:
                row.hits.remove(consumed_at)
                RateLimitCounter.objects.filter(pk=row.pk).update(hits=row.hits)

        monkeypatch.setattr(sql, "restore_attempts", read_then_write)

        assert self.log_in(asha, self.PASSWORD, count=4, now=now) == {"done": 4}
        assert [len(row.hits) for row in RateLimitCounter.objects.all()] == [3, 3]


class TestCodes:
    def test_one_of_many_requests_for_one_phone_succeeds(self) -> None:
        outcomes = at_once(
            40,
            lambda number: services.request_log_in_code(
                destination="+919876500001", ip=f"198.51.100.{number}", actor=SYSTEM, now=clock.now()
            ),
        )

        assert outcomes == {"done": 1, "RateLimited": 39}
        assert Challenge.objects.count() == 1

    def test_two_hundred_phones_of_one_series_are_stopped_at_a_hundred(self) -> None:
        outcomes = at_once(
            200,
            lambda number: services.request_log_in_code(
                destination=f"+91987650{number:04d}", ip=f"198.51.100.{number}", actor=SYSTEM, now=clock.now()
            ),
        )

        assert outcomes == {"done": 100, "RateLimited": 100}

    def test_rate_limits_in_any_order_do_not_deadlock(self) -> None:
        forward = [RateLimit(f"k{number}", 1000, timedelta(minutes=1)) for number in range(5)]

        def act(number: int) -> str:
            rate_limits = forward if number % 2 else forward[::-1]
            return "full" if sql.consume(rate_limits, now=clock.now()) else "spent"

        assert at_once(100, act) == {"spent": 100}

    def test_two_senders_send_one_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        challenge = services.request_log_in_code(
            destination="+919876500001", ip="203.0.113.7", actor=SYSTEM, now=clock.now()
        )
        sent: list[str] = []
        monkeypatch.setattr("apps.accounts.services.otp.msg91.send_code", lambda **facts: _sent(sent, facts))

        at_once(8, lambda _: services.send_code(challenge_id=challenge.pk, now=clock.now()))

        challenge.refresh_from_db()
        assert len(sent) == 1
        assert challenge.send_status == "sent"

    def test_control_without_the_lock_each_sender_sends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        challenge = services.request_log_in_code(
            destination="+919876500001", ip="203.0.113.7", actor=SYSTEM, now=clock.now()
        )
        sent: list[str] = []

        monkeypatch.setattr("apps.accounts.services.otp.msg91.send_code", lambda **facts: _sent(sent, facts))
        with without_lock("apps.accounts.locks.lock_challenge", meet=8):
            at_once(8, lambda _: services.send_code(challenge_id=challenge.pk, now=clock.now()))

        assert len(sent) == 8


def _sent(sent: list[str], facts: dict[str, Any]) -> Any:
    from apps.accounts.gateways import Outcome
    from apps.accounts.states import SendStatus

    sent.append(facts["code"])
    return Outcome(SendStatus.SENT, provider_id="1")


class TestRefreshConcurrency:
    """One refresh token, eight times at once: a phone that wakes up with eight requests."""

    def token(self) -> RefreshToken:
        session = make_session(make_user())
        return RefreshToken.objects.create(session=session, expires_at=clock.now() + timedelta(days=7))

    def refresh(self, token: RefreshToken) -> tuple[Counter[str], set[Any]]:
        successors: set[Any] = set()

        def act(_: int) -> None:
            grant = services.refresh_session(
                token_id=token.pk, session_id=token.session_id, transport=Transport.BODY, now=clock.now()
            )
            successors.add(grant.refresh_token.pk)

        return at_once(8, act), successors

    def test_all_get_the_same_successor(self) -> None:
        token = self.token()

        outcomes, successors = self.refresh(token)

        assert outcomes == {"done": 8}
        assert len(successors) == 1
        assert RefreshToken.objects.count() == 2
        assert audit.run(now=clock.now(), only=["INV-46", "INV-46b"]).failing == []

    def test_control_without_the_claim_and_the_lock_they_collide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        token, meet = self.token(), meeting(8)

        def read_then_write(*, token_id: Any, now: Any) -> bool:
            is_current = RefreshToken.objects.get(pk=token_id).rotated_at is None
            meet()
            RefreshToken.objects.filter(pk=token_id).update(rotated_at=now)
            return is_current

        monkeypatch.setattr(sql, "claim_refresh_token", read_then_write)
        monkeypatch.setattr(locks, "lock_session", lambda session_id: Session.objects.get(pk=session_id))
        outcomes, successors = self.refresh(token)

        # The constraint is the last guard: it turns a doubled line into an error.
        assert outcomes["IntegrityError"] > 0 or len(successors) > 1

    def test_deactivation_leaves_no_token_behind(self) -> None:
        tokens = [self.token() for _ in range(8)]

        def act(number: int) -> None:
            token = tokens[number // 2]
            if number % 2:
                services.deactivate_user(user_id=token.session.user_id, actor=SYSTEM, reason="", now=clock.now())
            else:
                services.refresh_session(
                    token_id=token.pk, session_id=token.session_id, transport=Transport.BODY, now=clock.now()
                )

        at_once(16, act)

        assert not RefreshToken.objects.filter(rotated_at__isnull=True, revoked_at__isnull=True).exists()
        assert audit.run(now=clock.now(), only=["INV-46", "INV-48"]).failing == []


class TestUserConcurrency:
    def test_email_confirmed_and_signed_up_in_parallel_belongs_to_one_user(
        self, request_code: Callable[..., Challenge]
    ) -> None:
        for number in range(6):
            email, person = f"asha{number}@example.in", make_user()
            sign_up = request_code(email, ip=f"198.51.100.{number}")
            confirm = set_code(
                services.request_email_code(
                    user_id=person.pk, email=email, ip=f"198.51.101.{number}", actor=SYSTEM, now=clock.now()
                )
            )

            def act(which: int, sign_up: Any = sign_up, confirm: Any = confirm, person: Any = person) -> str:
                if which:
                    services.log_in_with_code(challenge_id=sign_up.pk, code=CODE, device=DEVICE, now=clock.now())
                    return "logged in"
                services.confirm_email(
                    user_id=person.pk, challenge_id=confirm.pk, code=CODE, actor=SYSTEM, now=clock.now()
                )
                return "confirmed"

            outcomes = at_once(2, act)

            assert outcomes in ({"logged in": 1, "confirmed": 1}, {"logged in": 1, "EmailInUse": 1})
            assert User.objects.filter(email=email).count() == 1

    def test_addresses_made_default_at_once_leave_one_default(self) -> None:
        user = make_user()
        fields = AddressFields(name="Asha", line1="12 MG Road", city="Bengaluru", state="29", pin="560001")

        outcomes = at_once(
            12,
            lambda _: services.add_address(
                user_id=user.pk, fields=fields, is_default=True, actor=SYSTEM, now=clock.now()
            ),
        )

        assert outcomes == {"done": 12}
        assert Address.objects.filter(user=user, is_default=True).count() == 1

    def test_control_without_the_lock_defaults_collide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        user = make_user()
        fields = AddressFields(name="Asha", line1="12 MG Road", city="Bengaluru", state="29", pin="560001")
        real, meet = locks.lock_default_address, meeting(12)

        def read_together(user_id: Any) -> Any:
            found = real(user_id)
            meet()
            return found

        monkeypatch.setattr(locks, "lock_default_address", read_together)
        with without_lock("apps.accounts.locks.lock_user"):
            outcomes = at_once(
                12,
                lambda _: services.add_address(
                    user_id=user.pk, fields=fields, is_default=True, actor=SYSTEM, now=clock.now()
                ),
            )

        assert outcomes == {"done": 1, "IntegrityError": 11}
