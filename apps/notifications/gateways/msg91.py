"""
SMS by MSG91's flow API: a registered template and its variables.

MSG91 answers 200 also when it refuses; only `type` says so. "success" means accepted, not delivered.
https://docs.msg91.com/sms/send-sms
"""

from functools import cache
from http import HTTPStatus
from typing import Any

from django.conf import settings

from apps.core import http
from apps.notifications.gateways import Outcome, SendResult

#: What no later attempt will cure: these are matched in MSG91's words, since its codes are not always there.
_PERMANENT_ERRORS = ("template", "invalid mobile", "mobile no", "recipients missing", "banned", "too long")
_PERMANENT_ERROR_CODES = frozenset({"101", "102", "202", "310"})
#: A wrong key; an address of this server that is blocked or not allowed by the account.
_CREDENTIAL_CODES = frozenset({"201", "207", "208", "418"})
#: Statuses by which an overloaded front door says that it passed nothing on.
_OVERLOADED_STATUSES = frozenset({429, 503})


@cache
def _client(base_url: str, auth_key: str) -> http.Client:
    return http.Client(base_url, headers={"authkey": auth_key, "accept": "application/json"})


def template_id(name: str) -> str:
    """Return the id of a registered template; without one in the settings its name, which only the sandbox knows."""
    return str(settings.MSG91_FLOW_TEMPLATE_IDS.get(name) or f"bahi_{name}")


def send(*, phone: str, template: str, variables: dict[str, str]) -> Outcome:
    """
    Ask MSG91 to send one SMS and return what it made of it.

    :raises CalledInsideTransaction: if a database transaction is open
    """
    body = {
        "template_id": template_id(template),
        "short_url": "0",
        "recipients": [{"mobiles": phone.removeprefix("+"), **variables}],
    }
    client = _client(settings.MSG91_BASE_URL, settings.MSG91_AUTH_KEY)
    try:
        answer = client.call("POST", "/api/v5/flow", json=body)
    except http.ConnectionFailed as error:
        return Outcome(SendResult.TEMPORARY_FAILURE, error=str(error))
    except http.NoResponse as error:
        return Outcome(SendResult.UNKNOWN, error=str(error))
    return _read(answer)


def _read(answer: http.Response) -> Outcome:
    words = f"{answer.status}: {answer.text[:300]}"
    if answer.status in _OVERLOADED_STATUSES:
        return Outcome(SendResult.TEMPORARY_FAILURE, error=words)
    if _rejects_credentials(answer):
        return Outcome(SendResult.TEMPORARY_FAILURE, error=words, rejects_credentials=True)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome(SendResult.PROVIDER_ERROR, error=words)
    if not isinstance(answer.body, dict):
        return Outcome(SendResult.UNKNOWN, error=words)
    if answer.is_success and answer.body.get("type") == "success" and answer.body.get("message"):
        return Outcome(SendResult.ACCEPTED, provider_id=str(answer.body["message"])[:80])
    return Outcome(SendResult.REJECTED if _is_permanent(answer.body) else SendResult.TEMPORARY_FAILURE, error=words)


def _rejects_credentials(answer: http.Response) -> bool:
    code = str(answer.body.get("code", "")) if isinstance(answer.body, dict) else ""
    return answer.status in (401, 403) or code in _CREDENTIAL_CODES


def _is_permanent(body: dict[str, Any]) -> bool:
    text = str(body.get("message", "")).lower()
    return str(body.get("code", "")) in _PERMANENT_ERROR_CODES or any(phrase in text for phrase in _PERMANENT_ERRORS)
