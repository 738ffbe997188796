"""What several test modules need that is no factory."""
