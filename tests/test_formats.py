"""One corpus with every format in it, asked with the real model."""

from pathlib import Path

import pytest

from docqa import Retriever, SentenceTransformerEmbedder, SyncReport, sync
from docqa.cli import main
from docqa.reading import CODE, SUFFIXES
from format_files import docx, epub, odt, page, pdf, pptx, shape, word, word_table, xlsx

PRICES = [["Product", "Price", "Stock"], ["Lumen S", (49, '0 "EUR"'), 12], ["Lumen XL", (99, '0 "EUR"'), 3]]
FILES = {
    "battery.txt": b"The battery of the Lumen lamp lasts eleven hours at medium brightness.\n",
    "cleaning.md": b"# Cleaning\n\n## Glass\n\nWipe the glass with vinegar, never with soap.\n",
    "bulb.html": b"<body><nav>Shop</nav><h1>Bulbs</h1><h2>Changing</h2><p>A new bulb costs four euros.</p></body>",
    "warranty.docx": docx(
        word("Warranty", "Title") + word("Duration", "Heading1") + word("The warranty lasts five years.")
    ),
    "staff.docx": docx(word_table(("Name", "Office", "Phone"), ("Ada Lovelace", "Room 12", "4711"))),
    "roadmap.pptx": pptx(
        shape("Roadmap", holds="title"),
        shape("Next year", holds="title") + shape("The solar lantern ships in April.", holds="body"),
    ),
    "prices.xlsx": xlsx({"Q3": PRICES}),
    "suppliers.csv": b"supplier,city,part\nMeyer,Bremen,copper wire\nDubois,Lyon,glass shades\n",
    "history.epub": epub(
        {"a.xhtml": "<h1>Beginnings</h1><h2>The founder</h2><p>Clara Wagner founded the company in 1898.</p>"}
    ),
    "travel.odt": odt(
        '<text:h text:outline-level="1">Hotels</text:h><text:p>A hotel may cost 140 euros a night.</text:p>', "Travel"
    ),
    "canteen.rtf": rb"{\rtf1 The canteen serves pancakes every Thursday.}",
    "backup.rst": b"Backups\n=======\n\nRestoring\n---------\n\nRun ``restore --latest`` to get the newest backup.\n",
    "parking.eml": b"From: bob@example.org\nSubject: Parking\n\nThe parking garage closes at ten in the evening.\n",
    "dimmer.py": b'"""Dim a lamp."""\n\nFADE_SECONDS = 8  # how long fading takes\n',
    "recall.pdf": pdf(
        page("The recall of 2019 concerns a switch."),
        page("Every customer whose switch melts receives a", y=60),
        page("refund of eighty euros within one week."),
    ),
    "settings.yaml": b"# upload limit in megabytes\nupload_limit: 25\n",
}

QUESTIONS = [
    ("battery.txt", "How many hours does the battery of the lamp last?", "eleven hours", "line 1"),
    ("cleaning.md", "What should the glass be wiped with?", "vinegar", "§ Glass, line 5"),
    ("bulb.html", "What does a new bulb cost?", "four euros", "§ Changing"),
    ("warranty.docx", "How long does the warranty last?", "five years", "§ Duration"),
    ("staff.docx", "What is the phone of Ada Lovelace?", "Phone: 4711", "paragraph 1"),
    ("roadmap.pptx", "When does the solar lantern ship?", "April", "slide 2"),
    ("prices.xlsx", "What is the price of Lumen XL?", "Product: Lumen XL; Price: 99 EUR", "sheet Q3, row 3"),
    ("suppliers.csv", "Which supplier delivers glass shades?", "supplier: Dubois", "row 3"),
    ("history.epub", "Who founded the company?", "Clara Wagner", "§ Beginnings › The founder"),
    ("travel.odt", "How much may a hotel cost?", "140 euros", "§ Hotels"),
    ("canteen.rtf", "When does the canteen serve pancakes?", "Thursday", "paragraph 1"),
    ("backup.rst", "How do I restore the newest backup?", "restore --latest", "§ Restoring, line 7"),
    ("parking.eml", "When does the parking garage close?", "ten in the evening", "paragraph 2"),
    ("dimmer.py", "How many seconds does fading take?", "FADE_SECONDS = 8", "line 3"),
    ("recall.pdf", "What refund does a customer with a melted switch receive?", "eighty euros", "pages 2–3"),
    ("settings.yaml", "What is the upload limit in megabytes?", "upload_limit: 25", "lines 1–2"),
]


ALIKE = {".htm", ".markdown", ".tab", ".tex", ".text", ".tsv", ".xhtml"}
"""Suffixes of formats that have another suffix too."""


@pytest.fixture(scope="module")
def corpus_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = tmp_path_factory.mktemp("formats") / "corpus"
    corpus.mkdir()
    for name, data in FILES.items():
        (corpus / name).write_bytes(data)
    return corpus


@pytest.fixture(scope="module")
def synced(corpus_of_all: Path, embedder: SentenceTransformerEmbedder) -> tuple[Retriever, SyncReport]:
    embeddings = corpus_of_all.with_name("embeddings")
    report = sync(corpus_of_all, embeddings, embedder=embedder)
    return Retriever.open(embeddings, embedder=embedder), report


def test_every_format_is_indexed(synced: tuple[Retriever, SyncReport]) -> None:
    assert synced[1].skipped == ()
    assert synced[1].diff.added == tuple(sorted(FILES))
    assert {Path(path).suffix for path in FILES} == SUFFIXES - {*CODE, *ALIKE} | {".py", ".yaml"}


def test_the_status_of_a_corpus_of_every_format(
    synced: tuple[Retriever, SyncReport], corpus_of_all: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--corpus", str(corpus_of_all), "--embeddings", str(corpus_of_all.with_name("embeddings"))]
    assert main(["status", *folders]) == 0
    assert f"documents  {len(FILES)}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("path", "question", "words", "locator"), QUESTIONS, ids=[path for path, *_ in QUESTIONS])
def test_a_question_is_answered_from_each_format_with_its_place(
    synced: tuple[Retriever, SyncReport], path: str, question: str, words: str, locator: str
) -> None:
    answer = synced[0].ask(question)
    quotes = {quote.document: quote for quote in answer.quotes}
    assert answer.answered
    assert answer.hits[0].passage.document == path
    assert words in quotes[path].text
    assert quotes[path].citation.endswith(f", {locator}")
