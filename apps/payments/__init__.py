"""
Owns attempts to move money, the gateways and their webhooks.

Refuses to know documents and messages.
"""
