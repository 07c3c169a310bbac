"""Ask the same questions of a document in several formats: whether the same is quoted, from the right page."""

import re
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pypdfium2

from docqa import Answer, Document, Embedder, Passage, Quote, Retriever, SentenceTransformerEmbedder, Span, sync
from docqa.evaluation.overlapping import holds
from docqa.reading.pdf.rendering import COLUMN_NAME
from word_order import find_words, order_f1, share_in_order

QUESTIONS = {
    "": Path(__file__).with_name("reading-questions.txt"),
    ", others": Path(__file__).with_name("reading-questions-others.txt"),
}
"""Those whose answers were looked at one by one, and others on the Policy that were only counted."""
CORPORA = {
    "text": ("txt/debian-policy.txt", "txt/fhs-3.0.txt"),
    "PDF": ("pdf/debian-policy.pdf", "pdf/fhs-3.0.pdf"),
    "EPUB": ("epub/debian-policy.epub", "txt/fhs-3.0.txt"),
    "web pages": ("html/debian-policy/*.html", "txt/fhs-3.0.txt"),
}
"""What is asked: the Policy in each format, and the FHS, of which there is no EPUB and no web page."""
ALIKE = 0.8
"""F1 of words in order from which two quotes are the same sentence; share of a quote's words that a passage holds."""
CHECKED = 50


def measure_answers(store: Path, documents: Path) -> dict[str, str]:
    """Count the questions for which a format quotes first what the text does, and the quotes on their pages."""
    embedder = SentenceTransformerEmbedder()
    retrievers = {name: open_corpus(store / name, paths, documents, embedder) for name, paths in CORPORA.items()}
    figures: dict[str, str] = {}
    quotes: list[Quote] = []
    for label, file in QUESTIONS.items():
        questions = file.read_text("utf-8").splitlines()
        answers = {name: [ask(retriever, one) for one in questions] for name, retriever in retrievers.items()}
        for name in [name for name in CORPORA if name != "text"]:
            figures |= compare_answers(answers[name], answers["text"], name + label)
        quotes += [quote for answered in answers["PDF"] for quote in answered.quotes]
    found = quotes[:CHECKED]
    right = sum(stands_on_its_pages(quote, retrievers["PDF"].document(quote.document), documents) for quote in found)
    return {**figures, "quotes on the pages they name": f"{right} of {len(found)}"}


def compare_answers(answers: Sequence[Answer], others: Sequence[Answer], label: str) -> dict[str, str]:
    """Count the answers that agree with those of the text, and print the others to stderr."""
    pairs = list(zip(answers, others, strict=True))
    agreed = {
        "passage quoted first is that of the text": [share_first_passage(*pair) for pair in pairs],
        "first quote is that of the text": [are_alike(one.quotes[0], other.quotes[0]) for one, other in pairs],
        "one quote is the first of the text": [
            any(are_alike(quote, other.quotes[0]) for quote in one.quotes) for one, other in pairs
        ],
    }
    for same, (one, other) in zip(agreed["passage quoted first is that of the text"], pairs, strict=True):
        if not same:
            quoted, expected = one.quotes[0].text, other.quotes[0].text
            print(f"{label}: {one.query}\n  {quoted!r}\n  text: {expected!r}", file=sys.stderr)
    return {f"{name}, {label}": f"{sum(same)} of {len(pairs)}" for name, same in agreed.items()}


def open_corpus(store: Path, paths: Sequence[str], documents: Path, embedder: Embedder) -> Retriever:
    """Index documents, if they are not yet, and open them."""
    corpus = store / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for path in paths:
        for file in documents.glob(path):
            shutil.copyfile(file, corpus / file.name)
    sync(corpus, store / "embeddings", embedder=embedder)
    return Retriever.open(store / "embeddings", embedder=embedder)


def ask(retriever: Retriever, question: str) -> Answer:
    """Answer a question, however little confidence there is in it."""
    return retriever.ask(question, min_confidence=0)


def are_alike(quote: Quote, other: Quote) -> bool:
    """Tell whether two quotes are the same sentence, whatever divides their words."""
    return order_f1(find_words(quote.text), find_words(other.text)) >= ALIKE


def share_first_passage(answer: Answer, other: Answer) -> bool:
    """Tell whether each first quote stands, word by word in order, in the passage that the other is taken from."""
    pairs = ((answer.quotes[0], quoted_first(other)), (other.quotes[0], quoted_first(answer)))
    return all(share_in_order(find_words(quote.text), find_words(passage.text)) >= ALIKE for quote, passage in pairs)


def quoted_first(answer: Answer) -> Passage:
    """Find the passage that the first quote is taken from."""
    quote, passages = answer.quotes[0], [hit.passage for hit in answer.hits]
    return next(one for one in passages if one.document == quote.document and holds(one.span, quote.span))


def stands_on_its_pages(quote: Quote, document: Document, documents: Path) -> bool:
    """Tell whether the layer of text of the pages that a citation names holds the quote, page by page.

    Of a row of a table, which names the column of each value, it holds every value.
    """
    turns = [page.start for page in document.pages if quote.span.start < page.start < quote.span.end]
    parts = [Span(*part) for part in pairwise([quote.span.start, *turns, quote.span.end])]
    pages = [document.pages_of(part)[0] for part in parts]
    named = f"page {pages[0]}" if len({*pages}) == 1 else f"pages {min(pages)}–{max(pages)}"
    is_row = any(block.kind == "table" and holds(block.span, quote.span) for block in document.blocks)
    file = pypdfium2.PdfDocument(documents / "pdf" / document.path)
    return quote.citation.endswith(f", {named}") and all(
        bare(piece) in bare(file[page - 1].get_textpage().get_text_range())
        for part, page in zip(parts, pages, strict=True)
        for piece in (find_values(document[part]) if is_row else [document[part]])
    )


def find_values(rows: str) -> list[str]:
    """Return the values in rows of a table, without the names of their columns."""
    return COLUMN_NAME.sub("", rows).replace("\n", "; ").split("; ")


def bare(text: str) -> str:
    """Return the letters and digits of a text, for lines divide words."""
    return re.sub(r"[\W_]+", "", text.replace("\ufffe", "").casefold())
