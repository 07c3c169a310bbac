"""Numbering: which lines that stand alone are headings by their numbers, ``3.2 Upgrades``, and not items of a list."""

import re
from collections.abc import Sequence
from itertools import pairwise

Number = tuple[int, ...]

NUMBERED = re.compile(
    r"((?:[Cc]hapter|CHAPTER|[Aa]ppendix|APPENDIX|[Pp]art|PART|[Ss]ection|SECTION)\s+)?"
    r"(\d{1,3}(?:\.\d{1,3})*|[A-Z](?:\.\d{1,3})*)[.:]?\s+(?=\S)(?![a-z])(?=.*[^\W\d_]{2})",
    re.DOTALL,
)
SENTENCE_END = ".,;:!?"
MAX_HEADING = 120
"""Characters; what is longer is a paragraph."""
MIN_HEADINGS = 3
"""How many numbered headings a document has at least; fewer such lines may be anything."""
AFTER_DIGITS = 1_000
"""Appendices, which have letters for numbers, come after all chapters."""


def find_numbered_headings(lines: Sequence[str]) -> list[int]:
    """Return how deep each line is as a numbered heading, 1 for ``2 Usage`` and 2 for ``2.1 Upgrades``, or 0 for none.

    The numbers of headings rise through a document, and none is left out. A single number is only known as that of a
    heading by the word before it, ``Chapter 2``, or by the ``2.1`` that comes next; else the line may be an item of a
    list. Where the first heading comes again, what stood before that is a list of contents.
    """
    numbered = [(i, lines[i], *found) for i in range(len(lines)) if (found := _number(lines[i]))]
    depths = [0] * len(lines)
    seen: set[Number] = set()
    first = last = Number()
    for (i, line, number, is_named), (_, _, following, _) in pairwise([*numbered, (0, "", Number(), False)]):
        has_child = following == (*number, 1)
        if len(number) == 1 and not is_named and not has_child:
            continue
        if number == first:
            depths, seen, last = [0] * len(lines), set(), Number()
        is_next = number[-1] <= 1 or number[-1] == ord("A") + AFTER_DIGITS or (*number[:-1], number[-1] - 1) in seen
        if number > last and is_next:
            first, last = first or number, number
            seen.add(number)
            if has_child or line[-1] not in SENTENCE_END:
                depths[i] = len(number)
    return depths if sum(map(bool, depths)) >= MIN_HEADINGS else [0] * len(lines)


def _number(line: str) -> tuple[Number, bool] | None:
    """Return the number before a line, and whether a word says what it counts."""
    found = NUMBERED.match(line) if len(line) <= MAX_HEADING else None
    if found is None:
        return None
    parts = found[2].split(".")
    number = tuple(int(part) if part.isdecimal() else AFTER_DIGITS + ord(part) for part in parts)
    is_word = not found[1] and len(number) == 1 and number[0] > AFTER_DIGITS
    return None if is_word else (number, bool(found[1]))
