"""Routes of payments."""

from django.urls import path

from apps.core.api.routers import ApiRouter
from apps.payments import views

router = ApiRouter()
router.register("payments/downtimes", views.PaymentDowntimeViewSet, basename="payment-downtime")
router.register("payments", views.PaymentViewSet, basename="payment")
router.register("attempts", views.AttemptViewSet, basename="attempt")
router.register("payment-links", views.PaymentLinkViewSet, basename="payment-link")
router.register("qr-codes", views.QrCodeViewSet, basename="qr-code")
router.register("refunds", views.RefundViewSet, basename="refund")
router.register("disputes", views.DisputeViewSet, basename="dispute")
router.register("orders/<str:order_id>/cancel", views.OrderCancellationViewSet, basename="order-cancellation")
router.register("webhooks/razorpay", views.RazorpayWebhookViewSet, basename="razorpay-webhook")

urlpatterns = [
    path(
        "payments/<str:payment_id>/qr.svg",
        views.PaymentQrViewSet.as_view({"get": "retrieve"}),
        name="payment-qr",
    ),
    *router.urls,
]
