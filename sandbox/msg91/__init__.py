"""MSG91's OTP and Flow APIs under /api/v5, with its habit of answering 200 to what it refuses."""
