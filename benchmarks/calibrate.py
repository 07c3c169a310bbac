"""Fit the confidence: the probability that a corpus answers a question, from the evidence of its best hits.

Fifty answerable questions on each document are asked twice: of all documents, and of all but that one. A logistic
regression tells the two apart from the three signals of `docqa.answering.Evidence`; its weights stand in
``docqa.answering.CONFIDENCE_WEIGHTS``. The figures are cross-validated: no question is judged by weights fitted to
questions on its own document.
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
from docqa.store import open_generation

QUESTIONS_A_DOCUMENT = 50
FOLDS = 6
REGULARISATION = 1e-3


def main() -> None:
    """Print the weights and how well they tell answered questions from unanswered ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared/eval/squad")
    folder = parser.parse_args().folder
    if not folder.exists():
        parser.error(f"no question set at {folder}")
    with tempfile.TemporaryDirectory() as temporary:
        signals, answered, folds = map(np.array, zip(*samples(folder, Path(temporary)), strict=True))
    held_out = np.empty(len(answered))
    for fold in range(FOLDS):
        held_out[folds == fold] = predict(signals[folds == fold], fit(signals[folds != fold], answered[folds != fold]))
    chance = 1 / (1 + np.exp(-held_out))
    print(f"weights {np.round(fit(signals, answered), 1).tolist()}")
    print(f"AUROC {area(held_out, answered):.4f}")
    for least in (0.2, 0.3, 0.4, 0.5, 0.6):
        refused, wrongly = (100 * (chance[answered == kind] < least).mean() for kind in (0, 1))
        print(f"answered from {least}: refused {refused:.1f} %, wrongly refused {wrongly:.1f} %")


def samples(folder: Path, temporary: Path) -> Iterator[tuple[list[float], int, int]]:
    """Yield the signals of each question, whether the corpus answers it, and its fold."""
    lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [question for question in map(json.loads, lines) if question["answerable"]]
    embedder = docqa.SentenceTransformerEmbedder()
    documents = sorted(path.name for path in (folder / "documents").iterdir())
    docqa.sync(folder / "documents", temporary / "all", embedder=embedder)
    everything = docqa.Retriever(open_generation(temporary / "all"), embedder)
    for number, document in enumerate(documents):
        asked = [question["question"] for question in questions if question["document"] == document]
        random.Random(number).shuffle(asked)
        for question in asked[:QUESTIONS_A_DOCUMENT]:
            yield signals_of(everything, question, None), 1, number % FOLDS
            yield signals_of(everything, question, document), 0, number % FOLDS


def signals_of(retriever: docqa.Retriever, question: str, without: str | None) -> list[float]:
    """Return the signals of the best hit by token matches, the hits in one document left out.

    That stands for a corpus without the document, up to the rarity of words and the last places of the ranking.
    """
    found = retriever._search(retriever._understand(question, ()), 20 * CONFIDENCE_HITS)
    kept = [evidence for hit, evidence in found if hit.passage.document != without][:CONFIDENCE_HITS]
    return max(([e.similarity, e.coverage, e.match] for e in kept), key=lambda signals: signals[2])


def fit(signals: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Fit a logistic regression by Newton's method; the last weight is the constant."""
    rows = np.c_[signals, np.ones(len(signals))]
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-rows @ weights))
        curvature = rows.T @ (rows * (chance * (1 - chance))[:, None]) + REGULARISATION * np.eye(len(weights))
        weights += np.linalg.solve(curvature, rows.T @ (answered - chance) - REGULARISATION * weights)
    return weights


def predict(signals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the logarithm of the odds."""
    return np.asarray(signals @ weights[:-1] + weights[-1])


def area(scores: np.ndarray, answered: np.ndarray) -> float:
    """Compute the area under the ROC curve: the chance that an answered question scores above an unanswered one."""
    above = scores[answered == 1][:, None] - scores[answered == 0][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


if __name__ == "__main__":
    main()
