"""Ask the same questions of a document in several formats: whether the same is quoted, from the right page."""

import re
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pypdfium2

from docqa import Document, Embedder, Quote, Retriever, SentenceTransformerEmbedder, Span, sync
from word_order import find_words, order_f1

QUESTIONS = Path(__file__).with_name("reading-questions.txt")
CORPORA = {
    "text": ("txt/debian-policy.txt", "txt/fhs-3.0.txt"),
    "PDF": ("pdf/debian-policy.pdf", "pdf/fhs-3.0.pdf"),
    "EPUB": ("epub/debian-policy.epub", "txt/fhs-3.0.txt"),
    "web pages": ("html/debian-policy/*.html", "txt/fhs-3.0.txt"),
}
"""What is asked: the Policy in each format, and the FHS, of which there is no EPUB and no web page."""
ALIKE = 0.8
"""F1 of words in order from which two quotes are the same sentence."""
CHECKED = 50


def measure_answers(store: Path, documents: Path) -> dict[str, str]:
    """Count the questions for which a format's first quote is that of the text, and the quotes on their pages."""
    embedder = SentenceTransformerEmbedder()
    questions = QUESTIONS.read_text("utf-8").splitlines()
    retrievers = {name: open_corpus(store / name, paths, documents, embedder) for name, paths in CORPORA.items()}
    quotes = {name: [ask(retriever, question) for question in questions] for name, retriever in retrievers.items()}
    figures = {}
    for name in [name for name in CORPORA if name != "text"]:
        alike = [are_alike(got[0], right[0]) for got, right in zip(quotes[name], quotes["text"], strict=True)]
        among = [
            any(are_alike(one, right[0]) for one in got)
            for got, right in zip(quotes[name], quotes["text"], strict=True)
        ]
        figures[f"first quote is that of the text, {name}"] = f"{sum(alike)} of {len(questions)}"
        figures[f"one of five is the first of the text, {name}"] = f"{sum(among)} of {len(questions)}"
        tell_others(name, questions, alike, quotes)
    found = [quote for quoted in quotes["PDF"] for quote in quoted][:CHECKED]
    right = sum(stands_on_its_pages(quote, retrievers["PDF"].document(quote.document), documents) for quote in found)
    return {**figures, "quotes on the pages they name": f"{right} of {len(found)}"}


def open_corpus(store: Path, paths: Sequence[str], documents: Path, embedder: Embedder) -> Retriever:
    """Index documents, if they are not yet, and open them."""
    corpus = store / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for path in paths:
        for file in documents.glob(path):
            shutil.copyfile(file, corpus / file.name)
    sync(corpus, store / "embeddings", embedder=embedder)
    return Retriever.open(store / "embeddings", embedder=embedder)


def ask(retriever: Retriever, question: str) -> tuple[Quote, ...]:
    """Return the quotes for a question, however little confidence there is in them."""
    return retriever.ask(question, min_confidence=0).quotes


def are_alike(quote: Quote, other: Quote) -> bool:
    """Tell whether two quotes are the same sentence, whatever divides their words."""
    return order_f1(find_words(quote.text), find_words(other.text)) >= ALIKE


def tell_others(
    name: str, questions: Sequence[str], alike: Sequence[bool], quotes: dict[str, list[tuple[Quote, ...]]]
) -> None:
    """Print to stderr what a format quotes instead of what the text says."""
    for question, same, got, right in zip(questions, alike, quotes[name], quotes["text"], strict=True):
        if not same:
            print(f"{name}: {question}\n  {got[0].text!r}\n  text: {right[0].text!r}", file=sys.stderr)


def stands_on_its_pages(quote: Quote, document: Document, documents: Path) -> bool:
    """Tell whether the layer of text of the pages that a citation names holds the quote, page by page."""
    turns = [page.start for page in document.pages if quote.span.start < page.start < quote.span.end]
    parts = [Span(*part) for part in pairwise([quote.span.start, *turns, quote.span.end])]
    pages = [document.pages_of(part)[0] for part in parts]
    named = f"page {pages[0]}" if len({*pages}) == 1 else f"pages {min(pages)}–{max(pages)}"
    file = pypdfium2.PdfDocument(documents / "pdf" / document.path)
    return quote.citation.endswith(f", {named}") and all(
        bare(document[part]) in bare(file[page - 1].get_textpage().get_text_range())
        for part, page in zip(parts, pages, strict=True)
    )


def bare(text: str) -> str:
    """Return the letters and digits of a text, for lines divide words."""
    return re.sub(r"[\W_]+", "", text.replace("\ufffe", "").casefold())
