"""The measures, each over what docqa said to all questions; docs/evaluation.md defines them. No model, no index."""

from collections.abc import Iterable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from docqa.errors import EvaluationError
from docqa.evaluation.asking import DEPTH, Outcome

if TYPE_CHECKING:
    import ir_measures

Measures: TypeAlias = dict[str, float | None]
"""By name; None where the questions do not say, refusal where all can be answered for one."""

INSTALL = "pip install 'ir-measures>=0.4.3'"


def require_library() -> None:
    """Make sure, before minutes are spent, that the library of measures is installed.

    Raises:
        EvaluationError: it is not.
    """
    try:
        import ir_measures  # noqa: F401
    except ImportError as exc:
        raise EvaluationError(f"measuring needs the package ir-measures; run {INSTALL}") from exc


def compute_measures(outcomes: Sequence[Outcome]) -> Measures:
    """Compute every measure, in the order they are shown."""
    milliseconds = [1000 * outcome.seconds for outcome in outcomes]
    return {
        **_ranking(outcomes),
        **_spans(outcomes),
        **_evidence(outcomes),
        **_refusal(outcomes),
        "latency_median_ms": median(milliseconds),
        "latency_p95_ms": float(np.percentile(milliseconds, 95)),
    }


def _ranking(outcomes: Sequence[Outcome]) -> Measures:
    import ir_measures

    wanted = {
        "success@1": ir_measures.Success @ 1,
        "success@5": ir_measures.Success @ 5,
        "recall@10": ir_measures.R @ DEPTH,
        "mrr@10": ir_measures.RR @ DEPTH,
        "ndcg@10": ir_measures.nDCG @ DEPTH,
    }
    found = _aggregate(list(wanted.values()), [outcome for outcome in outcomes if outcome.question.answerable])
    measures: Measures = {name: found.get(measure) for name, measure in wanted.items()}
    if not any(outcome.question.relevant for outcome in outcomes):
        measures["recall@10"] = None  # of the places of one document, span_recall says it better
    return measures


def _aggregate(
    wanted: "list[ir_measures.measures.Measure]", outcomes: Sequence[Outcome]
) -> "dict[ir_measures.measures.Measure, float]":
    import ir_measures

    if not outcomes:
        return {}
    gold = {outcome.question.id: dict(outcome.relevant) for outcome in outcomes}
    found = {
        outcome.question.id: {name: -float(rank) for rank, name in enumerate(outcome.ranking)} for outcome in outcomes
    }
    return dict(ir_measures.calc_aggregate(wanted, gold, found))


def _spans(outcomes: Sequence[Outcome]) -> Measures:
    overlaps = [outcome.overlap for outcome in outcomes if outcome.overlap]
    return {
        "span_recall": _mean(overlap.recall for overlap in overlaps),
        "span_precision": _mean(overlap.precision for overlap in overlaps),
        "span_iou": _mean(overlap.iou for overlap in overlaps),
    }


def _evidence(outcomes: Sequence[Outcome]) -> Measures:
    sentences = (outcome.evidence_sentences for outcome in outcomes)
    right = (outcome.evidence_right for outcome in outcomes)
    return {
        "evidence_accuracy": _mean(one for one in right if one is not None),
        "evidence_sentences": _mean(count for count in sentences if count is not None),
    }


def _refusal(outcomes: Sequence[Outcome]) -> Measures:
    unanswerable = [outcome for outcome in outcomes if not outcome.question.answerable]
    answerable = [outcome for outcome in outcomes if outcome.question.answerable]
    refused = [outcome for outcome in outcomes if not outcome.answered]
    confidences, others = ([outcome.confidence for outcome in some] for some in (answerable, unanswerable))
    return {
        "refusal_precision": _mean(not one.question.answerable for one in refused) if unanswerable else None,
        "refusal_recall": _mean(not one.answered for one in unanswerable),
        "wrongly_refused": _mean(not one.answered for one in answerable),
        "confidence_auroc": compute_auroc(confidences, others),
    }


def compute_auroc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """Compute the probability that a positive scores above a negative, ties counting half.

    That is the area under the ROC curve: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    if not positive or not negative:
        return None
    ordered = np.sort(negative)
    below, not_above = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    return float((below + not_above).mean() / 2 / len(negative))


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None
