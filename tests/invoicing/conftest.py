"""The books, and a directory of its own for the documents of each test."""

from tests.support.documents import books, documents

__all__ = ["books", "documents"]
