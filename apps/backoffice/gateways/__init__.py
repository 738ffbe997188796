"""The storage of rendered evidence packs."""
