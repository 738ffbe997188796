"""Event types of the back office; the root of each is the order of the dispute."""

DISPUTE_EVIDENCE_REQUESTED = "backoffice.dispute_evidence.requested"
