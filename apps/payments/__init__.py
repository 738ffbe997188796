"""
Owns attempts to move money, the gateways and their webhooks, and the ledger.

Refuses to know documents and messages.
"""
