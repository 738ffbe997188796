"""The way out to where documents are kept."""
