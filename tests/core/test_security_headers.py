"""What browsers are told about our answers, and that no page of ours needs more."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User

pytestmark = pytest.mark.django_db
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#: A script or a style sheet in the text of a page, and a handler in an attribute: none of them runs.
INLINE_SCRIPT = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"(?:application|text)/(?:json|template)\")[^>]*>", re.IGNORECASE
)
INLINE_HANDLER = re.compile(r"<[^>]+\son[a-z]+\s*=|href\s*=\s*[\"']?javascript:", re.IGNORECASE)


def directives(response: Any) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))


class TestPolicies:
    def test_the_back_office_runs_scripts_of_files_of_its_own_alone(self, support: User) -> None:
        browser = Client()
        browser.force_login(support)

        for path in ("/admin/", "/admin/orders/order/", "/admin/login/"):
            policy = directives(browser.get(path))
            assert policy["script-src"] == "'self' 'unsafe-eval'"
            assert (policy["default-src"], policy["object-src"], policy["base-uri"]) == ("'self'", "'none'", "'none'")
            assert (policy["form-action"], policy["frame-ancestors"]) == ("'self'", "'none'")

    def test_the_documentation_runs_scripts_of_files_alone(self) -> None:
        policy = directives(Client().get("/api/docs"))

        assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")

    @pytest.mark.parametrize(
        "path",
        ["/api/v1/products", "/api/schema", "/api/v1/nothing", "/livez", "/readyz", "/nothing", "/static/nothing.js"],
    )
    def test_what_is_no_page_may_load_nothing(self, path: str) -> None:
        assert Client().get(path)["Content-Security-Policy"] == NOTHING

    def test_errors_have_one_too(self) -> None:
        response = Client().get("/api/v1/products", headers={"Host": "evil.example"})

        assert (response.status_code, response["Content-Security-Policy"]) == (400, NOTHING)

    @pytest.mark.parametrize("origin", ["https://shop.example", "https://evil.example"])
    def test_preflights_have_them_too(self, settings: Any, origin: str) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]

        answer = Client().options("/api/v1/orders", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})

        assert answer["Content-Security-Policy"] == NOTHING
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in answer["Permissions-Policy"]

    def test_what_a_proxy_may_not_pass_on_has_them_too(self, settings: Any) -> None:
        settings.IS_STRICT = True

        answer = Client().get("/api/v1/products", headers={"X-Forwarded-For": "203.0.113.9"})

        assert (answer.status_code, answer["Content-Security-Policy"]) == (400, NOTHING)
        assert answer["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("path", ["/admin/login/", "/api/docs", "/api/v1/products", "/livez"])
    def test_no_page_uses_features_of_a_device(self, path: str) -> None:
        features = Client().get(path)["Permissions-Policy"].split(", ")

        assert {"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()"} <= set(features)
        assert all(feature.endswith("=()") for feature in features)


class TestPages:
    def test_the_script_of_the_documentation_is_an_answer_of_its_own(self) -> None:
        page = Client().get("/api/docs").content.decode()
        script = Client().get("/api/docs?script=")

        assert INLINE_SCRIPT.findall(page) == []
        assert 'src="/api/docs?script="' in page
        assert script["Content-Type"].startswith("application/javascript")
        assert reverse("api-schema") in script.content.decode()

    def test_no_page_of_the_back_office_has_a_script_inside(self, administrator: User) -> None:
        browser = Client()
        browser.force_login(administrator)
        paths = [reverse("admin:index"), reverse("admin:login"), reverse("admin:orders_order_changelist")]
        paths += [reverse("admin:accounts_user_add"), reverse("admin:accounts_user_change", args=[administrator.pk])]

        for path in paths:
            text = browser.get(path).content.decode()
            assert (INLINE_SCRIPT.findall(text), INLINE_HANDLER.findall(text)) == ([], []), path

    def test_no_template_of_ours_has_one(self) -> None:
        templates = sorted(Path(settings.BASE_DIR / "templates").rglob("*.html"))

        found = {
            str(path.name): [*INLINE_SCRIPT.findall(text), *INLINE_HANDLER.findall(text)]
            for path in templates
            if (text := path.read_text())
        }

        assert templates
        assert {name: scripts for name, scripts in found.items() if scripts} == {}
