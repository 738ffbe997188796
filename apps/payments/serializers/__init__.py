"""Request and response schemas of payments, by subject."""
