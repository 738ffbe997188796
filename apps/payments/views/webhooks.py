"""The webhook endpoint of Razorpay."""

from django_ratelimit.core import is_ratelimited
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, client_ip
from apps.core.api.parser import BodyTooLarge
from apps.core.errors import RateLimited
from apps.payments.openapi.payments import describe_razorpay_webhooks
from apps.payments.serializers.payments import WebhookAcknowledgementResponse
from apps.payments.services import webhooks

_MAX_WEBHOOK_BYTES = 262_144
#: A length of more digits is too large, whatever its value.
_MAX_DIGITS = 9
#: The rate limit of webhooks with an invalid signature, per IP address. Webhooks with a valid signature are not
#: counted.
_FORGERIES = "300/m"


@describe_razorpay_webhooks
class RazorpayWebhookViewSet(ApiViewSet):
    """The webhook endpoint of Razorpay. The signature over the raw bytes is the only credential."""

    authentication_classes = []
    permission_classes = [AllowAny]
    parser_classes = []
    serializer_class = WebhookAcknowledgementResponse
    raw_body_actions = ("create",)

    def create(self, request: Request) -> Response:
        try:
            webhook = webhooks.receive_webhook(
                raw=_raw_body(request),
                signature=request.headers.get("X-Razorpay-Signature", ""),
                event_id=request.headers.get("X-Razorpay-Event-Id", ""),
                now=clock.now(),
            )
        except webhooks.InvalidWebhookSignature as error:
            # Limited only after the signature was found invalid: genuine webhooks are never refused, however many there
            # are.
            if is_ratelimited(
                request._request,
                group="forged_webhooks",
                key=lambda _group, _request: client_ip(request),
                rate=_FORGERIES,
                increment=True,
            ):
                raise RateLimited(retry_after=60) from error
            raise
        return Response(self.get_serializer(webhook).data)


def _raw_body(request: Request) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) <= _MAX_DIGITS) or int(length) > _MAX_WEBHOOK_BYTES:
        raise BodyTooLarge
    return request._request.body
