"""How the description of the API presents log-in and sessions: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_view

from apps.accounts import rules
from apps.accounts.serializers.log_in import ChallengeResponse
from apps.accounts.services.log_in import AccountDeactivated, InvalidCredentials
from apps.accounts.services.otp import InvalidOtp
from apps.accounts.services.sessions import InvalidRefreshToken, RefreshTokenReused
from apps.core.api.schema import operation, page_example

CHALLENGE_EXAMPLE = {
    "id": "chal_01kaj7s2d4f0q9x3v6m8n1b5c7",
    "object": "challenge",
    "purpose": "log_in",
    "channel": "sms",
    "sent_to": "+91******3210",
    "expires_at": "2026-11-21T05:35:00.000Z",
    "resend_after": "2026-11-21T05:30:30.000Z",
    "status": "queued",
    "failure": None,
    "created_at": "2026-11-21T05:30:00.000Z",
}
FAILED_CHALLENGE_EXAMPLE = {
    **CHALLENGE_EXAMPLE,
    "resend_after": "2026-11-21T05:30:00.000Z",
    "status": "failed",
    "failure": {"code": "provider_unavailable", "message": rules.SEND_FAILURE_MESSAGES["provider_unavailable"]},
}
USER_EXAMPLE: dict[str, Any] = {
    "id": "cus_01kaj7s2d4f0q9x3v6m8n1b5c8",
    "object": "user",
    "name": "Asha Rao",
    "phone": "+919876543210",
    "email": None,
    "email_confirmed_at": None,
    "has_password": False,
    "roles": [],
    "created_at": "2026-11-21T05:30:20.000Z",
    "updated_at": "2026-11-21T05:30:20.000Z",
    "version": 1,
    "metadata": {},
}
TOKENS_EXAMPLE = {
    "object": "tokens",
    "token_type": "Bearer",
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJhY2Nlc3MifQ.c2lnbmF0dXJl",
    "expires_in": 900,
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJyZWZyZXNoIn0.c2lnbmF0dXJl",
    "refresh_expires_at": "2026-11-28T05:30:20.000Z",
    "session": "sess_01kaj7s2d4f0q9x3v6m8n1b5c9",
    "is_new_user": True,
    "user": USER_EXAMPLE,
}
_SESSION_EXAMPLE = {
    "id": "sess_01kaj7s2d4f0q9x3v6m8n1b5c9",
    "object": "session",
    "is_current": True,
    "transport": "body",
    "user_agent": "BahiShop/3.1 (Android 15)",
    "ip": "203.0.113.7",
    "last_used_at": "2026-11-21T05:45:00.000Z",
    "created_at": "2026-11-21T05:30:20.000Z",
    "updated_at": "2026-11-21T05:45:00.000Z",
    "version": 1,
    "metadata": {},
}
NO_CONTENT = OpenApiResponse(description="Done; the response has no body.")

describe_log_in_codes = extend_schema_view(
    create=operation(
        "request_log_in_code",
        "Request a log-in code",
        description="Sends six digits to the phone or mailbox, valid for 5 minutes. The answer is the same whether the "
        "account exists or not. 429 with `Retry-After` when a rate limit of the destination, the network or the day is exceeded.",
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample("By SMS", request_only=True, value={"phone": "+919876543210"}),
            OpenApiExample("On its way", response_only=True, status_codes=["202"], value=CHALLENGE_EXAMPLE),
        ],
    ),
    retrieve=operation(
        "get_log_in_code",
        "Read the status of a code",
        description="`status` becomes `sent` when the provider has accepted the message. A code that was not sent says why in `failure`; "
        "another one may be requested at `resend_after`, at once if it was certainly not sent. The answer is the same whether "
        "or not the account exists.",
        examples=[
            OpenApiExample("Sent", response_only=True, value={**CHALLENGE_EXAMPLE, "status": "sent"}),
            OpenApiExample("Not sent", response_only=True, value=FAILED_CHALLENGE_EXAMPLE),
        ],
    ),
    verify=operation(
        "verify_log_in_code",
        "Log in by code",
        description="The first log-in creates the account. A code has five attempts, whether they come one by one or at once.",
        examples=[
            OpenApiExample(
                "The code of the SMS",
                request_only=True,
                value={
                    "challenge_id": CHALLENGE_EXAMPLE["id"],
                    "code": "042917",
                    "transport": "body",
                    "name": "Asha Rao",
                },
            ),
            OpenApiExample("Logged in", response_only=True, value=TOKENS_EXAMPLE),
        ],
        raises=[InvalidOtp(), AccountDeactivated()],
    ),
)

describe_log_in = extend_schema_view(
    log_in=operation(
        "log_in_with_password",
        "Log in by password",
        description="Five wrong passwords a minute and twenty an hour are checked for one account, and five a minute from one "
        "address; then 429 with `Retry-After`. Successful log-ins do not count. A device on which somebody has logged in before "
        "(we know it by the cookie `bahi_device`) is counted apart for them, so that strangers cannot lock them out.",
        examples=[
            OpenApiExample(
                "By e-mail address",
                request_only=True,
                value={"email": "asha@example.in", "password": "seven brown buffaloes", "transport": "cookie"},
            ),
            OpenApiExample(
                "Logged in",
                response_only=True,
                value={**TOKENS_EXAMPLE, "refresh_token": None, "is_new_user": False},
            ),
        ],
        raises=[InvalidCredentials()],
    ),
    refresh=operation(
        "refresh_tokens",
        "Refresh the tokens",
        description="Rotates the refresh token of the body or of the cookie (send `{}` as JSON then). The same token gets the "
        "same successor for 15 seconds; after that, using it again ends the session, because the token may have been stolen.",
        examples=[
            OpenApiExample(
                "From the body", request_only=True, value={"refresh_token": TOKENS_EXAMPLE["refresh_token"]}
            ),
            OpenApiExample("Refreshed", response_only=True, value={**TOKENS_EXAMPLE, "is_new_user": False}),
        ],
        raises=[InvalidRefreshToken(), RefreshTokenReused()],
    ),
    log_out=operation(
        "log_out",
        "Log out",
        description="Ends the session of the refresh token in the body or in the cookie.",
        responses={204: NO_CONTENT},
        examples=[
            OpenApiExample("From the body", request_only=True, value={"refresh_token": TOKENS_EXAMPLE["refresh_token"]})
        ],
        raises=[InvalidRefreshToken()],
    ),
)

describe_sessions = extend_schema_view(
    list=operation(
        "list_my_sessions", "List my sessions", examples=[page_example(_SESSION_EXAMPLE, name="One device")]
    ),
    destroy=operation(
        "end_my_session", "End a session", description="Its tokens stop working at once.", responses={204: NO_CONTENT}
    ),
)

describe_log_out_everywhere = operation(
    "log_out_everywhere",
    "Log out everywhere",
    description="Ends every session, including this one; all access tokens stop working at once.",
    responses={204: NO_CONTENT},
)
