"""Processes and servers killed, frozen and emptied while orders go on: a whole stack of its own, met over HTTP only."""
