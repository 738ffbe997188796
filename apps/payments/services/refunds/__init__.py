"""Refunds: requested, approved, submitted to the gateway, and updated by what it reports."""
