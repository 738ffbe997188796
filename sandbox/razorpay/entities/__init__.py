"""What Razorpay keeps for a merchant, and how each thing looks on the wire."""

from sandbox.razorpay.entities.collection import PaymentLink, QrCode
from sandbox.razorpay.entities.disputes import EVIDENCE_KINDS, Dispute, Document
from sandbox.razorpay.entities.downtimes import PaymentDowntime
from sandbox.razorpay.entities.notes import Notes, format_notes
from sandbox.razorpay.entities.payments import (
    AUTOMATIC_CAPTURE_MINUTES,
    MANUAL_CAPTURE_MINUTES,
    Card,
    Order,
    Payment,
    Refund,
)
from sandbox.razorpay.entities.settlements import Adjustment, PlantedError, ReportLine, Settlement
from sandbox.razorpay.entities.webhooks import Event, WebhookPolicy

__all__ = [
    "AUTOMATIC_CAPTURE_MINUTES",
    "EVIDENCE_KINDS",
    "MANUAL_CAPTURE_MINUTES",
    "Adjustment",
    "Card",
    "Dispute",
    "Document",
    "Event",
    "Notes",
    "Order",
    "Payment",
    "PaymentDowntime",
    "PaymentLink",
    "PlantedError",
    "QrCode",
    "Refund",
    "ReportLine",
    "Settlement",
    "WebhookPolicy",
    "format_notes",
]
