"""How many connections there may be and how long each may take: uvicorn would take any number and wait for ever."""

import asyncio
import ipaddress
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from docqa.chat.guarding.rates import network_of

MOST_SECONDS = 10.0
"""How long the first line and the headers of a request may take, and what is left of its body once it is answered."""
MOST_SECONDS_UNREAD = 60.0
"""How long what was sent may wait for a client that does not read it."""
MOST_CONNECTIONS = 800
"""How many at once; a browser holds up to six."""
MOST_OF_ONE = 128
"""How many of one address; of this machine as many as there are, for a proxy on it speaks for everyone."""
BACKLOG = 128
"""How many may wait to be taken; all of them are taken at once, before one too many can be refused."""
OPEN_FILES = 4_096
"""How many files the chat may have open, where the system lets it choose."""

CROWDED = b"there are too many connections; try again in a moment\n"
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"retry-after: 5\r\ncontent-length: %d\r\n\r\n%s" % (len(CROWDED), CROWDED)
)


def allow_open_files() -> None:
    """Raise the number of files that the process may open; many systems begin with 1,024 or fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def most_connections() -> int:
    """Return how many connections there may be: half of the files that may be open at most."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // 2)


def is_counted(network: str) -> bool:
    """Tell whether connections of one network are counted: not those of this machine."""
    try:
        return not ipaddress.ip_network(network).is_loopback
    except ValueError:
        return False


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 that refuses a connection where there are too many, and closes one that does not get on.

    A request has to begin, and get to the end of its headers; one that was answered before its body was there has to
    end; and what is sent has to be read.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _network = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count with the connection, for its first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # whatever waits to be sent is counted
        self._network = network_of(self.client[0] if self.client else "")
        if self._crowded():
            transport.write(REFUSAL)
            transport.close()
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        """Count until a request's headers are there, and from the first bytes of the next one."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE:
            self._expect()
        else:
            self._deadline = _stopped(self._deadline)

    def on_response_complete(self) -> None:
        """Count from an answer that came before the end of its request; what still comes is not read by anyone."""
        super().on_response_complete()
        if self.conn.our_state is h11.DONE:
            self._expect()

    def pause_writing(self) -> None:
        """Count while something waits to be sent."""
        super().pause_writing()
        self._unread = self.loop.call_later(MOST_SECONDS_UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop counting: everything is sent."""
        super().resume_writing()
        self._unread = _stopped(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._deadline, self._unread = _stopped(self._deadline), _stopped(self._unread)
        super().connection_lost(exc)

    def _crowded(self) -> bool:
        if len(self.connections) > most_connections():
            return True
        same = (getattr(other, "_network", "") == self._network for other in self.connections)
        return is_counted(self._network) and sum(same) > MOST_OF_ONE

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(MOST_SECONDS, self.transport.close)


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer:
        timer.cancel()
    return None
