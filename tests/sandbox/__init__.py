"""The sandbox by itself: no Django, no database."""
