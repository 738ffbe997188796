"""Disputes: what the gateway reports of them, and our responses."""
