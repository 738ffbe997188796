"""The sandbox's own API under /__sim__/: read what was sent, play the customer, plan faults."""
