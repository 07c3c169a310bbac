"""Pages of a source as pictures, with the places of the evidence on them, and what is said when there are none."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path

from docqa.chat.state import PageView, Source
from docqa.corpus import digest, read_bytes
from docqa.errors import DocumentReadError
from docqa.reading.pdf.process import RenderingProcess
from docqa.reading.pdf.rendering import Mark, Picture
from docqa.types import Document, Hit, PageStart, Span

MOST_KEPT = 16
"""How many pictures are kept to be shown again; one has about 300 KB."""
BEFORE = 60
"""How many characters before a piece of evidence help to find its place."""

CHANGED = "The file has changed since it was indexed. This is its text as it was; re-embed to see its pages."
GONE = "The file can no longer be opened in the corpus folder. This is its text as it was indexed."

Key = tuple[str, int, tuple[Mark, ...]]


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a corpus; pictures of the last ones are kept."""

    corpus_dir: Path
    process: RenderingProcess = field(default_factory=RenderingProcess)
    _kept: dict[Key, Picture] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def view(self, source: Source, page: int | None = None) -> PageView:
        """Show a page of a source, its first one with evidence if none is asked for."""
        document, number = source.document, next(self._numbers)
        if document is None:
            return PageView(source, number=number, problem=source.problem)
        marked = pages_of_evidence(document, source.hit)
        page = page or (marked[0] if marked else 1)
        try:
            data = read_bytes(self.corpus_dir, document.path)
        except DocumentReadError:
            return PageView(source, None, marked, number, GONE)
        if digest(data) != document.digest:
            return PageView(source, None, marked, number, CHANGED)
        try:
            return PageView(source, self._picture(document, data, page, source.hit), marked, number)
        except DocumentReadError as exc:
            return PageView(source, None, marked, number, f"{exc.reason[0].upper()}{exc.reason[1:]}.")

    def _picture(self, document: Document, data: bytes, page: int, hit: Hit | None) -> Picture:
        marks = tuple(marks_on(document, hit, page))
        key = document.digest, page, marks
        with self._lock:
            picture = self._kept.pop(key, None)
        picture = picture or self.process.render(document.path, data, page, marks)
        with self._lock:
            self._kept[key] = picture  # the last one used comes last
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return picture


def pages_of_evidence(document: Document, hit: Hit | None) -> tuple[int, ...]:
    """List the pages that a hit's evidence stands on; without evidence, those of its passage."""
    spans = (hit.evidence or (hit.passage.span,)) if hit else ()
    return tuple(sorted({page for span in spans for page in document.pages_of(span)}))


def marks_on(document: Document, hit: Hit | None, page: int) -> Iterator[Mark]:
    """Yield the pieces of a hit's evidence that stand on a page, each after the words before it."""
    end = PageStart(len(document.text), 0)
    for here, after in pairwise([*document.pages, end]):
        for span in hit.evidence if hit and here.page == page else ():
            start, stop = max(span.start, here.start), min(span.end, after.start)
            if start < stop:
                yield document[Span(max(0, start - BEFORE), start)], document[Span(start, stop)]
