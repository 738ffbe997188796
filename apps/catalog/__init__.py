"""
Owns what we sell: categories, products and variants, and their stock with movements and reservations.

Refuses to know who buys; a reservation keeps the order line's id as a plain reference.
"""
