"""What an attacker would try of the logic: others' orders and money, replays, mixed-up codes, caches, links, the back office."""

import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.models import Challenge, User
from apps.accounts.rules import hash_code
from apps.core import clock
from apps.payments.models import Payment, Webhook
from apps.payments.services import webhooks
from apps.payments.states import PaymentStatus
from tests.corpus import bodies, requests
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import make_payment
from tests.journeys.attacker import faults_of
from tests.support.stored_rows import nothing_changes

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
_keys = itertools.count(1)


def post(client: APIClient, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
    given = {"Idempotency-Key": key or f"attack-{next(_keys):08d}", **headers}
    return client.post(f"/api/v1{path}", body if body is not None else {}, format="json", headers=given)


def code_of(response: Any) -> str:
    return str(response.json()["error"]["code"])


def checkout_signature(order_id: str, payment_id: str) -> str:
    return hmac.new(
        settings.RAZORPAY_KEY_SECRET.encode(), f"{order_id}|{payment_id}".encode(), hashlib.sha256
    ).hexdigest()


def send_webhook(raw: bytes, *, event_id: str = "", secret: str | None = None) -> Any:
    key = settings.RAZORPAY_WEBHOOK_SECRETS[0] if secret is None else secret
    signature = hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
    return Client().post(
        "/api/v1/webhooks/razorpay",
        raw,
        content_type="application/json",
        headers={"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id},
    )


class TestMoney:
    def test_nobody_pays_or_cancels_for_somebody_else(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        payment = make_payment(make_order(owner))
        thief = client_of(stranger)

        with nothing_changes():
            answers = [
                post(thief, "/payments", {"order_id": order.public_id}),
                post(thief, f"/payments/{payment.public_id}/cancel"),
                post(thief, f"/payments/{payment.public_id}/sync"),
                post(thief, f"/orders/{order.public_id}/cancel"),
            ]

        assert [answer.status_code for answer in answers] == [404] * 4

    def test_signature_is_valid_for_one_payment_only(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        mine, theirs = make_payment(make_order(owner)), make_payment(make_order(stranger))
        assert theirs.gateway_order_id is not None
        signature = checkout_signature(theirs.gateway_order_id, "pay_PaidByStranger")
        buyer = client_of(owner)

        with nothing_changes():
            attempts: list[dict[str, Any]] = [
                {"gateway_payment_id": "pay_PaidByStranger", "signature": signature},
                {"gateway_payment_id": "pay_PaidByStranger", "signature": signature, "gateway_order_id": theirs.gateway_order_id},
                {"gateway_payment_id": "pay_PaidByStranger", "signature": signature.upper()},
                {"gateway_payment_id": "pay_PaidByStranger", "signature": "\u0660" * 64},
                {"gateway_payment_id": "x|pay_PaidByStranger", "signature": signature},
            ]  # fmt: skip
            for attempt in attempts:
                answer = post(buyer, f"/payments/{mine.public_id}/verify", attempt)
                assert answer.status_code == 400, answer.content
                assert list(faults_of(answer)) == []

    def test_valid_signature_alone_captures_nothing(self, owner: Any, client_of: ClientOf) -> None:
        """Whoever knows the key secret still has to have paid: the gateway is asked."""
        payment = make_payment(make_order(owner))
        assert payment.gateway_order_id is not None
        body = {"gateway_payment_id": "pay_x", "signature": checkout_signature(payment.gateway_order_id, "pay_x")}

        answer = post(client_of(owner), f"/payments/{payment.public_id}/verify", body)

        assert (answer.status_code, answer.json()["status"]) == (202, "requires_payment")
        assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.REQUIRES_PAYMENT

    @pytest.mark.parametrize("quantity", [-1, 0, 1001, 10**9, 10**17])
    def test_no_quantity_bends_the_total_or_the_stock(self, quantity: int, owner: Any, client_of: ClientOf) -> None:
        make_order(owner)
        variant = make_variant(stock=5)
        address = make_address(owner).public_id

        with nothing_changes(but="accounts_session"):
            for lines in ([quantity], [1, quantity], [600, 600]):
                body = {
                    "lines": [{"variant_id": variant.public_id, "quantity": each} for each in lines],
                    "shipping_address_id": address,
                }
                assert post(client_of(owner), "/orders", body).status_code == 400

    def test_the_dearest_order_that_can_be_is_worked_out(self, owner: Any, client_of: ClientOf) -> None:
        make_order(owner)
        dear = [make_variant(price=10**13, stock=1000) for _ in range(100)]
        body = {
            "lines": [{"variant_id": each.public_id, "quantity": 1000} for each in dear],
            "shipping_address_id": make_address(owner).public_id,
        }

        for path in ("/orders/quote", "/orders"):
            answer = post(client_of(owner), path, body)
            assert answer.status_code < 500, answer.content

    def test_others_addresses_are_none_even_as_billing_address(
        self, owner: Any, stranger: Any, client_of: ClientOf
    ) -> None:
        make_order(owner)
        body = {
            "lines": [{"variant_id": make_variant(stock=5).public_id, "quantity": 1}],
            "shipping_address_id": make_address(owner).public_id,
            "billing_address_id": make_address(stranger).public_id,
        }

        assert [post(client_of(owner), path, body).status_code for path in ("/orders", "/orders/quote")] == [404, 404]


class TestWebhooks:
    def test_an_old_body_under_new_ids_is_kept_once(self, owner: Any) -> None:
        raw = json.dumps({"entity": "event", "event": "payment.captured", "payload": {}}).encode()

        ids = {send_webhook(raw, event_id=f"evt_{number}").json()["id"] for number in range(5)}

        assert (len(ids), Webhook.objects.count()) == (1, 1)

    @pytest.mark.parametrize("change", ["secret", "key secret", "byte", "space", "empty", "upper case", "not ASCII"])
    def test_what_is_not_signed_by_the_secret_is_refused_and_not_kept(self, change: str, db: None) -> None:
        raw = b'{"entity":"event","event":"payment.captured","payload":{}}'
        right = hmac.new(settings.RAZORPAY_WEBHOOK_SECRETS[0].encode(), raw, hashlib.sha256).hexdigest()
        signature = {
            "secret": hmac.new(b"another", raw, hashlib.sha256).hexdigest(),
            "key secret": hmac.new(settings.RAZORPAY_KEY_SECRET.encode(), raw, hashlib.sha256).hexdigest(),
            "empty": "",
            "upper case": right.upper(),
            "not ASCII": "\xe9" * 64,
        }.get(change, right)
        sent = {"byte": raw.replace(b"captured", b"Captured"), "space": raw + b" "}.get(change, raw)

        answer = Client().post(
            "/api/v1/webhooks/razorpay",
            sent,
            content_type="application/json",
            headers={"X-Razorpay-Signature": signature},
        )

        assert answer.status_code == 401
        assert list(faults_of(answer)) == []
        assert Webhook.objects.count() == 0

    def test_a_signed_body_of_any_shape_is_kept_and_stops_no_worker(self, db: None) -> None:
        odd = [
            {"event": event, "payload": payload}
            for event in ("payment.captured", "order.paid", "payment.failed", ["payment.captured"], None, 5)
            for payload in (
                None, [], "x", {"payment": None}, {"payment": {"entity": None}}, {"payment": {"entity": []}},
                {"payment": {"entity": {"id": 5, "order_id": [], "amount": "1e9", "status": {}}}},
                {"payment": {"entity": {"id": "pay_\x00", "order_id": "order_1", "amount": 10**30, "currency": "INR",
                                        "status": "captured", "method": "x" * 500, "vpa": "\ud800", "created_at": 10**30}}},
                {"payment": {"entity": {"id": "pay_1", "order_id": "order_1", "amount": -1, "currency": "usd", "status": "x"}}},
            )
        ]  # fmt: skip
        raws = [json.dumps(each).encode() for each in odd] + [*bodies.STRUCTURES.values(), b"{}"]

        for raw in raws:
            answer = send_webhook(raw)
            assert answer.status_code in (200, 401 if not raw else 200, 413), (raw[:80], answer.status_code)
        for webhook in Webhook.objects.all():
            webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
        assert not Webhook.objects.filter(processed_at=None).exists()

    @pytest.mark.parametrize("length", ["\xb2", "-1", "1e3", "9" * 30, "x"])
    def test_an_odd_length_is_no_fault_of_ours(self, length: str, db: None) -> None:
        answer = Client(raise_request_exception=False).post(
            "/api/v1/webhooks/razorpay", b"{}", content_type="application/json", CONTENT_LENGTH=length
        )

        assert answer.status_code in (401, 413)
        assert list(faults_of(answer)) == []


class TestKeys:
    def test_a_key_is_of_one_person_and_one_route(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        mine = post(client_of(owner), "/payments", {"order_id": order.public_id}, key="the-same-key")

        theirs = post(client_of(stranger), "/payments", {"order_id": order.public_id}, key="the-same-key")
        elsewhere = post(client_of(owner), f"/orders/{order.public_id}/cancel", key="the-same-key")

        assert [mine.status_code, theirs.status_code, elsewhere.status_code] == [202, 404, 422]
        assert "Idempotent-Replayed" not in theirs

    def test_no_answer_is_replayed_to_who_may_no_longer_ask(self, owner: Any, client_of: ClientOf) -> None:
        order, client = make_order(owner), client_of(owner)
        assert post(client, "/payments", {"order_id": order.public_id}, key="the-same-key").status_code == 202
        User.objects.filter(pk=owner.pk).update(is_active=False)

        assert post(client, "/payments", {"order_id": order.public_id}, key="the-same-key").status_code == 401

    def test_a_refusal_for_rights_is_not_replayed_when_they_are_given(
        self, client_of: ClientOf, reference_data: None
    ) -> None:
        member = make_staff("support")
        body = {"variant_id": make_variant().public_id, "quantity": 1, "kind": "receipt", "reason": "x"}
        assert post(client_of(member), "/stock-adjustments", body, key="the-same-key").status_code == 403
        User.objects.filter(pk=member.pk).update(is_superuser=True)

        assert post(client_of(member), "/stock-adjustments", body, key="the-same-key").status_code == 201


def request_code(user: Any, destination: str, purpose: str) -> Challenge:
    """A challenge whose code is 123456."""
    challenge = Challenge(
        user=user, destination=destination, purpose=purpose, channel="email" if "@" in destination else "sms",
        expires_at=clock.now().replace(year=clock.now().year + 1), send_status="sent",
    )  # fmt: skip
    challenge.code_hash = hash_code(
        pepper=settings.OTP_PEPPER,
        challenge=challenge.public_id,
        purpose=purpose,
        destination=destination,
        code="123456",
    )
    challenge.save()
    return challenge


class TestCodes:
    ACTIONS = (
        ("log_in", "/auth/otp/verify"),
        ("confirm_email", "/me/email/confirm"),
        ("set_password", "/me/password/confirm"),
    )

    @pytest.mark.parametrize("purpose", ["log_in", "confirm_email", "set_password"])
    def test_a_code_is_good_for_its_purpose_and_its_person_only(
        self, purpose: str, owner: Any, stranger: Any, client_of: ClientOf
    ) -> None:
        challenge = request_code(None if purpose == "log_in" else owner, "asha@example.in", purpose)
        body: dict[str, Any] = {"challenge_id": challenge.public_id, "code": "123456"}
        thief, victim = client_of(stranger), client_of(owner)

        with nothing_changes():
            for action, path in self.ACTIONS:
                more = {"password": "seven brown buffaloes"} if action == "set_password" else {}
                for client in (thief, victim, APIClient()):
                    if action != purpose:
                        assert post(client, path, {**body, **more}).status_code in (400, 401)
                if action == purpose != "log_in":
                    assert post(thief, path, {**body, **more}).status_code == 400

    def test_an_address_that_another_has_is_taken_by_nobody(
        self, owner: Any, stranger: Any, client_of: ClientOf
    ) -> None:
        User.objects.filter(pk=owner.pk).update(email="asha@example.in", email_confirmed_at=clock.now())
        challenge = request_code(stranger, "asha@example.in", "confirm_email")

        answer = post(client_of(stranger), "/me/email/confirm", {"challenge_id": challenge.public_id, "code": "123456"})

        assert (answer.status_code, code_of(answer)) == (409, "email_in_use")
        assert User.objects.get(pk=stranger.pk).email is None

    def test_asking_for_anothers_address_says_nothing_about_it(
        self, owner: Any, stranger: Any, client_of: ClientOf
    ) -> None:
        User.objects.filter(pk=owner.pk).update(email="asha@example.in", email_confirmed_at=clock.now())
        client = client_of(stranger)

        known = post(client, "/me/email", {"email": "asha@example.in"})
        unknown = post(client, "/me/email", {"email": "abla@example.in"})

        times = ("id", "expires_at", "resend_after", "created_at")
        assert (known.status_code, unknown.status_code) == (202, 202)
        assert {k: v for k, v in known.json().items() if k not in times} == {
            k: v for k, v in unknown.json().items() if k not in times
        }

    def test_a_log_in_costs_the_same_whether_anybody_is_there(
        self, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One hash each, of the same kind: counted, since a clock would make the test a lottery."""
        from django.contrib.auth import hashers

        known = make_user(email="known@example.in")
        known.set_password("seven brown buffaloes")
        known.save()
        make_user(email="without@example.in")
        hasher, counts = type(hashers.get_hasher()), []
        real = hasher.encode
        monkeypatch.setattr(hasher, "encode", lambda *args, **kwargs: counts.append(1) or real(*args, **kwargs))

        hashes, answers = [], []
        for email in ("known@example.in", "without@example.in", "nobody@example.in"):
            counts.clear()
            answer = post(APIClient(), "/auth/login", {"email": email, "password": "wrong password"})
            hashes.append(len(counts))
            answers.append((answer.status_code, code_of(answer)))

        assert hashes == [hashes[0]] * 3
        assert hashes[0] >= 1
        assert set(answers) == {(401, "invalid_credentials")}


class TestCookies:
    def test_a_form_of_another_site_neither_rotates_nor_ends_a_session(self, owner: Any) -> None:
        challenge = request_code(None, str(owner.phone), "log_in")
        browser = APIClient()
        body = {"challenge_id": challenge.public_id, "code": "123456", "transport": "cookie"}
        logged_in = post(browser, "/auth/otp/verify", body)
        cookie = logged_in.cookies["bahi_refresh"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/api/v1/auth")

        with nothing_changes():
            for content_type in (
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "",
            ):
                for action in ("refresh", "logout"):
                    answer = browser.generic("POST", f"/api/v1/auth/{action}", b"", content_type=content_type)
                    assert answer.status_code in (400, 401, 415)
        assert post(browser, "/auth/refresh").status_code == 200

    def test_a_session_chosen_by_somebody_else_is_not_logged_in(self, reference_data: None) -> None:
        member = make_staff("admin")
        browser = Client()
        browser.cookies["sessionid"] = "chosenbysomebodyelse000000000000"

        form = {"username": member.email, "password": "correct horse battery"}
        answer = browser.post(f"{reverse('admin:login')}?next=//evil.example/", form)

        assert answer.status_code == 302
        assert "evil" not in answer["Location"]
        assert browser.cookies["sessionid"].value not in ("", "chosenbysomebodyelse000000000000")

    def test_no_other_origin_is_let_in(self, owner: Any, client_of: ClientOf) -> None:
        for method in ("GET", "OPTIONS"):
            answer = client_of(owner).generic(
                method,
                "/api/v1/me",
                headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"},
            )
            assert [name for name in answer.headers if name.lower().startswith("access-control")] == []


class TestCaches:
    PUBLIC = ("/api/v1/products", "/api/v1/categories", "/api/v1/gst/rates")

    def test_what_is_shared_differs_by_who_asks_and_holds_nothing_of_anybody(
        self, owner: Any, support: Any, client_of: ClientOf, anonymous: APIClient
    ) -> None:
        variant = make_variant(stock=5)
        for path in (
            *self.PUBLIC,
            f"/api/v1/products/{variant.product.public_id}",
            f"/api/v1/variants/{variant.public_id}",
        ):
            answer = anonymous.get(path)
            assert "public" in answer["Cache-Control"]
            assert not answer.cookies
            assert 'stock":' not in answer.content.decode().replace("in_stock", "")
            for person in (owner, support):
                seen = client_of(person).get(path)
                is_for_all = path == "/api/v1/gst/rates"
                assert is_for_all or seen["Cache-Control"] == "private, no-store"
                assert is_for_all or "authorization" in seen["Vary"].lower()
            if path != "/api/v1/gst/rates":
                assert "authorization" in answer["Vary"].lower()

    def test_errors_and_what_is_mine_are_kept_by_nobody(
        self, owner: Any, client_of: ClientOf, anonymous: APIClient
    ) -> None:
        for answer in (
            anonymous.get("/api/v1/products?colour=red"), anonymous.get("/api/v1/products/prod_x"),
            client_of(owner).get("/api/v1/me"), client_of(owner).get("/api/v1/orders"), anonymous.get("/api/v1/me"),
        ):  # fmt: skip
            assert answer["Cache-Control"] == "private, no-store"

    def test_no_header_of_the_sender_gets_into_what_is_shared(self, anonymous: APIClient) -> None:
        for headers in requests.HEADERS.values():
            plain, poisoned = anonymous.get("/api/v1/products"), anonymous.get("/api/v1/products", headers=headers)
            assert poisoned.content == plain.content or poisoned.status_code != 200
            assert b"evil" not in poisoned.content


class TestCursors:
    @pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/payments", "/api/v1/invoices", "/api/v1/me/addresses",
                                      "/api/v1/auth/sessions", "/api/v1/me/notifications"])  # fmt: skip
    def test_a_cursor_is_of_one_person(self, path: str, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        from tests.factories.invoicing import make_rendered_invoice
        from tests.factories.notifications import make_notification

        for _ in range(2):
            make_payment(make_order(owner, address=make_address(owner)))
            make_notification(owner)
        if path.endswith("invoices"):
            make_rendered_invoice(owner)
            make_rendered_invoice(owner)
        mine, theirs = client_of(owner), client_of(stranger)
        client_of(owner)
        cursor = mine.get(f"{path}?limit=1").json()["next_cursor"]

        answer = theirs.get(path, {"limit": 1, "cursor": cursor})

        assert cursor
        assert (answer.status_code, code_of(answer)) == (400, "invalid_cursor")


class TestLinksAndLogs:
    def test_a_forged_host_is_refused(self, owner: Any) -> None:
        for headers in ({"Host": "evil.example"}, {"Host": "testserver:80@evil.example"}, {"Host": ""}):
            answer = Client(raise_request_exception=False).post(
                "/api/v1/auth/otp", {"phone": "+919876543219"}, content_type="application/json", headers=headers
            )
            assert answer.status_code == 400
            assert list(faults_of(answer)) == []

    def test_a_mail_says_nothing_of_the_host_that_was_asked(self, owner: Any, client_of: ClientOf) -> None:
        from apps.accounts import services

        headers = {
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "host=evil.example",
            "Origin": "https://evil.example",
        }
        answer = post(client_of(owner), "/me/email", {"email": "asha@example.in"}, **headers)
        challenge = Challenge.objects.get(destination="asha@example.in")
        services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert answer.status_code == 202
        assert "evil" not in str(mail.outbox[0].message())

    def test_an_address_in_a_header_is_nobodys_address(self, owner: Any, client_of: ClientOf) -> None:
        post(client_of(owner), "/me/email", {"email": "a@example.in"}, **{"X-Forwarded-For": "203.0.113.9"})

        assert Challenge.objects.get(destination="a@example.in").ip == "127.0.0.1"

    @pytest.mark.parametrize(
        "address", ["fe80::1%eth0", "::1%25eth0", "203.0.113.7:443", "unknown", "1.2.3.4, ", "０.0.0.1"]
    )
    def test_behind_a_proxy_an_odd_address_is_no_fault_of_ours(
        self, address: str, settings: Any, owner: Any, client_of: ClientOf
    ) -> None:
        settings.TRUSTED_PROXY_HOPS = 1
        client = client_of(owner)
        client.raise_request_exception = False

        answer = post(client, "/me/email", {"email": "a@example.in"}, **{"X-Forwarded-For": address})

        assert answer.status_code == 202, answer.content

    def test_no_line_of_the_log_is_forged(
        self, owner: Any, capfd: pytest.CaptureFixture[str], client_of: ClientOf
    ) -> None:
        import logging

        logging.getLogger("apps.core.api.middleware").setLevel(logging.INFO)
        root = logging.getLogger()
        handler = next((each for each in root.handlers if type(each) is logging.StreamHandler), None)
        try:
            client_of(owner).get(
                "/api/v1/orders/x%0d%0a%7B%22event%22:%22forged%22%7D%1b%5B2J", headers={"User-Agent": "a\x1b[2Jb"}
            )
        finally:
            logging.getLogger("apps.core.api.middleware").setLevel(logging.NOTSET)

        lines = capfd.readouterr().out.splitlines()
        assert handler is not None
        assert not any(line.startswith('{"event":"forged"') for line in lines)
        assert "\x1b" not in "".join(lines)


class TestBackOffice:
    ODD = (
        "?q=%00", "?q=" + "x" * 5000, "?q=%27%22%3B--", "?p=-1", "?p=%00", "?p=99999999999999999999", "?o=%00", "?o=1.-2.x.99",
        "?id__exact=%00", "?status__exact=%00", "?status=%00", "?state=%00", "?created_at__gte=0001-01-01 00:00%2B05:30",
        "?created_at__gte=x",
        "?created_at__year=99999999", "?password__startswith=p", "?user__password__startswith=p", "?customer__password__regex=(((",
        "?_to_field=password", "?_popup=%00", "?e=1", "?all=", "?_facets=%00", "?kind=%00", "?is_active__exact=%00",
    )  # fmt: skip

    def test_no_parameter_breaks_a_page(self, owner: Any, administrator: Any) -> None:
        from django.contrib import admin

        make_payment(make_order(owner))
        browser = Client(raise_request_exception=False)
        browser.force_login(administrator)
        faults = []
        for turn, model in enumerate(admin.site._registry):
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            urls = [reverse(f"admin:{name}_changelist") + query for query in self.ODD[turn % 3 :: 3]]
            base = reverse(f"admin:{name}_changelist")
            urls += [f"{base}{text}/change/" for text in ("%00", "x", "9" * 60, "_5F", "..%2f", "%ff")]
            for url in urls:
                answer = browser.get(url)
                if answer.status_code >= 500:
                    faults.append(f"{url[:120]}: {answer.status_code}")
        assert not faults, "\n".join(faults)

    @pytest.mark.parametrize("url", ["/admin/search/?s=%00", "/admin/autocomplete/?term=%00",
                                     "/admin/autocomplete/?app_label=%00&model_name=user&field_name=x&term=a", "/admin/jsi18n/?x=%00",
                                     "/admin/login/?next=%00", "/admin/toggle-sidebar/", "/static/%00", "/static/../../etc/passwd",
                                     "/static/..%2f..%2fmanage.py", "/%00", "/admin/%00", "/metrics?x=%00"])  # fmt: skip
    def test_no_address_breaks_it(self, url: str, administrator: Any) -> None:
        browser = Client(raise_request_exception=False)
        browser.force_login(administrator)

        assert browser.get(url).status_code < 500

    def test_an_odd_log_in_is_refused(self, reference_data: None) -> None:
        for username in ("\x00", "a" * 5000, "\u202e", "a@b.in\r\nx", "%s{0}", "\ufdfa" * 200):
            answer = Client(raise_request_exception=False).post(
                reverse("admin:login"), {"username": username, "password": "x" * 5000}
            )
            assert answer.status_code in (200, 403), username

    def test_a_customer_with_a_session_of_the_back_office_gets_nowhere(self, owner: Any) -> None:
        browser = Client()
        browser.force_login(owner)

        for path in ("/admin/", "/admin/orders/order/", "/admin/search/?s=a", "/admin/autocomplete/?term=a"):
            assert browser.get(path).status_code in (302, 403, 404)


def without_token(page: bytes) -> bytes:
    return re.sub(rb'"[A-Za-z0-9]{64}"', b"", page)


class TestDescription:
    @pytest.mark.parametrize("page", ["/api/schema", "/api/docs"])
    @pytest.mark.parametrize("query", ["lang=%00", "lang=../../etc", "lang=" + "x" * 500, "lang=hi", "version=%00%0d%0aX:y",
                                       "version=%22);alert(1)//", "lang=%22);alert(1)//", "format=x", "lang=a&lang=b"])  # fmt: skip
    def test_nothing_in_the_query_bends_it(self, page: str, query: str) -> None:
        plain = Client(raise_request_exception=False).get(page)

        answer = Client(raise_request_exception=False).get(f"{page}?{query}")

        assert answer.status_code == 200
        assert without_token(answer.content) == without_token(plain.content)

    def test_it_is_worked_out_once(self) -> None:
        import time

        Client().get("/api/schema")
        started = time.thread_time()
        Client().get("/api/schema")

        assert time.thread_time() - started < 0.2

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", ";;;", "*/*", "application/json"])
    def test_whatever_is_accepted_its_errors_are_ours(self, accept: str) -> None:
        answer = Client(raise_request_exception=False).get("/api/schema", headers={"Accept": accept})

        assert answer.status_code in (200, 406)
        assert list(faults_of(answer)) == []
