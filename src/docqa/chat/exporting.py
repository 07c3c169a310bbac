"""A conversation as Markdown. Words that come from documents or questions are escaped: they stay words."""

from collections.abc import Iterator

from docqa.chat.citing import quoted_evidence
from docqa.chat.rendering.wording import verdict
from docqa.chat.state import Conversation, Turn
from docqa.neutralising import escape_markdown, neutral, neutral_name
from docqa.types import Answer, Hit, Quote

EMPTY = "_No questions yet._\n"


def conversation_markdown(conversation: Conversation) -> str:
    """Write what is kept of a conversation as a Markdown document with its quotes, passages and citations."""
    turns = "\n".join(_turn(turn) for turn in conversation) or EMPTY
    return f"# Conversation with your documents\n\n{turns}"


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
    # outside of the block, which no quote can leave, so that none can look like having another citation
    return f"{_quoted(quote.text)}\n\n— {escape_markdown(quote.citation)} ({_name(quote.document)})"


def _hit(hit: Hit) -> str:
    passage = hit.passage
    citation = f"{escape_markdown(f'{passage.title}, {passage.locator}')} ({_name(passage.document)})"
    evidence = _quoted(quoted_evidence(hit)).replace("\n", "\n   ")
    return f"{hit.rank}. {citation}\n\n   {evidence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {escape_markdown(line)}" for line in neutral(text).strip().split("\n"))


def _name(path: str) -> str:
    return escape_markdown(neutral_name(path))
