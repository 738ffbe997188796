"""API views of payment attempts: how staff decide about another amount than requested."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, accepted, get_actor, idempotent
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.payments import services
from apps.payments.models import PaymentAttempt
from apps.payments.serializers.payments import (
    ACCEPTED_ATTEMPT_EXAMPLE,
    ATTEMPT_EXAMPLE,
    AcceptAttemptRequest,
    PaymentAttemptResponse,
)

_WAITING = {
    **ATTEMPT_EXAMPLE,
    "amount": 2500000,
    "difference_reason": "surcharge",
    "is_under_review": True,
    "review_reason": "amount_mismatch",
}


class AttemptView(ApiView):
    """Payment attempts, for staff who may decide about refunds."""

    raises = {
        "accept": (
            services.SecondPersonRequired("ORD-2627-000123"),
            services.AttemptNotAcceptable("pay_NQxlPq2WmR8sTz"),
        ),
    }

    permission_classes = [requires("payments.change_refund")]

    @extend_schema(
        operation_id="accept_attempt",
        summary="Accept another amount as the full payment",
        description=(
            "For finance. The order is paid and confirmed; its invoice is for the order's amount, and what was charged beyond or below"
            " that is booked by the reason. Answers 202 if the difference is above the approval limit: a second person then accepts"
            " it in the same way. The alternative is a refund of the payment."
        ),
        request=AcceptAttemptRequest,
        responses={200: PaymentAttemptResponse, 202: PaymentAttemptResponse},
        examples=[
            OpenApiExample(
                "A surcharge", request_only=True, value={"reason": "surcharge", "note": "₹20.00 for a credit card"}
            ),
            OpenApiExample("Accepted", response_only=True, status_codes=["200"], value=ACCEPTED_ATTEMPT_EXAMPLE),
            OpenApiExample("Waits for a second person", response_only=True, status_codes=["202"], value=_WAITING),
        ],
    )
    @idempotent(required=True)
    def accept(self, request: Request, attempt_id: str) -> Response:
        values = self.read(AcceptAttemptRequest, request)
        attempt = services.accept_attempt(
            attempt_id=public_pk(PaymentAttempt, attempt_id), actor=get_actor(request), now=clock.now(), **values
        )
        shown = PaymentAttemptResponse(attempt).data
        if attempt.accepted_amount is None:
            return accepted(shown, location=f"/api/v1/payments/{attempt.payment.public_id}")
        return Response(shown)
