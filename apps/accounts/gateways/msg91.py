"""
Codes by MSG91's OTP API, which we use as a postman only: making and checking the code is our own work.

MSG91 answers 200 also when it refuses; only `type` says so. "success" means accepted, not delivered.
https://docs.msg91.com/otp/sendotp
"""

from functools import cache
from http import HTTPStatus

from django.conf import settings

from apps.accounts.gateways import Outcome
from apps.accounts.states import SendFailure, SendStatus
from apps.core import http

#: Statuses by which a front door says that it let nothing through.
_OVERLOADED_STATUSES = frozenset({429, 503})
#: A wrong key; an address of this server that is blocked or not allowed by the account.
_CREDENTIAL_STATUSES = frozenset({401, 403})
_CREDENTIAL_CODES = frozenset({"201", "207", "208", "418"})
#: Refusals that the next attempt may not meet: the same number within ten seconds, an account that an operator must fix.
_TEMPORARY_CODES = frozenset({"301", "302", "311"})


@cache
def _client(base_url: str, auth_key: str) -> http.Client:
    return http.Client(base_url, headers={"authkey": auth_key, "accept": "application/json"})


def send_code(*, phone: str, code: str, minutes: int) -> Outcome:
    """
    Ask MSG91 to send one code to a phone (E.164) and return what it made of it.

    :raises CalledInsideTransaction: if a database transaction is open
    """
    params = {
        "template_id": settings.MSG91_OTP_TEMPLATE_ID,
        "mobile": phone.removeprefix("+"),
        "otp": code,
        "otp_length": str(len(code)),
        "otp_expiry": str(minutes),
    }
    client = _client(settings.MSG91_BASE_URL, settings.MSG91_AUTH_KEY)
    try:
        answer = client.call("POST", "/api/v5/otp", params=params, json={})
    except http.ConnectionFailed:
        return _unavailable(SendStatus.QUEUED, "MSG91 could not be reached.")
    except http.NoResponse:
        return Outcome(SendStatus.UNKNOWN, error="MSG91 did not answer.")
    return _read(answer, code)


def _read(answer: http.Response, code: str) -> Outcome:
    body = answer.body if isinstance(answer.body, dict) else {}
    words = f"{answer.status}: {body.get('message', 'no JSON')!s:.200}".replace(code, "******")
    if answer.is_success and body.get("type") == "success":
        return Outcome(SendStatus.SENT, provider_id=str(body.get("request_id") or body.get("message") or "")[:80])
    error_code = str(body.get("code", ""))
    if answer.status in _CREDENTIAL_STATUSES or error_code in _CREDENTIAL_CODES:
        failure = SendFailure.PROVIDER_UNAVAILABLE
        return Outcome(SendStatus.QUEUED, error=words, failure=failure, rejects_credentials=True)
    if answer.status in _OVERLOADED_STATUSES or error_code in _TEMPORARY_CODES:
        return _unavailable(SendStatus.QUEUED, words)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Most likely it took nothing. Should the message come all the same, its code is good.
        return _unavailable(SendStatus.FAILED, words)
    if not body:
        return Outcome(SendStatus.UNKNOWN, error=words)
    return Outcome(SendStatus.FAILED, error=words, failure=SendFailure.REJECTED)


def _unavailable(status: SendStatus, words: str) -> Outcome:
    return Outcome(status, error=words, failure=SendFailure.PROVIDER_UNAVAILABLE)
