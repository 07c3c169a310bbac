"""The page: what stands on it and which event calls what."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr
from gradio.events import api

from docqa.chat.exporting import conversation_markdown
from docqa.chat.library import Library, message
from docqa.chat.page import Page, lay_out
from docqa.chat.paging import Pages
from docqa.chat.receiving import Chat, upload_route
from docqa.chat.rendering import (
    render_conversation,
    render_feedback,
    render_header,
    render_listing,
    render_notice,
    render_page,
    render_source,
    render_sync,
    render_toolbar,
    render_welcome,
)
from docqa.chat.session import Session
from docqa.chat.state import Feedback, Overview, Source, SyncState
from docqa.embedding import Embedder, Reranker
from docqa.errors import DocqaError
from docqa.serialising import hit_to_json
from docqa.watching import Watcher

MOST_WAITING = 64
"""How many events may wait; what comes then is told that the chat is busy, instead of piling up."""

AT_ONCE = 4
"""How many events of one kind run at the same time."""

MOST_RETRIEVED = 100
"""How many passages the API gives at most."""

NUMBER = re.compile(r"-?[0-9]{1,6}")

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

SAVE = "(markdown) => { window.docqaSave(markdown); }"
"""Makes the file in the browser: no document text is written to a temporary file."""

KEEP = "(text) => { window.docqaKeep(text); }"
KEPT = "() => window.docqaKept()"
"""A page that has lost its connection loads itself again: what was typed and not asked yet is put back."""

Update = dict[Any, Any]
"""New values of components, as Gradio takes them."""


def build_chat(
    *,
    corpus_dir: str | PathLike[str],
    embeddings_dir: str | PathLike[str],
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    feedback_file: str | PathLike[str] = "feedback.jsonl",
    allow_edits: bool = False,
    with_login: bool = False,
    watcher: Watcher | None = None,
) -> Chat:
    """Build the web chat over a corpus and its store; ``launch`` serves it.

    What people say of hits is kept in ``feedback_file``, in the form that ``docqa evaluate`` reads. With
    ``allow_edits`` whoever reaches the page may add and remove documents; ``with_login``, it has a way to log out. A
    ``watcher`` of the corpus, which the caller runs, embeds what changes, and the page says so.
    """
    paths = Path(corpus_dir), Path(embeddings_dir), embedder, Path(feedback_file)
    turn = watcher.turn if watcher else Lock()
    library = Library(*paths, reranker, read_only=not allow_edits, watcher=watcher, turn=turn)
    chat = Chat(title="docqa", analytics_enabled=False, fill_width=True)
    chat.library, chat.own_routes = library, [upload_route(library)]
    with chat:
        page = lay_out(chat, read_only=library.read_only, with_login=with_login)
        for wire in (_wire_questions, _wire_sources, _wire_feedback, _wire_looks, _wire_edits, _wire_conversation):
            wire(page, library)
        _wire_pages(page, library, Pages(Path(corpus_dir)))
        _offer_retrieval(library)
    chat.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)
    return chat


def _wire_questions(page: Page, library: Library) -> None:
    def ask(session: Session, written: str | None, follow: bool, event: gr.EventData) -> Iterator[Update]:
        typed = written or ""
        question = _given(event, "question", typed).strip()
        if not question:
            yield {page.question: gr.skip()}  # a generator that yields nothing would empty its outputs
            return
        sent = {page.question: ""} if question == typed.strip() else {}
        pending = session.begin(question, follow=follow)
        yield _conversed(page, library, session) | sent
        turn = page.chat.answer(pending)
        session.settle(pending, turn)
        yield _conversed(page, library, session) | ({page.question: question} if turn.problem else {})

    def ask_alone(session: Session, event: gr.EventData) -> Iterator[Update]:
        pending = session.begin_again(_number(event, "turn", -1))
        yield _conversed(page, library, session)
        if pending:
            session.settle(pending, page.chat.answer(pending))
            yield _conversed(page, library, session)

    inputs, outputs = [page.session, page.question, page.follow], [page.session, page.turns, page.toolbar]
    # a question sent while another is being answered waits; by default it would be dropped
    settings = QUIET | {"inputs": inputs, "outputs": [*outputs, page.question], "trigger_mode": "always_last"}
    _on([page.question.submit, page.ask.click, page.welcome.example], ask, **settings)
    page.turns.alone(ask_alone, inputs=page.session, outputs=outputs, trigger_mode="always_last", **QUIET)
    page.chat.load(None, outputs=page.question, js=KEPT, **QUIET)
    page.question.change(None, inputs=page.question, js=KEEP, **QUIET)


def _wire_sources(page: Page, library: Library) -> None:
    def open_source(session: Session, event: gr.EventData) -> str:
        return render_source(_chosen(library, session, event))

    triggers = [page.turns.passage, page.source.passage, page.welcome.document, page.listing.document]
    _on(triggers, open_source, inputs=page.session, outputs=page.source, **QUIET)
    page.source.close(lambda: render_source(None), outputs=page.source, **QUIET)


def _wire_pages(page: Page, library: Library, pages: Pages) -> None:
    def turn(session: Session, event: gr.EventData) -> str:
        source = _chosen(library, session, event) or Source(problem="This passage is not in the conversation any more.")
        return render_page(pages.view(source, _number(event, "page", 0)))

    # of the pages leafed through while one is being drawn, the last is shown
    page.picture.turn(turn, inputs=page.session, outputs=page.picture, trigger_mode="always_last", **QUIET)


def _chosen(library: Library, session: Session, event: gr.EventData) -> Source | None:
    if document := _given(event, "document", ""):
        return library.source(document)
    number = _number(event, "turn", -1)
    found = session.turn_and_hit(number, _number(event, "rank", 0))
    if not found:
        return None
    turn, hit = found
    return replace(library.source_at(hit, number), hits=len(turn.answer.hits) if turn.answer else 0)


def _wire_feedback(page: Page, library: Library) -> None:
    numbers = count(1)

    def vote(session: Session, event: gr.EventData) -> Any:
        number, rank = _number(event, "turn", -1), _number(event, "rank", 0)
        helpful = {"up": True, "down": False}.get(_given(event, "vote", ""))
        found = session.turn_and_hit(number, rank)
        if not found:
            return gr.skip()
        return render_feedback(Feedback(number, rank, helpful, next(numbers), library.vote(*found, helpful)))

    page.turns.vote(vote, inputs=page.session, outputs=page.feedback, trigger_mode="multiple", **QUIET)
    page.feedback.dismiss(lambda: "", outputs=page.feedback, **QUIET)


def _wire_looks(page: Page, library: Library) -> None:
    def look(listed: int) -> Update:
        return _looked(page, library.overview(), listed)

    triggers = [page.chat.load, page.timer.tick, page.turns.change]
    _on(triggers, look, inputs=page.listed, outputs=[page.header, page.notice, page.welcome, *_listing(page)], **QUIET)


def _wire_edits(page: Page, library: Library) -> None:
    if library.read_only:
        return  # what is not there cannot be called

    def sync() -> Iterator[Update]:
        yield from follow(library.sync())

    def remove(event: gr.EventData) -> Iterator[Update]:
        yield from follow(library.sync(without=_given(event, "document", "")))

    def follow(states: Iterator[SyncState]) -> Iterator[Update]:
        yield {page.timer: gr.Timer(active=False), page.notice: ""}
        for state in states:
            yield {page.course: render_sync(state)}
        yield {page.timer: gr.Timer(active=True)} | _looked(page, library.overview(), 0)

    outputs = [page.timer, page.notice, page.course, page.header, page.welcome, *_listing(page)]
    triggers = [page.notice.sync, page.welcome.sync, page.desk.sync]
    _on(triggers, sync, outputs=outputs, **QUIET)
    # files may be added while those before them are embedded
    page.desk.added(sync, outputs=outputs, trigger_mode="always_last", **QUIET)
    page.desk.remove(remove, outputs=outputs, trigger_mode="multiple", **QUIET)
    page.course.dismiss(lambda: "", outputs=page.course, **QUIET)


def _wire_conversation(page: Page, library: Library) -> None:
    def restart(session: Session) -> Update:
        session.restart()
        return _conversed(page, library, session) | {page.source: render_source(None), page.question: ""}

    def export(session: Session) -> str:
        return conversation_markdown(session.conversation)

    outputs = [page.session, page.turns, page.toolbar, page.source, page.question]
    page.toolbar.restart(restart, inputs=page.session, outputs=outputs, **QUIET)
    exported = page.toolbar.download(export, inputs=page.session, outputs=page.markdown, **QUIET)
    exported.then(None, inputs=page.markdown, js=SAVE, **QUIET)


def _offer_retrieval(library: Library) -> None:
    def retrieve(query: str, k: int = 5) -> list[dict[str, Any]]:
        """Return the passages that match a query best, best first, as JSON objects."""
        try:
            if k > MOST_RETRIEVED:
                raise ValueError(f"k must be at most {MOST_RETRIEVED} here, not {k}; for more, run docqa retrieve")
            return [hit_to_json(hit) for hit in library.retriever().retrieve(query, k)]
        except (DocqaError, ValueError, TypeError) as problem:
            raise gr.Error(message(problem), print_exception=False) from problem

    api(retrieve, api_name="retrieve")


def _on(triggers: Sequence[Callable[..., Any]], function: Callable[..., Any], **settings: Any) -> None:
    # gr.on does not take the events that gr.HTML makes up from its script
    for trigger in triggers:
        trigger(function, **settings)


def _conversed(page: Page, library: Library, session: Session) -> Update:
    conversation = session.conversation
    return {
        page.session: session,
        page.turns: render_conversation(conversation, library.votes(), forgotten=session.forgotten),
        page.toolbar: render_toolbar(conversation),
    }


def _looked(page: Page, overview: Overview, listed: int) -> Update:
    listing = render_listing(overview)
    shown = hash(listing)
    # long lists are sent only when they are not the ones on the page
    changed = {page.listing: listing, page.listed: shown} if shown != listed else {}
    return {
        page.header: render_header(overview),
        page.notice: render_notice(overview),
        page.welcome: render_welcome(overview),
    } | changed


def _listing(page: Page) -> list[Any]:
    return [page.listing, page.listed]


def _given(event: gr.EventData, name: str, otherwise: str) -> str:
    data = event._data
    return str(data.get(name, otherwise)) if isinstance(data, dict) else otherwise


def _number(event: gr.EventData, name: str, otherwise: int) -> int:
    given = _given(event, name, "")
    # of what the page never sends, nothing is made
    return int(given) if NUMBER.fullmatch(given) else otherwise
