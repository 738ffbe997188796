"""
GST without documents: the seller's registrations, states, GSTIN check, dated rates and the pure tax rules.

Knows nothing of products, orders or invoices; they hand it plain figures and get plain figures back.
"""
