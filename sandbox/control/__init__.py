"""The sandbox's own API under /__sim__/: see what went out, play the customer, plan mischief."""
