"""How the web process serves clients: it reads and writes on one event loop, and only whole requests occupy a thread."""
