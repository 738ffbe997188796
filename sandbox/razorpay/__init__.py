"""
Razorpay's REST API under /v1, its webhooks, and what a customer does in its Checkout.

Each kind of thing has a module: orders, payments, refunds, settlements, disputes, payment links, QR codes. `routes` has
the paths, `state` and `entities` have the tables, `due_actions` has what happens by itself as time goes by.
"""
