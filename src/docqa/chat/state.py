"""The values the chat shows: turns of a conversation, what is indexed, how a sync goes, what the source panel holds."""

from collections.abc import Callable
from dataclasses import dataclass

from docqa.types import Activity, Answer, CorpusDiff, Document, Exchange, Hit, IndexedDocument, StoreSummary, SyncReport


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what came of it: an answer, a problem, or nothing yet.

    ``history`` is what the question may be understood from.
    """

    question: str
    answer: Answer | None = None
    problem: str = ""
    history: tuple[Exchange, ...] = ()

    @property
    def pending(self) -> bool:
        """Tell whether the answer is still being looked for."""
        return self.answer is None and not self.problem


Conversation = tuple[Turn, ...]

Vote = Callable[[str, Hit], bool | None]
"""Says whether a hit was said to answer a question: yes, no, or nothing was said."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What is indexed, how the corpus on disk differs from it, and what keeps either from being known."""

    summary: StoreSummary | None = None
    documents: tuple[IndexedDocument, ...] = ()
    changes: CorpusDiff | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SyncState:
    """How a sync goes: documents read or passages embedded so far, in all, then its report or what stopped it."""

    done: int = 0
    total: int = 0
    activity: Activity = "embedding"
    report: SyncReport | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What the source panel shows: a document, opened at a hit or from its start, or a problem.

    ``moved`` says that the document has changed since the hit was found and the passage was looked up anew; without a
    document, the hit's passage is all there is.
    """

    document: Document | None = None
    hit: Hit | None = None
    turn: int = -1
    moved: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said of a hit and kept, None when it was taken back, or the problem that kept it from being kept.

    ``number`` tells this one from those before.
    """

    turn: int
    rank: int
    helpful: bool | None
    number: int = 0
    problem: str = ""
