"""What is true of goods whatever the database holds."""


def is_large_price_move(before: int, after: int) -> bool:
    """Test if a price (paise) moves by more than half of what it was, up or down."""
    return abs(after - before) * 2 > before
