"""Razorpay: its wire format on one side, our facts on the other (https://razorpay.com/docs/api/)."""
