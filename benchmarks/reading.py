"""Measure how well converted formats are read: their words, in order, against the same document as plain text."""

from collections.abc import Sequence


def order_f1(words_a: Sequence[str], words_b: Sequence[str]) -> float:
    """Compute the F1 of the words that two texts share in the same order, their longest common subsequence."""
    places: dict[str, int] = {}
    for i, word in enumerate(words_a):
        places[word] = places.get(word, 0) | 1 << i
    # all rows of the usual table at once, one bit a word (Hyyrö 2004): a bit is 0 where the sequence grows
    full = (1 << len(words_a)) - 1
    row = full
    for word in words_b:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & full
    common = len(words_a) - row.bit_count()
    return 2 * common / (len(words_a) + len(words_b)) if words_a or words_b else 1.0
