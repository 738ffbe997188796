"""Gateways: what the app asks of one, and the adapter of each."""
