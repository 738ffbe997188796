"""A client for thousands of connections at once: one thread, one protocol object per connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from bench.http_load import Answer, AnswerIncomplete, take_answer


class AsyncConnection(asyncio.Protocol):
    """One connection that stays open and carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        #: When the server closed it, by the clock of the loop; None while it is open or if we closed it.
        self.closed_at: float | None = None

    @classmethod
    async def open(cls, port: int) -> AsyncConnection:
        """
        Open a connection to a server on this machine.

        :raises OSError: if nobody accepts it
        """
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    @property
    def is_open(self) -> bool:
        """Return whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, request: bytes, *, timeout: float = 60.0) -> Answer:  # noqa: ASYNC109 - a request has one
        """
        Send a request and return its answer.

        :param timeout: seconds
        :raises AnswerIncomplete: if the connection is closed before all of it came
        :raises TimeoutError: if it takes longer; the connection is closed then
        """
        if self._transport is None or self._transport.is_closing():
            raise AnswerIncomplete("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(timeout):
                answer = await self._answer
        except TimeoutError:
            self.close()  # what comes now would be taken for the answer to the next request
            raise
        finally:
            self._answer = None
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        """Close it, if it is open."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # What the loop calls ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection has one
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answer = take_answer(self._received)
        except AnswerIncomplete as error:
            self._settle(error)
            self.close()
            return
        if answer is not None:
            self._settle(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it closed, whatever the cause
        if self._transport is not None:
            self.closed_at = asyncio.get_running_loop().time()
            self._transport = None
        self._settle(AnswerIncomplete(f"the connection was closed after {len(self._received)} bytes of an answer"))

    def _settle(self, result: Answer | Exception) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(result, Answer):
            self._answer.set_result(result)
        else:
            self._answer.set_exception(result)


class Pool:
    """
    Open connections to one server: a free one is used again, and a new one opened where none is free.

    :param limit: the most that are open at once
    """

    def __init__(self, port: int, *, limit: int) -> None:
        self._port = port
        self._limit = limit
        self._free: list[AsyncConnection] = []
        self._taken = 0

    async def send(self, request: bytes, *, timeout: float = 60.0) -> Answer:  # noqa: ASYNC109 - a request has one
        """
        Send a request on a connection of its own and return its answer.

        :param timeout: seconds
        :raises AnswerIncomplete: if the connection was closed before all of it came, or all are in use
        :raises OSError: if no connection is accepted
        :raises TimeoutError: if it takes longer
        """
        if self._taken >= self._limit:
            raise AnswerIncomplete(f"all {self._limit} connections are in use")
        self._taken += 1
        try:
            connection = await self._take()
            answer = await connection.send(request, timeout=timeout)
            self._free.append(connection)
            return answer
        finally:
            self._taken -= 1

    async def _take(self) -> AsyncConnection:
        while self._free:
            # The one that was used last: those before it are closed by the server when they are no longer needed.
            if (connection := self._free.pop()).is_open:
                return connection
        return await AsyncConnection.open(self._port)

    def close(self) -> None:
        """Close the free ones."""
        for connection in self._free:
            with contextlib.suppress(OSError):
                connection.close()
        self._free.clear()
