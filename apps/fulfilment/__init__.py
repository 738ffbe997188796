"""
Owns how goods leave: parcels of an order, what is in them, and what became of them.

Refuses to know how money moves: payments and invoicing say whether an order is paid, refunded and invoiced.
"""
