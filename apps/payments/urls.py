"""Routes of payments."""

from django.urls import path

from apps.payments.views import OrderLedgerView, PaymentQrView, PaymentView, RazorpayWebhookView

urlpatterns = [
    path("payments", PaymentView.as_view({"get": "list", "post": "create"})),
    path("payments/<str:payment_id>", PaymentView.as_view({"get": "retrieve"})),
    path("payments/<str:payment_id>/verify", PaymentView.as_view({"post": "verify"})),
    path("payments/<str:payment_id>/cancel", PaymentView.as_view({"post": "cancel"})),
    path("payments/<str:payment_id>/sync", PaymentView.as_view({"post": "sync"})),
    path("payments/<str:payment_id>/qr.svg", PaymentQrView.as_view({"get": "retrieve"})),
    path("orders/<str:order_id>/ledger", OrderLedgerView.as_view({"get": "list"})),
    path("webhooks/razorpay", RazorpayWebhookView.as_view({"post": "create"})),
]
