"""Routes of payments."""

from django.urls import path

from apps.payments.views import (
    AttemptView,
    DisputeView,
    OrderCancellationView,
    PaymentLinkView,
    PaymentQrView,
    PaymentView,
    QrCodeView,
    RazorpayWebhookView,
    RefundView,
)

urlpatterns = [
    path("payments", PaymentView.as_view({"get": "list", "post": "create"})),
    path("payments/<str:payment_id>", PaymentView.as_view({"get": "retrieve"})),
    path("payments/<str:payment_id>/verify", PaymentView.as_view({"post": "verify"})),
    path("payments/<str:payment_id>/cancel", PaymentView.as_view({"post": "cancel"})),
    path("payments/<str:payment_id>/sync", PaymentView.as_view({"post": "sync"})),
    path("payments/<str:payment_id>/qr.svg", PaymentQrView.as_view({"get": "retrieve"})),
    path("attempts/<str:attempt_id>/accept", AttemptView.as_view({"post": "accept"})),
    path("payment-links", PaymentLinkView.as_view({"get": "list", "post": "create"})),
    path("qr-codes", QrCodeView.as_view({"get": "list", "post": "create"})),
    path("refunds", RefundView.as_view({"get": "list", "post": "create"})),
    path("refunds/<str:refund_id>", RefundView.as_view({"get": "retrieve"})),
    path("refunds/<str:refund_id>/approve", RefundView.as_view({"post": "approve"})),
    path("refunds/<str:refund_id>/reject", RefundView.as_view({"post": "reject"})),
    path("refunds/<str:refund_id>/retry", RefundView.as_view({"post": "retry"})),
    path("refunds/<str:refund_id>/cancel", RefundView.as_view({"post": "cancel"})),
    path("refunds/<str:refund_id>/confirm-transfer", RefundView.as_view({"post": "confirm_transfer"})),
    path("orders/<str:order_id>/cancel", OrderCancellationView.as_view({"post": "create"})),
    path("disputes", DisputeView.as_view({"get": "list"})),
    path("disputes/<str:dispute_id>", DisputeView.as_view({"get": "retrieve"})),
    path("disputes/<str:dispute_id>/accept", DisputeView.as_view({"post": "accept"})),
    path("disputes/<str:dispute_id>/contest", DisputeView.as_view({"post": "contest"})),
    path("webhooks/razorpay", RazorpayWebhookView.as_view({"post": "create"})),
]
