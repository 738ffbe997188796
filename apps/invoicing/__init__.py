"""
Owns GST documents: tax invoices, their number series and their PDF.

Refuses to know how the buyer is notified.
"""
