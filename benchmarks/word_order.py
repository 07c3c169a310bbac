"""Words in order: how much two texts share of them."""

import re
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

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


def share_in_order(words: Sequence[str], within: Sequence[str]) -> float:
    """Return the share of some words that stand in others, in order; 1 of none."""
    return LCSseq.similarity(words, within) / len(words) if words else 1.0


def find_words(text: str) -> list[str]:
    """List the words of a text in lower case, digits included, marks left out."""
    return WORD.findall(text.casefold())
