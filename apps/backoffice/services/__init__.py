"""Writes of the back office. No other app uses them."""
