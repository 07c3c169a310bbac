"""The values docqa passes around: frozen, slotted dataclasses and two array aliases."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]
"""Unit rows: shape ``(d,)`` for one embedding, ``(n, d)`` for several."""

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code", "front_matter"]

Verdict = Literal["answered", "uncertain", "unanswered"]

Activity = Literal["reading", "embedding", "asking"]

LINE_END = re.compile("\r\n?|\n")

Progress = Callable[[int, int, Activity], None]
"""Called with the number of documents read, passages embedded or questions asked so far, in all, and the activity."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open ``[start, end)`` of characters in a document's text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is not within 0 <= start <= end")

    def __len__(self) -> int:
        return self.end - self.start

    def covers(self, other: "Span") -> bool:
        """Tell whether the other span stands within this one."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: "Span") -> bool:
        """Tell whether the two spans share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Block:
    """One structural piece of a document.

    ``headings`` is the path of headings above the block, outermost first; a heading's own text is not in its path.
    ``place`` says for people where it stands in a file whose text is converted, and has no lines: ``slide 4``.
    """

    kind: BlockKind
    span: Span
    headings: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where in a document's text something that stands on a page begins; it goes on to the next ``PageStart``.

    ``recognised`` says that its words are recognised in the picture of the page, and so may be wrong.
    """

    start: int
    page: int
    recognised: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One file of the corpus: ``path`` is POSIX, relative to the corpus folder, ``digest`` the SHA-256 of its bytes.

    ``pages`` are in the order of the text, which need not be that of the pages: a footnote comes after the whole of a
    paragraph that goes on on the next page. ``unread`` says for people what of the file could not be read, such as a
    damaged page; empty if nothing. ``author`` and ``date``, in ISO 8601 as exactly as is known, are what the file says
    of who wrote it and when; empty where it does not.
    """

    path: str
    digest: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    pages: tuple[PageStart, ...] = ()
    unread: str = ""
    author: str = ""
    date: str = ""

    def __getitem__(self, span: Span) -> str:
        return self.text[span.start : span.end]

    @property
    def is_converted(self) -> bool:
        """Tell whether the text is made from the file, so that its lines are not lines of the file."""
        return bool(self.pages) or any(block.place for block in self.blocks[:1])

    def pages_of(self, span: Span) -> list[int]:
        """List the pages a span stands on, in order; none where the document has no pages."""
        return _numbers(_pages_of(self.pages, span))

    def is_recognised(self, span: Span) -> bool:
        """Tell whether words of a span are recognised in the picture of a page."""
        return any(page.recognised for page in _pages_of(self.pages, span))

    def locate(self, span: Span) -> str:
        """Say for people where a span stands: ``sheet Q3, rows 2–4``, ``§ Refunds, page 3`` or ``lines 12–18``."""
        return _locate(span, self.blocks, self.pages, self._line)

    def excerpt(self, span: Span) -> "Excerpt":
        """Take out a part that can say by itself where it stands."""
        first = bisect_right(self.blocks, span.start, key=lambda block: block.span.end)
        last = bisect_left(self.blocks, span.end, key=lambda block: block.span.start)
        pages = _pages_of(self.pages, span)
        return Excerpt(span.start, self[span], self._line(span.start), self.blocks[first:last], pages)

    def _line(self, place: int) -> int:
        return bisect_left(_line_ends(self.text), place) + 1


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a document, from ``start`` on, and what tells where the spans within it stand.

    ``line`` is the number of its first line, ``blocks`` are those that reach into it, ``pages`` those it stands on.
    """

    start: int
    text: str
    line: int
    blocks: tuple[Block, ...]
    pages: tuple[PageStart, ...]

    def __getitem__(self, span: Span) -> str:
        return self.text[span.start - self.start : span.end - self.start]

    def locate(self, span: Span) -> str:
        """Say for people where a span of the document stands, as `Document.locate` does."""
        return _locate(span, self.blocks, self.pages, self._line)

    def _line(self, place: int) -> int:
        return self.line + len(LINE_END.findall(self.text, 0, place - self.start))


@dataclass(frozen=True, slots=True)
class Passage:
    """What is embedded, retrieved and cited; ``document.text[span] == text`` always.

    ``document`` is the document's path; ``sentences`` are spans in the document, within ``span``.
    """

    document: str
    title: str
    headings: tuple[str, ...]
    span: Span
    locator: str
    text: str
    sentences: tuple[Span, ...]

    def quote(self, span: Span) -> str:
        """Return the words of the document at a span within the passage."""
        return self.text[span.start - self.span.start : span.end - self.span.start]


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """Tokens as a model sees them in their text: ``ids`` ``(t,)`` of its vocabulary, embeddings ``rows`` ``(t, d)``."""

    ids: NDArray[np.int32]
    rows: NDArray[np.float32] | NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class PassageEmbeddings:
    """Embeddings of n passages, ``(n, d)``, and of all their m sentences in order, ``(m, d)``, with their tokens.

    ``token_counts`` ``(m,)`` says how many tokens each sentence has.
    """

    passages: Embeddings
    sentences: Embeddings
    tokens: TokenEmbeddings
    token_counts: NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence["PassageEmbeddings"]) -> "PassageEmbeddings":
        """Join the embeddings of one or more groups of passages."""
        return cls(
            np.concatenate([part.passages for part in parts]),
            np.concatenate([part.sentences for part in parts]),
            TokenEmbeddings(
                np.concatenate([part.tokens.ids for part in parts]),
                np.concatenate([part.tokens.rows for part in parts]),
            ),
            np.concatenate([part.token_counts for part in parts]),
        )

    def split(self, sentence_counts: Sequence[int] | NDArray[np.int64]) -> list["PassageEmbeddings"]:
        """Split them into those of each passage, given how many sentences each has."""
        sentences = np.concatenate([[0], np.cumsum(sentence_counts, dtype=np.int64)])
        tokens = np.concatenate([[0], np.cumsum(self.token_counts, dtype=np.int64)])[sentences]
        return [
            PassageEmbeddings(
                self.passages[i : i + 1],
                self.sentences[first:last],
                TokenEmbeddings(self.tokens.ids[start:end], self.tokens.rows[start:end]),
                self.token_counts[first:last],
            )
            for i, ((first, last), (start, end)) in enumerate(zip(pairwise(sentences), pairwise(tokens), strict=True))
        ]


@dataclass(frozen=True, slots=True)
class QueryEmbeddings:
    """The embedding of a query, ``(d,)``, and of its tokens."""

    query: Embeddings
    tokens: TokenEmbeddings


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage. Rank 1 is best; a higher score is better, comparable within one query only.

    ``evidence`` are the spans, in the document, of the sentences that speak to the query.
    """

    passage: Passage
    score: float
    rank: int
    evidence: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The exact words of a document that answer the question: ``document.text[span] == text``.

    ``citation`` names the document's title and the locator of the quote.
    """

    document: str
    span: Span
    text: str
    citation: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What docqa says to a query.

    ``confidence`` is a probability in [0, 1] that the corpus answers the query, and ``verdict`` what it comes to:
    ``answered``, ``uncertain`` (these are the closest passages, but they may not answer it) or ``unanswered``. Only an
    answered query has ``quotes``; ``hits`` are otherwise merely the closest passages. ``asking_about`` is what a
    follow-up question was understood to be about, from the conversation before it; empty when it stands alone.
    ``calibrated`` is whether the confidence was fitted with the model that was asked; with others it is a rough guide.
    """

    query: str
    quotes: tuple[Quote, ...]
    hits: tuple[Hit, ...]
    confidence: float
    verdict: Verdict
    asking_about: str = ""
    calibrated: bool = True

    @property
    def answered(self) -> bool:
        """Tell whether the documents seem to answer the query."""
        return self.verdict == "answered"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question asked before in the same conversation, and the words of the reply, such as the quotes shown."""

    query: str
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are divided: ``size`` tokens a passage at most, ``overlap`` sentences shared by neighbours."""

    size: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.size < 8:
            raise ValueError(f"passage size must be at least 8 tokens, not {self.size}")
        if self.overlap < 0:
            raise ValueError(f"overlap must be 0 sentences or more, not {self.overlap}")


