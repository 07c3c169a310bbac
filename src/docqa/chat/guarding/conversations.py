"""Whose a conversation is, and how much of it waits to be read.

Gradio shows a conversation to whoever knows its name (``session_hash``), and keeps what it answers until somebody
fetches it, however much that is and however long nobody comes.
"""

import time
from asyncio import Queue as AsyncQueue
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradio.queueing import Queue
from starlette.types import Scope

from docqa.chat.guarding.rates import client_of, user_of

MOST_UNREAD = 16
"""How many events of one client may wait for their turn or to be read; a page sends up to four at once."""
UNREAD_SECONDS = 30.0
"""For how long what nobody fetches is kept."""
MOST_CONVERSATIONS = 10_000
"""Of how many it is known whose they are: of many more than Gradio keeps."""


@dataclass(slots=True)
class Conversation:
    """One page's conversation, or one call of the API: whose, since when unread, how many streams of it are open."""

    user: str
    client: str
    unread_since: float
    streams: int = 0
    has_lost: bool = False
    """Whether something was dropped that its page still waits for."""


@dataclass(slots=True)
class Conversations:
    """The conversations by their names, and what waits for them in Gradio's queue."""

    queue: Queue
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[str, Conversation] = field(default_factory=OrderedDict)
    _coming: Counter[str] = field(default_factory=Counter)

    def use(self, name: str, scope: Scope) -> None:
        """Note that a client sends an event to a conversation; the first that does owns it."""
        conversation = self._known.setdefault(name, Conversation(user_of(scope), "", self.clock()))
        conversation.client = client_of(scope)
        if not self.queue.pending_event_ids_session.get(name):
            conversation.unread_since = self.clock()
        self._known.move_to_end(name)

    def is_anothers(self, name: str, scope: Scope) -> bool:
        """Tell whether a conversation belongs to another user than the one who asks; without a login it does not."""
        conversation = self._known.get(name)
        return conversation is not None and conversation.user != user_of(scope)

    def admit(self, name: str, scope: Scope, *, is_page: bool) -> bool:
        """Tell whether a client may open a stream of a conversation of its own.

        For a page there need be nothing to read: an event may join, end and be read while the stream before it ends;
        the page then opens one for it still, and keeps it for what comes next. Once something was dropped a stream is
        refused, and with it the client told.
        """
        conversation = self._known.get(name)
        if conversation is None or conversation.user != user_of(scope):
            return False
        if conversation.has_lost:
            conversation.has_lost = False
            return False
        if is_page:
            self.queue.pending_messages_per_session.setdefault(name, AsyncQueue())
        return name in self.queue.pending_messages_per_session

    def unread(self, scope: Scope) -> int:
        """Count the events of a client that it has not read to their end."""
        client, pending = client_of(scope), self.queue.pending_event_ids_session
        waiting = sum(len(events) for name, events in pending.items() if self._client(name) == client)
        return waiting + self._coming[client]

    @contextmanager
    def coming(self, scope: Scope) -> Iterator[None]:
        """Count an event of a client while it is on its way into the queue."""
        client = client_of(scope)
        self._coming[client] += 1
        try:
            yield
        finally:
            self._coming[client] -= 1
            self._coming += Counter()  # keeps what is above zero

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Keep what waits while a stream of it is open, and forget afterwards what cannot be read any more."""
        conversation = self._known.get(name)
        if conversation is None:
            yield
            return
        conversation.streams += 1
        try:
            yield
        finally:
            conversation.streams -= 1
            conversation.unread_since = self.clock()
            if not conversation.streams:
                self._forget_read(name)

    async def drop_unread(self) -> None:
        """Drop what nobody has fetched for some time, with the events it comes from."""
        before = self.clock() - UNREAD_SECONDS
        waiting = {*self.queue.pending_messages_per_session, *self.queue.pending_event_ids_session}
        for name in waiting:
            conversation = self._known.get(name)
            if conversation and not conversation.streams and conversation.unread_since < before:
                conversation.has_lost = True
                await self._drop(name)
        while len(self._known) > MOST_CONVERSATIONS:
            await self._drop(self._known.popitem(last=False)[0])

    def _client(self, name: str) -> str | None:
        conversation = self._known.get(name)
        return conversation.client if conversation else None

    def _forget_read(self, name: str) -> None:
        # what ran when its reader left is not sent any more; what has ended since the stream did is still to be read
        events, left = self.queue.event_ids_to_events, self.queue.pending_event_ids_session.get(name, set())
        left.difference_update({event for event in left if event in events and not events[event].alive})
        if not left or name not in self.queue.pending_messages_per_session:  # Gradio lets go of what it could not send
            self._forget(name)

    async def _drop(self, name: str) -> None:
        await self.queue.clean_events(session_hash=name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.queue.pending_messages_per_session.pop(name, None)
        self.queue.pending_event_ids_session.pop(name, None)
