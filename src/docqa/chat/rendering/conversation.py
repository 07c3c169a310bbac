"""The conversation as HTML: questions, answers and the cards of their passages."""

from docqa.answering import UNCALIBRATED
from docqa.chat.citing import cited_hit, hit_citation, quote_citation
from docqa.chat.rendering.marking import mark_passage
from docqa.chat.rendering.wording import count, strength, summary, verdict
from docqa.chat.state import Conversation, Turn, Vote
from docqa.neutralising import escape, isolate, isolate_name
from docqa.types import Answer, Hit, Quote

MOST_TURNS = 20
"""How many turns are shown, the last ones; the download has all that are kept."""

THUMB = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 11h4v10H3zM7 11l4-8a3 3 0 0 1 3 3v4h5.2a1.8 1.8 0 0 1 '
    '1.8 2.1l-1.3 7.4a1.8 1.8 0 0 1-1.8 1.5H7z"/></svg>'
)


def render_conversation(
    conversation: Conversation, vote: Vote = lambda question, hit: None, *, forgotten: int = 0
) -> str:
    """Render the last turns of a conversation; ``vote`` says what was said of a hit before.

    The first turns that are ``forgotten`` are no more in the conversation, but count where turns have numbers.
    """
    hidden = max(0, len(conversation) - MOST_TURNS)
    shown = [_turn(turn, number, vote) for number, turn in enumerate(conversation[hidden:], forgotten + hidden)]
    earlier = f'<p class="docqa-hint">{_earlier(hidden, forgotten)}</p>' if hidden else ""
    return (
        f'<p class="docqa-unseen" role="status">{escape(_announcement(conversation))}</p>'
        f'<section class="docqa-conversation" aria-label="Conversation">{earlier}{"".join(shown)}</section>'
    )


def _earlier(hidden: int, forgotten: int) -> str:
    said = f"{count(hidden, 'earlier question')} in the download."
    return f"{said} Those before are forgotten." if forgotten else said


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
    return summary(turn.answer)


def _turn(turn: Turn, number: int, vote: Vote) -> str:
    state = "pending" if turn.pending else "done"
    return (
        f'<article class="docqa-turn" data-turn="{number}" data-state="{state}">'
        f'<h2 class="docqa-question" tabindex="-1"><span class="docqa-unseen">You asked: </span>'
        f"{isolate(turn.question)}</h2>{_reply(turn, number, vote)}</article>"
    )


def _reply(turn: Turn, number: int, vote: Vote) -> str:
    if turn.answer:
        cards = "".join(_card(hit, turn.answer, number, vote(turn.question, hit)) for hit in turn.answer.hits)
        return _about(turn.answer, number) + _answer(turn.answer, number, cards)
    if turn.problem:
        return f'<p class="docqa-problem" role="alert">{escape(turn.problem)}</p>'
    return '<p class="docqa-searching"><span class="docqa-dots" aria-hidden="true"></span>Searching…</p>'


def _about(answer: Answer, number: int) -> str:
    """Say what a follow-up question was understood to be about, and offer to ask it without that."""
    if not answer.asking_about:
        return ""
    return (
        f'<p class="docqa-about"><span>asking about: {isolate(answer.asking_about)}</span> '
        f'<button type="button" class="docqa-quiet" data-action="alone" data-turn="{number}">Ask it on its own</button>'
        "</p>"
    )


def _answer(answer: Answer, number: int, cards: str) -> str:
    quotes = "".join(_quote(quote, cited_hit(answer, quote), number) for quote in answer.quotes)
    listing = f'<ol class="docqa-cards" aria-label="Passages">{cards}</ol>' if cards else ""
    if listing and answer.verdict == "unanswered":
        listing = f'<details class="docqa-closest"><summary>Show the closest passages</summary>{listing}</details>'
    note = "" if answer.calibrated else f'<p class="docqa-note">{escape(UNCALIBRATED)}</p>'
    return (
        f'<div class="docqa-answer docqa-{answer.verdict}">'
        f'<p class="docqa-verdict"><span class="docqa-sign" aria-hidden="true"></span>{escape(verdict(answer))}</p>'
        f"{note}{quotes}{listing}</div>"
    )


def _quote(quote: Quote, hit: Hit | None, number: int) -> str:
    citation = isolate(quote.citation)
    if hit:
        label = f'<span class="docqa-rank" aria-hidden="true">{hit.rank}</span>{citation}'
        citation = f'<button type="button" class="docqa-link" {_opens(hit, number)}>{label}</button>'
    return (
        f'<figure class="docqa-quote"><blockquote dir="auto">{escape(quote.text)}</blockquote>'
        f"<figcaption>{citation}{render_copy(quote_citation(quote))}</figcaption></figure>"
    )


def _card(hit: Hit, answer: Answer, number: int, vote: bool | None) -> str:
    passage = hit.passage
    return (
        f'<li class="docqa-card" {_opens(hit, number)}><div class="docqa-card-head">'
        f'<span class="docqa-rank" aria-hidden="true">{hit.rank}</span>'
        f'<h3><button type="button" class="docqa-open" {_opens(hit, number)}>{isolate(passage.title)}</button></h3>'
        f'<span class="docqa-strength">{strength(hit, answer)}</span>'
        f'<span class="docqa-locator">{isolate(passage.locator)}</span></div>'
        f'<div class="docqa-passage">{mark_passage(passage, hit.evidence)}</div>'
        f'<div class="docqa-card-foot"><span class="docqa-path">{isolate_name(passage.document)}</span>'
        f'<span class="docqa-card-buttons">{_thumbs(hit, number, vote)}{render_copy(hit_citation(hit))}</span>'
        "</div></li>"
    )


def _thumbs(hit: Hit, number: int, vote: bool | None) -> str:
    place = f'data-turn="{number}" data-rank="{hit.rank}"'
    up = _thumb("up", "This passage answers the question", place, pressed=vote is True)
    down = _thumb("down", "This passage does not answer the question", place, pressed=vote is False)
    return f'<span class="docqa-thumbs" role="group" aria-label="Feedback">{up}{down}</span>'


def _thumb(kind: str, label: str, place: str, *, pressed: bool) -> str:
    return (
        f'<button type="button" class="docqa-quiet docqa-thumb docqa-thumb-{kind}" data-action="vote" {place} '
        f'data-vote="{kind}" aria-pressed="{str(pressed).lower()}" aria-label="{label}" title="{label}">'
        f"{THUMB}</button>"
    )


def _opens(hit: Hit, number: int) -> str:
    return f'data-action="passage" data-turn="{number}" data-rank="{hit.rank}"'


def render_copy(citation: str) -> str:
    """Render a button that copies a citation."""
    return (
        f'<button type="button" class="docqa-quiet docqa-copy" data-action="copy" data-citation="{escape(citation)}">'
        "Copy citation</button>"
    )
