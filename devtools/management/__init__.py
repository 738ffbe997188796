"""Commands that exist on a developer's machine only."""
