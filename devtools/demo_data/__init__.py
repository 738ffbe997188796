"""A demo shop: about a thousand invented products of twelve categories, the same ones every time."""
