"""The evidence pack on paper: what a bank is shown of a sale whose money it wants back."""

from apps.notifications.documents.dispute_evidence import draw_evidence, evidence_data, fingerprint

__all__ = ["draw_evidence", "evidence_data", "fingerprint"]
