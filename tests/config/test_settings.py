"""Bahi refuses to start with what is missing or unsafe, and says which variable it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import seller

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "k3y-0f-th3-w3b-" + "abcdefghijklmnopqrstuvwxyz",
    "JWT_SIGNING_KEY": "an0th3r-k3y-" + "abcdefghijklmnopqrstuvwxyz",
    "OTP_PEPPER": "s0m3-p3pp3r-" + "abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "postgres://bahi:secret@db.example/bahi",
    "REDIS_URL": "redis://redis.example:6379/0",
    "ALLOWED_HOSTS": "api.shop.example",
    "PUBLIC_URL": "https://api.shop.example",
    "RAZORPAY_KEY_ID": "rzp_live_x",
    "RAZORPAY_KEY_SECRET": "x",
    "RAZORPAY_WEBHOOK_SECRETS": "current,previous",
    "MSG91_AUTH_KEY": "x",
    "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
    "DOCUMENTS_DIR": "/srv/documents",
}
SHOW = (
    "import django; django.setup(); from django.conf import settings as s;"
    "print(s.RAZORPAY_WEBHOOK_SECRETS, s.SESSION_COOKIE_SECURE, s.REFRESH_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.DEBUG)"
)


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in {**PRODUCTION, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_starts_with_what_production_needs() -> None:
    result = start()

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "['current', 'previous'] True True 31536000 False"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is not set."),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short: at least 32 characters are needed."),
        ({"SECRET_KEY": "a" * 64}, "SECRET_KEY is not random enough."),
        ({"JWT_SIGNING_KEY": "a" * 64}, "JWT_SIGNING_KEY is not random enough."),
        ({"OTP_PEPPER": "a" * 64}, "OTP_PEPPER is not random enough."),
        ({"JWT_SIGNING_KEY": PRODUCTION["SECRET_KEY"]}, "SECRET_KEY, JWT_SIGNING_KEY and OTP_PEPPER must differ."),
        ({"DATABASE_URL": None}, "DATABASE_URL is not set."),
        ({"REDIS_URL": None}, "REDIS_URL is not set."),
        ({"RAZORPAY_WEBHOOK_SECRETS": None}, "RAZORPAY_WEBHOOK_SECRETS is not set"),
        ({"RAZORPAY_BASE_URL": "http://127.0.0.1:9000"}, "RAZORPAY_BASE_URL must begin with https://"),
        ({"RAZORPAY_BASE_URL": "api.razorpay.com"}, "RAZORPAY_BASE_URL must begin with https://"),
        (
            {"RAZORPAY_KEY_SECRET": "sandbox_key_secret_0123456789"},
            "RAZORPAY_KEY_SECRET holds a secret of the sandbox.",
        ),
        (
            {"RAZORPAY_WEBHOOK_SECRETS": "x,sandbox_webhook_secret_0123456789"},
            "RAZORPAY_WEBHOOK_SECRETS holds a secret",
        ),
        ({"MSG91_AUTH_KEY": "sandbox-msg91-authkey"}, "MSG91_AUTH_KEY holds a secret of the sandbox."),
        ({"MSG91_BASE_URL": "http://127.0.0.1:9000"}, "MSG91_BASE_URL must begin with https://"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is not set"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS may not be '*'"),
        ({"PUBLIC_URL": "http://api.shop.example"}, "PUBLIC_URL must begin with https://"),
        ({"EMAIL_URL": None}, "EMAIL_URL is not set"),
        ({"DOCUMENTS_DIR": None}, "DOCUMENTS_DIR is not set"),
        ({"HSN_MIN_DIGITS": "5"}, "HSN_MIN_DIGITS is 4, 6 or 8"),
        ({"HSN_MIN_DIGITS": "0"}, "HSN_MIN_DIGITS is 4, 6 or 8"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_to_start_and_says_why(changes: dict[str, str | None], sentence: str) -> None:
    result = start(**changes)

    assert result.returncode != 0
    assert "ImproperlyConfigured" in result.stderr
    assert sentence in result.stderr


BANK = '{"account_name": "Bahi LLP", "account_number": "000012345678", "ifsc": "SBIN0000454", "bank": "State Bank of India"}'


def test_the_seller_may_show_logo_bank_details_and_terms(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

    assert seller.read_logo_path(str(logo)) == logo
    assert seller.read_logo_path("") is None
    assert seller.read_bank_details(BANK) == {
        "account_name": "Bahi LLP",
        "account_number": "000012345678",
        "ifsc": "SBIN0000454",
        "bank": "State Bank of India",
        "branch": "",
    }
    assert seller.read_bank_details("") is None
    assert seller.read_terms("Exchange within 7 days.\\n\nCourts of Pune. ") == [
        "Exchange within 7 days.",
        "Courts of Pune.",
    ]
    assert seller.read_terms("") == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SELLER_LOGO_PATH": "/nowhere/logo.png"}, "cannot be read: No such file or directory."),
        (
            {"SELLER_LOGO_PATH": "/etc/passwd"},
            "SELLER_LOGO_PATH must name a .png, .jpg or .svg file; /etc/passwd is none.",
        ),
        ({"SELLER_BANK_DETAILS": "SBIN"}, "SELLER_BANK_DETAILS is not JSON."),
        ({"SELLER_BANK_DETAILS": "[]"}, "SELLER_BANK_DETAILS must be a JSON object."),
        ({"SELLER_BANK_DETAILS": '{"upi": "x"}'}, "SELLER_BANK_DETAILS has 'upi'; it may have account_name,"),
        (
            {"SELLER_BANK_DETAILS": BANK.replace("SBIN0", "SBIN1")},
            "SELLER_BANK_DETAILS needs ifsc: an IFSC such as SBIN0000454.",
        ),
        (
            {"SELLER_BANK_DETAILS": BANK.replace("0000123", "x")},
            "SELLER_BANK_DETAILS needs account_number: 9 to 18 digits.",
        ),
        ({"SELLER_TERMS": "x" * 301}, "SELLER_TERMS may have 12 lines at most, of 300 characters each at most."),
    ],
)
def test_what_the_seller_shows_is_checked_at_the_start(changes: dict[str, str], sentence: str) -> None:
    result = start(**changes)

    assert result.returncode != 0
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("logo.png", b"GIF89a", "not the kind of picture that its name says."),
        ("logo.svg", b"<svg>" + b" " * 500_000, "more than 500,000 bytes."),
    ],
)
def test_a_logo_must_be_a_small_picture(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ImproperlyConfigured, match=sentence):
        seller.read_logo_path(str(tmp_path / name))