@dataclass(frozen=True, slots=True)
class CorpusDiff:
    """How the corpus differs from the store, as document paths in order."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class SkippedDocument:
    """A file of the corpus that is not indexed, or only ``in_part``, as a PDF with damaged pages, and why."""

    path: str
    reason: str
    in_part: bool = False

    @property
    def state(self) -> str:
        """Say what came of the file."""
        return "read in part" if self.in_part else "skipped"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did: ``passages`` are in the index now, ``embedded`` of them were embedded by this sync.

    ``newly_skipped`` are those of the ``skipped`` that are new, changed, or were skipped for another reason before.
    """

    diff: CorpusDiff
    skipped: tuple[SkippedDocument, ...]
    passages: int
    embedded: int
    seconds: float
    newly_skipped: tuple[SkippedDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document as the store lists it, without its text; ``pages`` is 0 when it has none."""

    path: str
    title: str
    headings: tuple[str, ...]
    passages: int
    pages: int = 0
    author: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What a store holds; ``size`` is in bytes."""

    generation: str
    model: str
    documents: int
    passages: int
    synced: datetime
    skipped: tuple[SkippedDocument, ...]
    size: int = 0


def _locate(span: Span, blocks: tuple[Block, ...], pages: tuple[PageStart, ...], line: Callable[[int], int]) -> str:
    after = bisect_right(blocks, span.start, key=lambda block: block.span.end)
    block = blocks[after] if after < len(blocks) and blocks[after].span.overlaps(span) else None
    if block and block.place:
        last = bisect_left(blocks, span.end, key=lambda block: block.span.start)
        return _join_places(block.place, blocks[last - 1].place)
    section = f"§ {' › '.join(block.headings)}, " if block and block.headings else ""
    on = _pages_of(pages, span)
    if numbers := _numbers(on):
        recognised = ", recognised text" if any(page.recognised for page in on) else ""
        return section + _number("page", numbers[0], numbers[-1]) + recognised
    return section + _number("line", line(span.start), line(span.end))


def _pages_of(pages: tuple[PageStart, ...], span: Span) -> tuple[PageStart, ...]:
    first = max(0, bisect_right(pages, span.start, key=lambda page: page.start) - 1)
    last = bisect_left(pages, span.end, key=lambda page: page.start)
    return pages[first : max(last, first + 1)]


def _numbers(pages: tuple[PageStart, ...]) -> list[int]:
    return sorted({page.page for page in pages})


def _join_places(first: str, last: str) -> str:
    """Join two places, of which the second may differ in its number only: ``sheet Q3, rows 2–4``."""
    if first == last:
        return first
    (start, _, one), (end, _, other) = first.rpartition(" "), last.rpartition(" ")
    if start == end and one.isdecimal() and other.isdecimal():
        return _number(start, int(one), int(other))
    return f"{first} – {last}"


def _number(name: str, first: int, last: int) -> str:
    return f"{name} {first}" if first == last else f"{name}s {first}–{last}"


@lru_cache(64)
def _line_ends(text: str) -> "array[int]":
    return array("Q", (match.start() for match in LINE_END.finditer(text)))
