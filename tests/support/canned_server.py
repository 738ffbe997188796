"""A server whose answers are written beforehand."""

import socket
import threading


class CannedServer:
    """A server that answers every request on a connection with the next of its answers, and closes after the last."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self.answers:
            connection, _ = self._listener.accept()
            with connection:
                while self.answers and (request := connection.recv(65_536)):
                    self.received.append(request)
                    answer = self.answers.pop(0)
                    connection.sendall(answer)
                    if b"Connection: close" in answer:
                        break

    def close(self) -> None:
        self._listener.close()
