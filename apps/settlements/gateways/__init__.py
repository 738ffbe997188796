"""Readers of settlement report files, and of the books of the sandbox."""
