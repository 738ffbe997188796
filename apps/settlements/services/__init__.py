"""Writes of settlements. No other app uses them."""
