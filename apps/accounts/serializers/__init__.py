"""Shapes of requests and responses of accounts."""
