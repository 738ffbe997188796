"""The evidence pack as a PDF: what the bank is shown of a disputed sale."""

from apps.backoffice.documents.dispute_evidence import evidence_data, render_evidence_document

__all__ = ["evidence_data", "render_evidence_document"]
