"""Bahi on one machine: embedded servers, process runner, demo, demo data. Nothing here runs in production."""
