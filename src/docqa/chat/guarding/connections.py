"""How long a connection may take to say what it wants; uvicorn itself would wait for ever."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_SECONDS = 10.0
"""How long the first line and the headers of a request may take."""
MOST_CONNECTIONS = 800
"""How many at once; a browser holds up to six. Below the 1,024 files that systems commonly let a process open."""


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not begin, or not get to the end of its headers."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count with the connection, for its first request."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Count until a request's headers are there, and from the first bytes of the next one."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_counting()
        elif self._deadline is None:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._stop_counting()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(MOST_SECONDS, self.transport.close)

    def _stop_counting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
