"""API views of payment attempts: how staff decide about another amount than requested."""

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, get_actor, idempotent
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.payments.models import PaymentAttempt
from apps.payments.openapi.payments import describe_attempts
from apps.payments.serializers.payments import AcceptAttemptRequest, PaymentAttemptResponse
from apps.payments.services import payment_acceptance


@describe_attempts
class AttemptViewSet(ApiViewSet):
    """Payment attempts, for staff who may decide about refunds."""

    permission_classes = [requires("payments.change_refund")]
    serializer_class = PaymentAttemptResponse
    request_serializer_classes = {"accept": AcceptAttemptRequest}
    lookup_url_kwarg = "attempt_id"

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def accept(self, request: Request, attempt_id: str) -> Response:
        attempt = payment_acceptance.accept_attempt(
            **self.read_body(),
            attempt_id=public_pk(PaymentAttempt, attempt_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        shown = self.get_serializer(attempt).data
        if attempt.accepted_amount is None:
            return accepted(shown, location=f"/api/v1/payments/{attempt.payment.public_id}")
        return Response(shown)
