"""How the description of the API presents a person's own account: summaries, errors and examples."""

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.accounts.openapi.log_in import CHALLENGE_EXAMPLE, TOKENS_EXAMPLE, USER_EXAMPLE
from apps.accounts.serializers.log_in import ChallengeResponse
from apps.accounts.services.otp import InvalidOtp, NoContactChannel
from apps.accounts.services.passwords import PasswordTooWeak
from apps.accounts.services.profiles import EmailInUse
from apps.core.api.schema import IF_MATCH, operation

describe_me = extend_schema_view(
    retrieve=operation(
        "get_me", "Read my account", examples=[OpenApiExample("Me", response_only=True, value=USER_EXAMPLE)]
    ),
    partial_update=operation(
        "change_me",
        "Change my name",
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("A name", request_only=True, value={"name": "Asha Rao"}),
            OpenApiExample("Changed", response_only=True, value={**USER_EXAMPLE, "version": 2}),
        ],
    ),
)

describe_email = extend_schema_view(
    create=operation(
        "request_email_code",
        "Set my e-mail address: request a code",
        description="Sends six digits to the mailbox. The answer is the same whether another account has it or not.",
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample("A mailbox", request_only=True, value={"email": "asha@example.in"}),
            OpenApiExample(
                "On its way",
                response_only=True,
                status_codes=["202"],
                value={
                    **CHALLENGE_EXAMPLE,
                    "purpose": "confirm_email",
                    "channel": "email",
                    "sent_to": "a***@example.in",
                },
            ),
        ],
    ),
    confirm=operation(
        "confirm_email",
        "Set my e-mail address: confirm it",
        description="The account of the authenticated user.",
        examples=[
            OpenApiExample(
                "The code of the mail",
                request_only=True,
                value={"challenge_id": CHALLENGE_EXAMPLE["id"], "code": "042917"},
            ),
            OpenApiExample(
                "Confirmed",
                response_only=True,
                value={
                    **USER_EXAMPLE,
                    "email": "asha@example.in",
                    "email_confirmed_at": "2026-11-21T05:32:00.000Z",
                    "version": 2,
                },
            ),
        ],
        raises=[InvalidOtp(), EmailInUse()],
    ),
)

describe_password = extend_schema_view(
    create=operation(
        "request_password_code",
        "Set my password: request a code",
        description="Sends six digits to my phone, or to my e-mail address if I have no phone.",
        responses={202: ChallengeResponse},
        examples=[
            OpenApiExample(
                "On its way",
                response_only=True,
                status_codes=["202"],
                value={**CHALLENGE_EXAMPLE, "purpose": "set_password"},
            )
        ],
        raises=[NoContactChannel()],
    ),
    confirm=operation(
        "set_password",
        "Set my password: with the code",
        description="Ends every session and returns the tokens of a new one.",
        examples=[
            OpenApiExample(
                "The code of the SMS",
                request_only=True,
                value={
                    "challenge_id": CHALLENGE_EXAMPLE["id"],
                    "code": "042917",
                    "password": "seven brown buffaloes",
                    "transport": "body",
                },
            ),
            OpenApiExample("Logged in again", response_only=True, value={**TOKENS_EXAMPLE, "is_new_user": False}),
        ],
        raises=[InvalidOtp(), PasswordTooWeak("This password is too common.", param="password")],
    ),
)
