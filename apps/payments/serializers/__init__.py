"""Request and response shapes of payments, by moment."""
