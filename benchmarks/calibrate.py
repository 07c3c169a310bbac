"""Fit the confidence: the probability that a corpus answers a question, from the evidence of its best hits.

Fifty answerable questions on each document are asked of all documents, and of all but that one; and fifty that are
written to look answerable. One logistic regression tells the first two apart: whether the corpus is about the question.
Another tells the first from the last: whether the evidence says what is asked; there a question of the last kind counts
a tenth, for people seldom ask such. The weights stand in ``docqa.confidence``, and the confidence is the product. The
figures are cross-validated: no question is judged by weights fitted to questions on its own document.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import docqa
from docqa.answering import CONFIDENCE_HITS
from docqa.confidence import Signals
from docqa.store import open_generation

QUESTIONS_A_DOCUMENT = 50
FOLDS = 6
REGULARISATION = 1e-3
TRICK_WEIGHT = 0.1

ANSWERED, ABSENT, TRICK = "answered", "absent", "trick"


def main() -> None:
    """Print the weights and how well they tell answered questions from unanswered ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared/eval/squad")
    folder = parser.parse_args().folder
    if not folder.exists():
        parser.error(f"no question set at {folder}")
    with tempfile.TemporaryDirectory() as temporary:
        signals, kinds, folds = zip(*samples(folder, Path(temporary)), strict=True)
    kind, fold = np.array(kinds), np.array(folds)
    about, says = np.array([one.about for one in signals]), np.array([one.says for one in signals])
    chance = np.empty(len(kind))
    for held_out in range(FOLDS):
        inside = fold == held_out
        one, other = fit_both(about[~inside], says[~inside], kind[~inside])
        chance[inside] = predict(about[inside], one) * predict(says[inside], other)
    for name, weights in zip(("ABOUT_WEIGHTS", "SAYS_WEIGHTS"), fit_both(about, says, kind), strict=True):
        print(f"{name} = {tuple(np.round(weights, 1).tolist())}")
    report({name: chance[kind == name] for name in (ANSWERED, ABSENT, TRICK)})


def samples(folder: Path, temporary: Path) -> Iterator[tuple[Signals, str, int]]:
    """Yield the signals of each question, its kind, and its fold."""
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]
    embedder = docqa.SentenceTransformerEmbedder()
    documents = sorted(path.name for path in (folder / "documents").iterdir())
    docqa.sync(folder / "documents", temporary / "all", embedder=embedder)
    everything = docqa.Retriever(open_generation(temporary / "all"), embedder)
    for number, document in enumerate(documents):
        for answerable in (True, False):
            asked = [q["question"] for q in questions if q["document"] == document and q["answerable"] is answerable]
            random.Random(number).shuffle(asked)
            for question in asked[:QUESTIONS_A_DOCUMENT]:
                yield signals_of(everything, question, None), ANSWERED if answerable else TRICK, number % FOLDS
                if answerable:
                    yield signals_of(everything, question, document), ABSENT, number % FOLDS


def signals_of(retriever: docqa.Retriever, question: str, without: str | None) -> Signals:
    """Return the signals of the best hit by token matches, the hits in one document left out.

    That stands for a corpus without the document, up to the rarity of words and the last places of the ranking.
    """
    _, found = retriever._find(question, (), 20 * CONFIDENCE_HITS)
    kept = [one.evidence().signals for one in found if one.hit.passage.document != without][:CONFIDENCE_HITS]
    return max(kept, key=lambda signals: signals.match)


def fit_both(about: np.ndarray, says: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the weights that tell what the corpus is about, and those that tell whether it says what is asked."""
    answered, absent, trick = (kind == name for name in (ANSWERED, ABSENT, TRICK))
    one, other = answered | absent, answered | trick
    return (
        fit(about[one], answered[one], np.ones(one.sum())),
        fit(says[other], answered[other], np.where(trick[other], TRICK_WEIGHT, 1)),
    )


def fit(signals: np.ndarray, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Fit a logistic regression by Newton's method, each row counting as given; the last weight is the constant."""
    rows = np.c_[signals, np.ones(len(signals))]
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-rows @ weights))
        curvature = rows.T @ (rows * (counts * chance * (1 - chance))[:, None]) + REGULARISATION * np.eye(len(weights))
        weights += np.linalg.solve(curvature, rows.T @ (counts * (positive - chance)) - REGULARISATION * weights)
    return weights


def predict(signals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the probabilities."""
    return np.asarray(1 / (1 + np.exp(-signals @ weights[:-1] - weights[-1])))


def report(chances: dict[str, np.ndarray]) -> None:
    """Print how well the confidence tells the kinds apart."""
    for kind in (ABSENT, TRICK):
        print(f"AUROC, answered against {kind}: {area(chances[ANSWERED], chances[kind]):.4f}")
    for least in (0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        shares = ", ".join(f"{kind} {100 * (found < least).mean():.1f} %" for kind, found in chances.items())
        print(f"refused below {least}: {shares}")


def area(above: np.ndarray, below: np.ndarray) -> float:
    """Compute the area under the ROC curve: the chance that one of the first scores above one of the second."""
    difference = above[:, None] - below[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


if __name__ == "__main__":
    main()
