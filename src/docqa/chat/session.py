"""One visitor's conversation. Several events may run at once: each changes the conversation as it is by then."""

import threading
from collections.abc import Sequence

from docqa.chat.citing import quoted_evidence
from docqa.chat.state import Conversation, Turn
from docqa.types import Answer, Exchange, Hit

MOST_TURNS = 100
"""How many questions a conversation keeps, the last ones; each turn takes some 9 KB."""
MOST_CARRIED = 3
"""How many turns before a question it may be understood from."""


class Session:
    """A conversation that questions are added to and whose answers come later.

    A turn keeps its number when those before it are ``forgotten``, so many by now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.conversation: Conversation = ()
        self.forgotten = 0

    def __deepcopy__(self, memo: object) -> "Session":
        """Begin anew: Gradio copies the first value for every visitor."""
        return Session()

    def begin(self, question: str, *, follow: bool) -> Turn:
        """Add a question, which is understood from the turns before it if it is to follow them."""
        with self._lock:
            turn = Turn(question, history=carried(self.conversation) if follow else ())
            self.forgotten += max(0, len(self.conversation) + 1 - MOST_TURNS)
            self.conversation = (*self.conversation, turn)[-MOST_TURNS:]
            return turn

    def begin_again(self, number: int) -> Turn | None:
        """Ask a question again, on its own this time; None when there is none of that number to ask."""
        with self._lock:
            place = number - self.forgotten
            if not 0 <= place < len(self.conversation) or self.conversation[place].pending:
                return None
            turn = Turn(self.conversation[place].question)
            before, after = self.conversation[:place], self.conversation[place + 1 :]
            self.conversation = (*before, turn, *after)
            return turn

    def settle(self, pending: Turn, settled: Turn) -> None:
        """Put a turn with its answer in the place of the one without, unless that is gone by now."""
        with self._lock:
            self.conversation = tuple(settled if turn is pending else turn for turn in self.conversation)

    def turn_and_hit(self, number: int, rank: int) -> tuple[Turn, Hit] | None:
        """Return a turn and a hit of its answer; None when there is none of that number and rank."""
        with self._lock:
            place = number - self.forgotten
            turns = self.conversation[place : place + 1] if place >= 0 else ()
        for turn in turns:
            for hit in turn.answer.hits if turn.answer else ():
                if hit.rank == rank:
                    return turn, hit
        return None

    def restart(self) -> None:
        """Forget the conversation."""
        with self._lock:
            self.conversation, self.forgotten = (), 0


def carried(conversation: Sequence[Turn]) -> tuple[Exchange, ...]:
    """Return what the next question may be understood from."""
    answered = [(turn.question, turn.answer) for turn in conversation if turn.answer]
    return tuple(Exchange(question, _reply(answer)) for question, answer in answered[-MOST_CARRIED:])


def _reply(answer: Answer) -> str:
    if answer.quotes:
        return " ".join(quote.text for quote in answer.quotes)
    return quoted_evidence(answer.hits[0]) if answer.hits else ""
