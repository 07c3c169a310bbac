"""Example questions taken from the headings and titles of the indexed documents."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from docqa.neutralising import one_line
from docqa.types import IndexedDocument

MOST_EXAMPLES = 4
LONGEST_HEADING = 80


def example_questions(documents: Sequence[IndexedDocument]) -> list[str]:
    """Return at most four distinct questions, spread over the documents.

    Headings that are questions come first, then questions about headings, then questions about whole documents.
    """
    candidates = chain(
        _round_robin([_asked_headings(document) for document in documents]),
        _round_robin([_heading_questions(document) for document in documents]),
        (f"What is “{one_line(document.title)}” about?" for document in documents),
    )
    distinct = dict.fromkeys(candidates)
    return list(distinct)[:MOST_EXAMPLES]


def _asked_headings(document: IndexedDocument) -> list[str]:
    return [heading for heading in _plain_headings(document) if heading.endswith("?")]


def _heading_questions(document: IndexedDocument) -> list[str]:
    title = one_line(document.title)
    headings = (heading for heading in _plain_headings(document) if not heading.endswith("?"))
    return [f"What does “{title}” say about {heading}?" for heading in headings if heading != title]


def _plain_headings(document: IndexedDocument) -> Iterator[str]:
    for heading in document.headings:
        plain = one_line(heading)
        if len(plain) <= LONGEST_HEADING and any(character.isalpha() for character in plain):
            yield plain


def _round_robin(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    columns = zip_longest(*rows)
    return (item for column in columns for item in column if item is not None)
