"""
Owns what a gateway transfers to our bank: settlement reports, their lines, and what the gateway still owes us.

Refuses to know how a payment is made: facts about payments, refunds and disputes go down to payments.
"""
