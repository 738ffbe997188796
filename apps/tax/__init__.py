"""
Owns GST without documents: the seller's registrations, states, the GSTIN check, dated rates and pure tax rules.

Refuses to know orders and invoices.
"""
