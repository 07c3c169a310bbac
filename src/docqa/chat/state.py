"""The values the chat shows: turns of a conversation, what is indexed, how a sync goes, what the source panel holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from docqa.reading import RENDERED
from docqa.reading.pdf.rendering import Picture
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
    """What is indexed, how the corpus on disk differs from it, and what keeps either from being known.

    ``changed`` says when the files were last changed; ``read_only``, that the page must not change anything;
    ``watched``, that changes are embedded without being asked.
    """

    summary: StoreSummary | None = None
    documents: tuple[IndexedDocument, ...] = ()
    changes: CorpusDiff | None = None
    problem: str = ""
    changed: Mapping[str, datetime] = field(default_factory=dict)
    read_only: bool = False
    watched: bool = False


@dataclass(frozen=True, slots=True)
class SyncState:
    """How a sync goes: documents read or passages embedded so far, in all, then its report or what stopped it.

    ``waiting`` says that another change is made first.
    """

    done: int = 0
    total: int = 0
    activity: Activity = "embedding"
    report: SyncReport | None = None
    problem: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Addition:
    """What came of a file that was sent: its path in the corpus, or the problem that kept it out."""

    path: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What the source panel shows: a document, opened at a hit or from its start, or a problem.

    ``moved`` says that the document has changed since the hit was found and the passage was looked up anew; without a
    document, the hit's passage is all there is. ``hits`` says how many the answer has that the hit is one of.
    """

    document: Document | None = None
    hit: Hit | None = None
    turn: int = -1
    moved: bool = False
    problem: str = ""
    hits: int = 0

    @property
    def has_pages(self) -> bool:
        """Tell whether the document's pages can be shown as pictures."""
        return self.document is not None and PurePosixPath(self.document.path).suffix.lower() in RENDERED


@dataclass(frozen=True, slots=True)
class PageView:
    """A page of a source as the panel shows it, or the problem that keeps it from being shown.

    ``marked`` are the pages that evidence stands on, and ``number`` tells this view from those before.
    """

    source: Source
    picture: Picture | None = None
    marked: tuple[int, ...] = ()
    number: int = 0
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
