"""A conversation as Markdown. Words that come from documents or questions are escaped: they stay words."""

import re
from collections.abc import Iterator

from docqa.chat.citing import one_line, quoted_evidence
from docqa.chat.rendering.wording import verdict
from docqa.chat.state import Conversation, Turn
from docqa.types import Answer, Hit, Quote

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
EMPTY = "_No questions yet._\n"


def conversation_markdown(conversation: Conversation) -> str:
    """Write a conversation as a Markdown document with its quotes, passages and citations."""
    turns = "\n".join(_turn(turn) for turn in conversation) or EMPTY
    return f"# Conversation with your documents\n\n{turns}"


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is: one line, every ASCII punctuation character escaped."""
    return PUNCTUATION.sub(r"\\\1", one_line(text))


def _turn(turn: Turn) -> str:
    return f"## {escape_markdown(turn.question)}\n\n" + "".join(f"{part}\n\n" for part in _turn_parts(turn))


def _turn_parts(turn: Turn) -> Iterator[str]:
    if turn.answer:
        yield from _answer_parts(turn.answer)
    elif turn.problem:
        yield f"_{escape_markdown(turn.problem)}_"


def _answer_parts(answer: Answer) -> Iterator[str]:
    if answer.asking_about:
        yield f"asking about: {escape_markdown(answer.asking_about)}"
    yield f"**{verdict(answer)}**"
    yield from (_quote(quote) for quote in answer.quotes)
    if answer.hits:
        yield "Passages:" if answer.answered else "The closest passages:"
    yield from (_hit(hit) for hit in answer.hits)


def _quote(quote: Quote) -> str:
    return f"{_quoted(quote.text)}\n>\n> — {escape_markdown(quote.citation)} ({escape_markdown(quote.document)})"


def _hit(hit: Hit) -> str:
    passage = hit.passage
    citation = escape_markdown(f"{passage.title}, {passage.locator} ({passage.document})")
    evidence = _quoted(quoted_evidence(hit)).replace("\n", "\n   ")
    return f"{hit.rank}. {citation}\n\n   {evidence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {escape_markdown(line)}" for line in text.strip().splitlines())
