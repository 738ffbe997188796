"""The sockets that a sandbox listens on."""

from __future__ import annotations

import os
import socket

_BACKLOG = 128


class PortUnusable(OSError):
    """A port on which the sandbox cannot listen; the message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens on a port; 0 chooses a free one.

    :raises PortUnusable: if that is not possible
    """
    try:
        return socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortUnusable(
            f"The sandbox cannot listen on port {port} ({reason}). Choose another port, or 0 for a free one."
        ) from error
