"""Measure how well files are read against the same documents as text, if they are beside the project."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from rapidfuzz.distance import LCSseq

from docqa.reading import read_document

DOCUMENTS = Path(__file__).parents[2] / "shared/eval/documents"
PAIRS = {
    "pdf/debian-policy": "txt/debian-policy.txt",
    "pdf/fhs-3.0": "txt/fhs-3.0.txt",
    "pdf/debmake-doc.en": "txt/debmake-doc.en.txt",
    "pdf/state_of_the_union_2024": "../chunking/documents/state_of_the_union.md",
}
"""PDFs and the same documents as text; of the speech it is another transcript."""
WORD = re.compile(r"\w+")


def order_f1(words: Sequence[str], reference: Sequence[str], *, threads: int = 1) -> float:
    """Return the F1 of words in order: the longest common subsequence of both, as a part of either.

    With two ``threads``, what is left of both is compared in the same way once more: footnotes may then stand at the
    end of a page in the one and at the end of a chapter in the other, in order.
    """
    total, common = len(words) + len(reference), 0
    for _ in range(threads):
        edits = LCSseq.editops(words, reference)
        common += len(words) - sum(edit.tag == "delete" for edit in edits)
        words = [words[edit.src_pos] for edit in edits if edit.tag == "delete"]
        reference = [reference[edit.dest_pos] for edit in edits if edit.tag == "insert"]
    return 2 * common / total if total else 1.0


def find_words(text: str) -> list[str]:
    """List the words of a text in lower case, digits included, marks left out."""
    return WORD.findall(text.casefold())


def main() -> None:
    """Print how well and how fast the PDFs beside the project are read."""
    for name, reference in PAIRS.items():
        data = (DOCUMENTS / f"{name}.pdf").read_bytes()
        started = time.process_time()
        document = read_document(f"{name}.pdf", data, "")
        seconds = time.process_time() - started
        words = find_words(document.text), find_words((DOCUMENTS / reference).read_text("utf-8"))
        pages = max(page.page for page in document.pages)
        print(
            f"{name:30} F1 in order {order_f1(*words):.4f}, with notes apart {order_f1(*words, threads=2):.4f}", end=""
        )
        print(f", {pages / seconds:.0f} pages a second")


if __name__ == "__main__":
    main()
