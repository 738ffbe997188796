"""
Owns what every app needs and no business word is in: events, errors, money, ids, clock, idempotency, audit and API plumbing.

Refuses to know any app above it; it finds the maps of `config` by dotted settings.
"""
