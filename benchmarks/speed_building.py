"""How fast an index is made and brought up to date, beside what; and what the fast form of the model finds."""

from collections.abc import Sequence
from functools import partial

from profiling import OTHERS
from speed_bench import Bench, build_index, temporary_folder
from speed_table import Outcome, Result, compare, show
from timing import Figures, alternate, run_job, take_median

PEERS = ("LangChain", "LlamaIndex", "Haystack", "txtai", "Chroma")
CHANGING = 1_000
"""Documents, of which one is changed."""


def build(bench: Bench) -> Outcome:
    """Compare a sync from text files with the mere embedding of their passages by sentence-transformers."""
    ours, theirs = alternate(
        bench.form.repeats, partial(build_index, bench.corpus()), partial(run_job, "encode", bench.passages())
    )
    with temporary_folder() as folder:
        first = run_job("first_build", bench.corpus(), folder / "store", env={"DOCQA_CACHE": str(folder / "cache")})
    passages = f"{ours[0]['passages']:,} passages"
    return Outcome(
        [
            compare(
                f"index build of {passages}, end to end from text files, the fast form already made",
                "`SentenceTransformer.encode` of the passages alone",
                _rate(ours),
                _rate(theirs),
                "passages/s",
                least=3.0,
            ),
            Result("the first sync ever, making the fast form and importing torch included", first["seconds"], "s"),
        ]
    )


def compare_peers(bench: Bench) -> Outcome:
    """Compare a sync from text files with other libraries' indexing of its passages, already in memory."""
    index = [partial(run_job, "peer", name, bench.passages(), python=bench.peers) for name in PEERS]
    ours, *others = alternate(bench.form.repeats, partial(build_index, bench.corpus()), *index)
    rows = zip(PEERS, others, strict=True)
    return Outcome(
        [compare("index build", name, _rate(ours), _rate(theirs), "passages/s", least=3.0) for name, theirs in rows]
    )


def judge(bench: Bench) -> Outcome:
    """Compare what is found with the fast form of the model and with the model itself."""
    sets = (bench.form.judged, bench.form.judged_questions)
    fast, reference = (run_job("quality", bench.evaluation, *sets, form) for form in ("fast", "reference"))
    labels = {
        "squad.first": "SQuAD: the first hit holds the answer, %",
        "squad.five": "SQuAD: one of five does, %",
        "cranfield.ndcg": "Cranfield: nDCG@10",
    }
    return Outcome(
        [
            Result(
                f"fast path, {label}",
                100 * (fast[name] - reference[name]),
                "points",
                "the model computed by torch",
                show(100 * fast[name], ""),
                show(100 * reference[name], ""),
                least=-0.5,
            )
            for name, label in labels.items()
            if name in fast
        ]
    )


def change(bench: Bench) -> Outcome:
    """Compare a sync of one changed document, and of none, with a full one."""
    with temporary_folder() as folder:
        run_job("write_corpus", bench.evaluation, folder / "corpus", "cranfield", CHANGING)
        found = run_job("change", folder / "corpus", folder / "stores", bench.form.repeats)
    full, changed, unchanged = found["full"], found["changed"], found["unchanged"]
    name, shown = f"1 of {CHANGING:,} documents changed", (show(changed, "s"), show(full, "s"))
    return Outcome(
        [
            Result(name, 100 * changed / full, "%", "a full sync", *shown, most=3.0),
            Result(f"none of {CHANGING:,} documents changed", unchanged, "s", most=0.5),
        ]
    )


def profile(bench: Bench) -> Outcome:
    """Tell where the time goes, with the fast form of the model and with the model itself."""
    fast, reference = (run_job("profile", bench.corpus(), bench.questions(), form) for form in ("fast", "reference"))
    columns = {
        "build": fast["build"],
        "build, torch": reference["build"],
        "query": fast["query"],
        "query, torch": reference["query"],
    }
    return Outcome([], remarks=describe_profile(columns))


def describe_profile(columns: dict[str, dict[str, float]]) -> str:
    """Lay out the shares of modules as a table, the largest first."""
    names = {name for shares in columns.values() for name in shares}
    modules = sorted(names, key=lambda name: (name == OTHERS, -max(shares.get(name, 0) for shares in columns.values())))
    lines = [["where the time goes, %", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[name, *(_share(shares.get(name)) for shares in columns.values())] for name in modules]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate(runs: Sequence[Figures]) -> float:
    return float(runs[0]["passages"] / take_median(runs, "seconds"))


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"
