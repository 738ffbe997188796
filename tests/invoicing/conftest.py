"""The books, and a directory of its own for the documents of each test."""

from tests.support.document_storage import books, documents

__all__ = ["books", "documents"]
