"""The components of the page and how they are laid out."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import gradio as gr

from docqa.chat.receiving import Chat
from docqa.chat.rendering import render_account, render_desk, render_source, render_tabs
from docqa.chat.session import Session
from docqa.corpus import MAX_BYTES
from docqa.reading import SUFFIXES

SECONDS_BETWEEN_LOOKS = 5.0
"""How often an open page looks for changes in the corpus."""


@dataclass(frozen=True, slots=True)
class Page:
    """The components of the page."""

    chat: Chat
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
    desk: gr.HTML
    listing: gr.HTML
    listed: gr.State
    source: gr.HTML
    picture: gr.HTML
    timer: gr.Timer


def lay_out(chat: Chat, *, read_only: bool, with_login: bool) -> Page:
    """Put the components on the page."""
    session, markdown = gr.State(Session()), gr.Textbox(visible=False)
    with gr.Row(elem_id="docqa-top"):
        header, toolbar, _ = _html("header"), _html("toolbar"), _html("tabs", render_tabs())
        if with_login:
            _html("account", render_account())
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
            with gr.Column(elem_id="docqa-documents"):
                desk = _html("desk", render_desk(SUFFIXES, MAX_BYTES, read_only=read_only))
                listing = _html("listing")
        with gr.Column(elem_id="docqa-right"):
            source, picture = _html("source", render_source(None)), _html("picture", scripts=("pages.js",))
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
        desk=desk,
        listing=listing,
        listed=gr.State(0),
        source=source,
        picture=picture,
        timer=gr.Timer(SECONDS_BETWEEN_LOOKS),
    )


def _html(name: str, value: str = "", scripts: tuple[str, ...] = ("chat.js", "documents.js")) -> gr.HTML:
    return gr.HTML(value, elem_id=f"docqa-{name}", js_on_load=_script(scripts), apply_default_css=False)


@cache
def _script(names: tuple[str, ...]) -> str:
    parts = (resources.files("docqa.chat").joinpath(name) for name in names)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


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
