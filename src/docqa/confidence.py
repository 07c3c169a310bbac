"""Confidence: signals of the best evidence → the probability that the corpus answers the question.

It is the probability that the corpus is about what is asked, times the probability that the sentence then says it; each
is a logistic regression that benchmarks/calibrate.py fits. Pure functions.
"""

import math
import re
from dataclasses import dataclass

from docqa.terms import WORD, extract_terms

ABOUT_WEIGHTS = (8.5, 2.8, 23.2, -17.0)
"""Of `Signals.about` and a constant, fitted to questions of SQuAD 2.0 with and without the document that answers."""
SAYS_WEIGHTS = (3.6, 0.4, -2.8, -0.8, -2.4, 0.3)
"""Of `Signals.says` and a constant, fitted to SQuAD 2.0's questions and those written to look answerable, each of which
counts a tenth: people seldom ask such."""
CALIBRATED_FOR = "all-MiniLM-L6-v2"
"""The model whose evidence the weights were fitted to."""
MOST_UNNAMED = 2
"""More names than that, missing, say no more."""

DENIAL = re.compile(
    r"\b(?:not|never|no|none|nor|neither|without|except|cannot|unable|fail(?:ed|s)?|refus\w+|lack\w*|nobody|nothing"
    r"|unlike|other than|exclud\w+|prevent\w*|forb[ia]d\w*|prohibit\w*|hardly|rarely)\b|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the evidence of a hit tells about whether it answers a question.

    ``similarity`` is the cosine of the best sentence or of its passage, ``sentence_similarity`` of the sentence alone;
    ``coverage`` is the share of the question's information in the evidence and the headings above it; ``match`` says
    how well the hit meets the question's tokens, and ``scattered`` how much worse the sentence alone does; ``unnamed``
    counts the question's names and numbers that stand nowhere near; ``denied`` is whether the question denies
    something that the evidence and the headings above it do not.
    """

    similarity: float
    coverage: float
    match: float
    sentence_similarity: float
    scattered: float
    unnamed: int
    denied: bool

    @property
    def about(self) -> tuple[float, ...]:
        """Return those that tell whether the corpus is about the question."""
        return self.similarity, self.coverage, self.match

    @property
    def says(self) -> tuple[float, ...]:
        """Return those that tell whether the sentence says what is asked."""
        missing = min(self.unnamed, MOST_UNNAMED)
        return self.sentence_similarity, self.match, float(self.denied), missing, self.scattered


def estimate_confidence(signals: Signals) -> float:
    """Estimate the probability that the corpus answers a question from its best evidence."""
    return _chance(ABOUT_WEIGHTS, signals.about) * _chance(SAYS_WEIGHTS, signals.says)


def is_denied(question: str, evidence: str) -> bool:
    """Tell whether a question denies something ("which did not ...") and the evidence denies nothing."""
    return bool(DENIAL.search(question)) and not DENIAL.search(evidence)


def extract_names(question: str) -> set[str]:
    """Collect the terms of a question that are written as names, with a capital, or as numbers.

    The first word has a capital anyway, and in a question where most words have one it means nothing.
    """
    words = WORD.findall(question)
    capital = [word for word in words[1:] if word[0].isupper()]
    named = capital if len(capital) <= len(words) / 2 else []
    return set(extract_terms(" ".join([*named, *(word for word in words if word[0].isdigit())])))


def _chance(weights: tuple[float, ...], signals: tuple[float, ...]) -> float:
    """Compute a logistic regression; the last weight is the constant."""
    return 1 / (1 + math.exp(-weights[-1] - sum(w * s for w, s in zip(weights[:-1], signals, strict=True))))
