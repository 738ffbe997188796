"""
Owns what was agreed: lines, prices, tax, status.

Refuses to know how money moves; `payments` reports what was paid.
"""
