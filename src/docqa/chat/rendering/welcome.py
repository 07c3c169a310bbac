"""What the chat shows before the first question, as HTML."""

from docqa.chat.examples import example_questions
from docqa.chat.rendering.status import render_documents
from docqa.chat.rendering.wording import count
from docqa.chat.state import Overview
from docqa.neutralising import isolate, verbatim


def render_welcome(overview: Overview) -> str:
    """Render what is indexed and examples to ask, or how to begin when nothing is indexed."""
    if overview.problem:
        return ""
    if not overview.documents:
        return _first_steps(overview)
    examples = "".join(_example(question) for question in example_questions(overview.documents))
    passages = sum(document.passages for document in overview.documents)
    holding = f"{count(len(overview.documents), 'document')} with {count(passages, 'passage')}"
    return (
        '<div class="docqa-welcome"><h2>Ask your documents</h2>'
        f"<p>Answers are quotes from your {holding}, each with the place where it stands.</p>"
        f'<h3>For example</h3><ul class="docqa-examples">{examples}</ul>'
        f"<h3>What is indexed</h3>{render_documents(overview.documents)}</div>"
    )


def _example(question: str) -> str:
    return (
        f'<li><button type="button" class="docqa-example" data-action="example" data-question="{verbatim(question)}">'
        f"{isolate(question)}</button></li>"
    )


def _first_steps(overview: Overview) -> str:
    waiting = len(overview.changes.added) if overview.changes else 0
    drop = "Copy your files" if overview.read_only else "Drop your files on this page, or copy them"
    step = (
        f"<li>{count(waiting, 'document')} waiting in the corpus folder.</li>"
        if waiting
        else f"<li>{drop} into the corpus folder, <code>corpus/</code>.</li>"
    )
    press = "Run <code>docqa sync</code>" if overview.read_only else "Press <strong>Re-embed</strong>"
    embed = "Wait a moment while they are embedded" if overview.watched else press
    button = '<button type="button" class="docqa-primary" data-action="sync">Re-embed</button>'
    return (
        '<div class="docqa-welcome"><h2>Nothing is indexed yet</h2>'
        f'<ol class="docqa-steps">{step}<li>{embed}.</li>'
        "<li>Ask a question: answers are quotes, with the place where they stand.</li></ol>"
        f"{'' if overview.read_only else button}</div>"
    )
