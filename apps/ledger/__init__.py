"""
Owns the books: accounts, postings that sum to zero, balances, and the exceptions that explain what is in suspense.

Refuses to know what is bought or paid: the app that posts names the fact by its kind and id.
"""
