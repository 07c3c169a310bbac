"""The page: what stands on it and which event calls what."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from docqa.chat.exporting import conversation_markdown
from docqa.chat.library import Library, message
from docqa.chat.paging import Pages
from docqa.chat.rendering import (
    render_conversation,
    render_feedback,
    render_header,
    render_notice,
    render_page,
    render_source,
    render_sync,
    render_toolbar,
    render_welcome,
)
from docqa.chat.session import Session
from docqa.chat.state import Feedback, Overview, Source
from docqa.embedding import Embedder, Reranker
from docqa.errors import DocqaError
from docqa.serialising import hit_to_json

SECONDS_BETWEEN_LOOKS = 5.0
"""How often an open page looks for changes in the corpus."""

MOST_WAITING = 64
"""How many events may wait; what comes then is told that the chat is busy, instead of piling up."""

AT_ONCE = 4
"""How many events of one kind run at the same time."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

SAVE = "(markdown) => { window.docqaSave(markdown); }"
"""Makes the file in the browser: no document text is written to a temporary file."""

Update = dict[Any, Any]
"""New values of components, as Gradio takes them."""


def build_chat(
    *,
    corpus_dir: str | PathLike[str],
    embeddings_dir: str | PathLike[str],
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    feedback_file: str | PathLike[str] = "feedback.jsonl",
) -> gr.Blocks:
    """Build the web chat over a corpus and its store; ``launch`` serves it.

    What people say of hits is kept in ``feedback_file``, in the form that ``docqa evaluate`` reads.
    """
    library = Library(Path(corpus_dir), Path(embeddings_dir), embedder, Path(feedback_file), reranker)
    chat = gr.Blocks(title="docqa", analytics_enabled=False, fill_width=True)
    with chat:
        page = _lay_out(chat)
        for wire in (_wire_questions, _wire_sources, _wire_feedback, _wire_looks, _wire_sync, _wire_conversation):
            wire(page, library)
        _wire_pages(page, library, Pages(Path(corpus_dir)))
        _offer_retrieval(library)
    chat.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)
    return chat


@dataclass(frozen=True, slots=True)
class Page:
    """The components of the page."""

    chat: gr.Blocks
    session: gr.State
    markdown: gr.Textbox
    header: gr.HTML
    toolbar: gr.HTML
    notice: gr.HTML
    course: gr.HTML
    welcome: gr.HTML
    turns: gr.HTML
    question: gr.Textbox
    ask: gr.Button
    follow: gr.Checkbox
    feedback: gr.HTML
    source: gr.HTML
    picture: gr.HTML
    timer: gr.Timer


def _lay_out(chat: gr.Blocks) -> Page:
    session, markdown = gr.State(Session()), gr.Textbox(visible=False)
    with gr.Row(elem_id="docqa-top"):
        header, toolbar = _html("header"), _html("toolbar")
    with gr.Row(elem_id="docqa-columns"):
        with gr.Column(elem_id="docqa-left"):
            notice, course, feedback = _html("notice"), _html("course"), _html("feedback")
            # before the turns, though it is shown below them: the tab key leads from the question to its answer
            with gr.Row(elem_id="docqa-composer"):
                question = _question_box()
                ask = gr.Button("Ask", variant="primary", elem_id="docqa-ask", scale=0, min_width=80)
                follow = _follow_box()
            with gr.Column(elem_id="docqa-talk"):
                welcome, turns = _html("welcome"), _html("turns")
        with gr.Column(elem_id="docqa-right"):
            source, picture = _html("source", render_source(None)), _html("picture", script="pages.js")
    return Page(
        chat=chat,
        session=session,
        markdown=markdown,
        header=header,
        toolbar=toolbar,
        notice=notice,
        course=course,
        welcome=welcome,
        turns=turns,
        question=question,
        ask=ask,
        follow=follow,
        feedback=feedback,
        source=source,
        picture=picture,
        timer=gr.Timer(SECONDS_BETWEEN_LOOKS),
    )


def _html(name: str, value: str = "", *, script: str = "chat.js") -> gr.HTML:
    on_load = resources.files("docqa.chat").joinpath(script).read_text(encoding="utf-8")
    return gr.HTML(value, elem_id=f"docqa-{name}", js_on_load=on_load, apply_default_css=False)


def _question_box() -> gr.Textbox:
    return gr.Textbox(
        label="Your question",
        placeholder="Ask your documents…",
        lines=1,
        max_lines=6,
        max_length=2000,
        autofocus=True,
        container=False,
        elem_id="docqa-question",
    )


def _follow_box() -> gr.Checkbox:
    return gr.Checkbox(
        True,
        label="Follow the conversation",
        container=False,
        elem_id="docqa-follow",
    )


