"""Reads of what takes every app to know."""
