"""
Owns who is notified of what, on which channel, with a record of what was sent.

Refuses to decide anything about orders or money: it reacts to events.
"""
