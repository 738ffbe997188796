"""
Razorpay's REST API under /v1, its webhooks, and what a customer does in its Checkout.

Built: orders, payments, captures, server-to-server UPI, webhooks. Refunds, settlements, disputes, payment links and QR
codes each get a module beside `payments`, a table in `state.Razorpay` and their lines in `routes`.
"""
