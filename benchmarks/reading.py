"""Measure how well and how fast files are read, beside other libraries; ``make bench-reading`` prints the table.

The files stand beside the project and are no part of it; docs/formats.md keeps the table and says what it means.
"""

import argparse
import json
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docqa import DocumentReadError
from docqa.reading import SUFFIXES, read_document
from reading_answers import measure_answers
from word_order import find_words, order_f1

DOCUMENTS = Path(__file__).parents[2] / "shared/eval/documents"
PEERS = ("kreuzberg", "markitdown", "docling")
POLICY = "txt/debian-policy.txt"
SPEECH = "pdf/state_of_the_union_2024.pdf"
PAIRS = {
    "Debian Policy, PDF": ("pdf/debian-policy.pdf", POLICY),
    "Debian Policy, EPUB": ("epub/debian-policy.epub", POLICY),
    "Debian Policy, web pages": ("html/debian-policy", POLICY),
    "FHS, PDF": ("pdf/fhs-3.0.pdf", "txt/fhs-3.0.txt"),
    "Guide for Debian Maintainers, PDF": ("pdf/debmake-doc.en.pdf", "txt/debmake-doc.en.txt"),
    "Guide for Debian Maintainers, EPUB": ("epub/debmake-doc.en.epub", "txt/debmake-doc.en.txt"),
    "State of the Union, PDF": (SPEECH, "../chunking/documents/state_of_the_union.md"),
}
"""A document in one format, and the same as text; of the speech it is another transcript."""
PAGES = {"pdf/debian-policy.pdf": 193, "pdf/debmake-doc.en.pdf": 143, "pdf/fhs-3.0.pdf": 50, "pdf/us_GSA2022.pdf": 41}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a library made of a file: its text, or why there is none, and the CPU seconds that took."""

    text: str
    problem: str
    seconds: float


Readings = Mapping[str, Reading]
"""By the path of the file within `DOCUMENTS`."""


def list_pages(folder: Path) -> list[Path]:
    """List the web pages of a book in the order of its table of contents."""
    links = re.findall(
        r'"toctree-l1"><a class="reference internal" href="([^"#]+)', (folder / "index.html").read_text("utf-8")
    )
    return [folder / name for name in dict.fromkeys(["index.html", *links])]


def read_files(paths: Iterable[str]) -> dict[str, Reading]:
    """Read files with docqa."""
    readings = {}
    for path in paths:
        data = (DOCUMENTS / path).read_bytes()
        started, text, problem = time.process_time(), "", ""
        try:
            document = read_document(path, data, "")
            text = "\n".join(document[block.span] for block in document.blocks)
        except DocumentReadError as error:
            problem = error.reason
        readings[path] = Reading(text, problem, time.process_time() - started)
    return readings


def read_with_peer(python: Path, name: str, paths: Sequence[str]) -> dict[str, Reading]:
    """Read files with another library, in its own environment."""
    script = Path(__file__).with_name("reading_peers.py")
    command: list[str | Path] = [python, script, name, *(DOCUMENTS / path for path in paths)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [json.loads(line) for line in lines if line.startswith('{"path"')]
    return {path: Reading(one["text"], one["problem"], one["seconds"]) for path, one in zip(paths, found, strict=True)}


def measure_words(readings: Readings) -> dict[str, str]:
    """Compare the words of documents with the same documents as text, those of PDFs with the footnotes apart too."""
    figures = {}
    for name, (path, reference) in PAIRS.items():
        folder = DOCUMENTS / path
        parts = [str(page.relative_to(DOCUMENTS)) for page in list_pages(folder)] if folder.is_dir() else [path]
        words = find_words("\n".join(readings[part].text for part in parts))
        expected = find_words((DOCUMENTS / reference).read_text("utf-8"))
        figures[name] = f"{order_f1(words, expected):.3f}"
        if path.endswith(".pdf"):
            figures[f"{name}, footnotes apart"] = f"{order_f1(words, expected, threads=2):.3f}"
    return figures


def measure_files(readings: Readings) -> dict[str, str]:
    """Count the files that are read and refused, and the pages of PDF that are read in a second."""
    seconds = sum(readings[path].seconds for path in PAGES)
    read = [path for path, reading in readings.items() if reading.text.strip()]
    refused = [path for path, reading in readings.items() if reading.problem]
    return {
        f"pages a CPU second, {len(PAGES)} PDFs": f"{sum(PAGES.values()) / seconds:.0f}",
        f"of {len(readings)} files: read": str(len(read)),
        "refused with a reason": str(len(refused)),
        "empty without a reason": str(len(readings) - len(read) - len(refused)),
    }


def describe(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Lay the figures out as a table, a dash where a library has none."""
    rows = dict.fromkeys(row for figures in columns.values() for row in figures)
    lines = [["", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[row, *(figures.get(row, "–") for figures in columns.values())] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print what was measured as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="the Python of the environment that has the other libraries")
    parser.add_argument("--store", type=Path, help="where to keep indexes, to ask the questions of each format too")
    options = parser.parse_args()
    files = [path for path in sorted(DOCUMENTS.rglob("*")) if path.suffix in SUFFIXES - {".tsv"}]
    paths = [str(path.relative_to(DOCUMENTS)) for path in files]
    readings = {"docqa": read_files(paths)}
    for name in PEERS if options.peers else ():
        readings[name] = read_with_peer(options.peers, name, paths)
    columns = {name: {**measure_words(read), **measure_files(read)} for name, read in readings.items()}
    if options.store:
        columns["docqa"] |= measure_answers(options.store, DOCUMENTS)
    print(describe(columns))


if __name__ == "__main__":
    main()
