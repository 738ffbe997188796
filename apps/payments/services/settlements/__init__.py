"""Settlements: reports imported, lines matched to our books, and what does not agree."""
