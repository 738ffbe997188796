"""English, as used in India."""
