"""The conversation as HTML: questions, answers and the cards of their passages."""

from docqa.chat.citing import cited_hit, hit_citation, quote_citation
from docqa.chat.rendering.marking import escape, mark_passage
from docqa.chat.rendering.wording import count, strength, verdict
from docqa.chat.state import Conversation, Turn
from docqa.types import Answer, Hit, Quote

MOST_TURNS = 20
"""How many turns are shown, the last ones; the download has them all."""


def render_conversation(conversation: Conversation) -> str:
    """Render the last turns of a conversation."""
    hidden = max(0, len(conversation) - MOST_TURNS)
    shown = [_turn(turn, number) for number, turn in enumerate(conversation)][hidden:]
    earlier = f'<p class="docqa-hint">{count(hidden, "earlier question")} in the download.</p>' if hidden else ""
    return (
        f'<p class="docqa-unseen" role="status">{escape(_announcement(conversation))}</p>'
        f'<section class="docqa-conversation" aria-label="Conversation">{earlier}{"".join(shown)}</section>'
    )


def render_toolbar(conversation: Conversation) -> str:
    """Render what can be done with a conversation; without one there is nothing to do."""
    if not conversation:
        return ""
    return (
        '<div class="docqa-toolbar" role="group" aria-label="This conversation">'
        '<button type="button" class="docqa-quiet" data-action="download">Download as Markdown</button>'
        '<button type="button" class="docqa-quiet" data-action="restart">New conversation</button></div>'
    )


def _announcement(conversation: Conversation) -> str:
    if not conversation:
        return ""
    turn = conversation[-1]
    if turn.answer is None:
        return turn.problem or "Searching…"
    quotes = " ".join(quote.text for quote in turn.answer.quotes)
    return f"{verdict(turn.answer)} {quotes} {count(len(turn.answer.hits), 'passage')} below."


def _turn(turn: Turn, number: int) -> str:
    state = "pending" if turn.pending else "done"
    return (
        f'<article class="docqa-turn" data-turn="{number}" data-state="{state}">'
        f'<h2 class="docqa-question"><span class="docqa-unseen">You asked: </span>{escape(turn.question)}</h2>'
        f"{_reply(turn, number)}</article>"
    )


def _reply(turn: Turn, number: int) -> str:
    if turn.answer:
        return _answer(turn.answer, number)
    if turn.problem:
        return f'<p class="docqa-problem" role="alert">{escape(turn.problem)}</p>'
    return '<p class="docqa-searching"><span class="docqa-dots" aria-hidden="true"></span>Searching…</p>'


def _answer(answer: Answer, number: int) -> str:
    state = "answered" if answer.answered else "unanswered"
    quotes = "".join(_quote(quote, cited_hit(answer, quote), number) for quote in answer.quotes)
    cards = "".join(_card(hit, answer, number) for hit in answer.hits)
    listing = f'<ol class="docqa-cards" aria-label="Passages">{cards}</ol>' if cards else ""
    return (
        f'<div class="docqa-answer docqa-{state}">'
        f'<p class="docqa-verdict"><span class="docqa-sign" aria-hidden="true"></span>{escape(verdict(answer))}</p>'
        f"{quotes}{listing}</div>"
    )


def _quote(quote: Quote, hit: Hit | None, number: int) -> str:
    citation = escape(quote.citation)
    if hit:
        label = f'<span class="docqa-rank" aria-hidden="true">{hit.rank}</span>{citation}'
        citation = f'<button type="button" class="docqa-link" {_opens(hit, number)}>{label}</button>'
    return (
        f'<figure class="docqa-quote"><blockquote>{escape(quote.text)}</blockquote>'
        f"<figcaption>{citation}{render_copy(quote_citation(quote))}</figcaption></figure>"
    )


def _card(hit: Hit, answer: Answer, number: int) -> str:
    passage = hit.passage
    return (
        f'<li class="docqa-card" {_opens(hit, number)}><div class="docqa-card-head">'
        f'<span class="docqa-rank" aria-hidden="true">{hit.rank}</span>'
        f'<h3><button type="button" class="docqa-open" {_opens(hit, number)}>{escape(passage.title)}</button></h3>'
        f'<span class="docqa-strength">{strength(hit, answer)}</span>'
        f'<span class="docqa-locator">{escape(passage.locator)}</span></div>'
        f'<div class="docqa-passage">{mark_passage(passage, hit.evidence)}</div>'
        f'<div class="docqa-card-foot"><span class="docqa-path">{escape(passage.document)}</span>'
        f"{render_copy(hit_citation(hit))}</div></li>"
    )


def _opens(hit: Hit, number: int) -> str:
    return f'data-action="passage" data-turn="{number}" data-rank="{hit.rank}"'


def render_copy(citation: str) -> str:
    """Render a button that copies a citation."""
    return (
        f'<button type="button" class="docqa-quiet docqa-copy" data-action="copy" data-citation="{escape(citation)}">'
        "Copy citation</button>"
    )
