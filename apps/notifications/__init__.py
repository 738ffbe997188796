"""
Owns who is told what, on which channel, with proof that it was sent.

Refuses to decide anything about orders or money: it listens.
"""
