"""
Owns whom we deal with: users, log-in by OTP and password, sessions, addresses, staff roles.

Refuses to know what they buy or pay.
"""
