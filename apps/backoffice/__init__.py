"""
Owns what sees every app: the dashboard, an order's timeline, ledger and history, the evidence for a dispute, search and replay.

Refuses to own any rule: it reads, and it writes through the services of the apps below.
"""
