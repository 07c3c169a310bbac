"""The page: what stands on it and which event calls what."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from docqa.chat.exporting import conversation_markdown
from docqa.chat.library import Library, message
from docqa.chat.rendering import (
    render_conversation,
    render_header,
    render_notice,
    render_source,
    render_sync,
    render_toolbar,
    render_welcome,
)
from docqa.chat.state import Conversation, Overview, Turn
from docqa.embedding import Embedder
from docqa.errors import DocqaError
from docqa.serialising import hit_to_json
from docqa.types import Hit

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
    *, corpus_dir: str | PathLike[str], embeddings_dir: str | PathLike[str], embedder: Embedder | None = None
) -> gr.Blocks:
    """Build the web chat over a corpus and its store; ``launch`` serves it."""
    library = Library(Path(corpus_dir), Path(embeddings_dir), embedder)
    chat = gr.Blocks(title="docqa", analytics_enabled=False, fill_width=True)
    with chat:
        page = _lay_out(chat)
        for wire in (_wire_questions, _wire_sources, _wire_looks, _wire_sync):
            wire(page, library)
        _wire_conversation(page)
        _offer_retrieval(library)
    chat.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)
    return chat


@dataclass(frozen=True, slots=True)
class Page:
    """The components of the page."""

    chat: gr.Blocks
    conversation: gr.State
    markdown: gr.Textbox
    header: gr.HTML
    toolbar: gr.HTML
    notice: gr.HTML
    course: gr.HTML
    welcome: gr.HTML
    turns: gr.HTML
    question: gr.Textbox
    ask: gr.Button
    source: gr.HTML
    timer: gr.Timer


def _lay_out(chat: gr.Blocks) -> Page:
    conversation, markdown = gr.State(()), gr.Textbox(visible=False)
    with gr.Row(elem_id="docqa-top"):
        header, toolbar = _html("header"), _html("toolbar")
    with gr.Row(elem_id="docqa-columns"):
        with gr.Column(elem_id="docqa-left"):
            notice, course = _html("notice"), _html("course")
            # before the turns, though it is shown below them: the tab key leads from the question to its answer
            with gr.Row(elem_id="docqa-composer"):
                question = _question_box()
                ask = gr.Button("Ask", variant="primary", elem_id="docqa-ask", scale=0, min_width=80)
            with gr.Column(elem_id="docqa-talk"):
                welcome, turns = _html("welcome"), _html("turns")
        with gr.Column(elem_id="docqa-right"):
            source = _html("source", render_source(None))
    return Page(
        chat=chat,
        conversation=conversation,
        markdown=markdown,
        header=header,
        toolbar=toolbar,
        notice=notice,
        course=course,
        welcome=welcome,
        turns=turns,
        question=question,
        ask=ask,
        source=source,
        timer=gr.Timer(SECONDS_BETWEEN_LOOKS),
    )


def _html(name: str, value: str = "") -> gr.HTML:
    script = resources.files("docqa.chat").joinpath("chat.js").read_text(encoding="utf-8")
    return gr.HTML(value, elem_id=f"docqa-{name}", js_on_load=script, apply_default_css=False)


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


def _wire_questions(page: Page, library: Library) -> None:
    def ask(conversation: Conversation, typed: str, event: gr.EventData) -> Iterator[Update]:
        question = _given(event, "question", typed).strip()
        if not question:
            yield {page.question: gr.skip()}  # a generator that yields nothing would empty its outputs
            return
        sent = {page.question: ""} if question == typed.strip() else {}
        yield _conversed(page, (*conversation, Turn(question))) | sent
        turn = library.answer(question)
        yield _conversed(page, (*conversation, turn)) | ({page.question: question} if turn.problem else {})

    inputs, outputs = [page.conversation, page.question], [page.conversation, page.turns, page.toolbar, page.question]
    # a question sent while another is being answered waits; by default it would be dropped
    settings = QUIET | {"inputs": inputs, "outputs": outputs, "trigger_mode": "always_last"}
    _on([page.question.submit, page.ask.click, page.welcome.example], ask, **settings)


def _wire_sources(page: Page, library: Library) -> None:
    def open_passage(conversation: Conversation, event: gr.EventData) -> str:
        number = int(_given(event, "turn", "-1"))
        hit = _hit(conversation, number, int(_given(event, "rank", "0")))
        return render_source(library.source_at(hit, number) if hit else None)

    def open_document(event: gr.EventData) -> str:
        return render_source(library.source(_given(event, "document", "")))

    page.turns.passage(open_passage, inputs=page.conversation, outputs=page.source, **QUIET)
    _on([page.welcome.document, page.header.document], open_document, outputs=page.source, **QUIET)
    page.source.close(lambda: render_source(None), outputs=page.source, **QUIET)


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


def _wire_conversation(page: Page) -> None:
    def restart() -> Update:
        return _conversed(page, ()) | {page.source: render_source(None), page.question: ""}

    outputs = [page.conversation, page.turns, page.toolbar, page.source, page.question]
    page.toolbar.restart(restart, outputs=outputs, **QUIET)
    exported = page.toolbar.download(conversation_markdown, inputs=page.conversation, outputs=page.markdown, **QUIET)
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


def _conversed(page: Page, conversation: Conversation) -> Update:
    return {
        page.conversation: conversation,
        page.turns: render_conversation(conversation),
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


def _hit(conversation: Conversation, turn: int, rank: int) -> Hit | None:
    answer = conversation[turn].answer if 0 <= turn < len(conversation) else None
    return next((hit for hit in answer.hits if hit.rank == rank), None) if answer else None
