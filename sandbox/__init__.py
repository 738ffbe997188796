"""
The outside world in one local process: Razorpay, MSG91 and a mail server, as the product meets them on the wire.

It owns the imitation and its faults: wire formats, signatures, and knobs that make answers late, lost or wrong. It
knows nothing of the product: the two share base URLs and keys, never code.
"""
