"""Hot SQL across apps: where the money of captured payments is."""