def _wire_questions(page: Page, library: Library) -> None:
    def ask(session: Session, typed: str, follow: bool, event: gr.EventData) -> Iterator[Update]:
        question = _given(event, "question", typed).strip()
        if not question:
            yield {page.question: gr.skip()}  # a generator that yields nothing would empty its outputs
            return
        sent = {page.question: ""} if question == typed.strip() else {}
        pending = session.begin(question, follow=follow)
        yield _conversed(page, library, session) | sent
        turn = library.answer(pending)
        session.settle(pending, turn)
        yield _conversed(page, library, session) | ({page.question: question} if turn.problem else {})

    def ask_alone(session: Session, event: gr.EventData) -> Iterator[Update]:
        pending = session.begin_again(int(_given(event, "turn", "-1")))
        yield _conversed(page, library, session)
        if pending:
            session.settle(pending, library.answer(pending))
            yield _conversed(page, library, session)

    inputs, outputs = [page.session, page.question, page.follow], [page.session, page.turns, page.toolbar]
    # a question sent while another is being answered waits; by default it would be dropped
    settings = QUIET | {"inputs": inputs, "outputs": [*outputs, page.question], "trigger_mode": "always_last"}
    _on([page.question.submit, page.ask.click, page.welcome.example], ask, **settings)
    page.turns.alone(ask_alone, inputs=page.session, outputs=outputs, trigger_mode="always_last", **QUIET)


def _wire_sources(page: Page, library: Library) -> None:
    def open_source(session: Session, event: gr.EventData) -> str:
        return render_source(_chosen(library, session, event))

    triggers = [page.turns.passage, page.source.passage, page.welcome.document, page.header.document]
    _on(triggers, open_source, inputs=page.session, outputs=page.source, **QUIET)
    page.source.close(lambda: render_source(None), outputs=page.source, **QUIET)


def _wire_pages(page: Page, library: Library, pages: Pages) -> None:
    def turn(session: Session, event: gr.EventData) -> str:
        source = _chosen(library, session, event) or Source(problem="This passage is not in the conversation any more.")
        return render_page(pages.view(source, int(_given(event, "page", "0"))))

    # of the pages leafed through while one is being drawn, the last is shown
    page.picture.turn(turn, inputs=page.session, outputs=page.picture, trigger_mode="always_last", **QUIET)


def _chosen(library: Library, session: Session, event: gr.EventData) -> Source | None:
    if document := _given(event, "document", ""):
        return library.source(document)
    number = int(_given(event, "turn", "-1"))
    found = session.turn_and_hit(number, int(_given(event, "rank", "0")))
    if not found:
        return None
    turn, hit = found
    return replace(library.source_at(hit, number), hits=len(turn.answer.hits) if turn.answer else 0)


def _wire_feedback(page: Page, library: Library) -> None:
    numbers = count(1)

    def vote(session: Session, event: gr.EventData) -> Any:
        number, rank = int(_given(event, "turn", "-1")), int(_given(event, "rank", "0"))
        helpful = {"up": True, "down": False}.get(_given(event, "vote", ""))
        found = session.turn_and_hit(number, rank)
        if not found:
            return gr.skip()
        return render_feedback(Feedback(number, rank, helpful, next(numbers), library.vote(*found, helpful)))

    page.turns.vote(vote, inputs=page.session, outputs=page.feedback, trigger_mode="multiple", **QUIET)
    page.feedback.dismiss(lambda: "", outputs=page.feedback, **QUIET)


def _wire_looks(page: Page, library: Library) -> None:
    def look() -> Update:
        return _looked(page, library.overview())

    triggers = [page.chat.load, page.timer.tick, page.turns.change]
    _on(triggers, look, outputs=[page.header, page.notice, page.welcome], **QUIET)


def _wire_sync(page: Page, library: Library) -> None:
    def sync() -> Iterator[Update]:
        yield {page.timer: gr.Timer(active=False), page.notice: ""}
        for state in library.sync():
            yield {page.course: render_sync(state)}
        yield {page.timer: gr.Timer(active=True)} | _looked(page, library.overview())

    outputs = [page.timer, page.notice, page.course, page.header, page.welcome]
    _on([page.notice.sync, page.welcome.sync], sync, outputs=outputs, concurrency_limit=1, **QUIET)
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
        page.turns: render_conversation(conversation, library.votes()),
        page.toolbar: render_toolbar(conversation),
    }


def _looked(page: Page, overview: Overview) -> Update:
    return {
        page.header: render_header(overview),
        page.notice: render_notice(overview),
        page.welcome: render_welcome(overview),
    }


def _given(event: gr.EventData, name: str, otherwise: str) -> str:
    data = event._data
    return str(data.get(name, otherwise)) if isinstance(data, dict) else otherwise
