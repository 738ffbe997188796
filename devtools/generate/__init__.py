"""
A shop of any size for an empty database, to measure how Bahi behaves when it has grown.

Real orders are played once through the services, and what they left in each table is a template. Each generated order is a
copy of one: with new ids and numbers, another customer, other goods of the same price, and at another time.
"""
