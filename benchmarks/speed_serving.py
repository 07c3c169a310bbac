"""How fast questions are answered, from a cold start and warm, beside what; and how that grows with the passages."""

import sys
from functools import partial
from pathlib import Path
from statistics import median

from growth_plot import Points, measure_slope
from speed_bench import BYTES, Bench, build_index, temporary_folder
from speed_table import Outcome, Result, compare, compare_times
from timing import Figures, alternate, run_job, run_process, take_median

ROOT = Path(__file__).parents[1]
QUESTION = "Who leads the Three Seas Initiative?"
CLIENTS, REACHED_WITH = (1, 8, 32), 8
GROWTH = {"build": ("build time", 1.1), "write": ("the time of writing", 1.1), "query": ("query time", 0.5)}
"""What is measured at several sizes, and the exponent to keep: 1 is linear, ½ the square root."""
MB = 1e6
PLOT = "![Seconds of building and milliseconds of a query by passages, both axes logarithmic](speed.svg)"


def start_cold(bench: Bench) -> Outcome:
    """Compare a question asked on the command line with the shortest script that does as much."""
    store = bench.make("shipped", partial(run_job, "build", ROOT / "corpus"))
    beside = "the shortest script with sentence-transformers and faiss"
    with temporary_folder() as folder:
        script = run_job("write_shortest", store, folder / "shortest")
        docqa = [sys.executable, "-m", "docqa"]
        ask = partial(run_process, [*docqa, "ask", QUESTION, "--embeddings", str(store)])
        shortest = [str(ROOT / "benchmarks/shortest.py"), script["model"], str(folder / "shortest"), QUESTION]
        status = [*docqa, "status", "--embeddings", str(store), "--corpus", str(ROOT / "corpus")]
        measures = ask, partial(run_process, [sys.executable, *shortest]), partial(run_process, status)
        alternate(1, *measures)  # so that the files are in the system's cache
        asked, searched, looked = alternate(bench.form.repeats, *measures)
    seconds, theirs = (median(run.seconds for run in runs) for runs in (asked, searched))
    peak, their_peak = (median(run.peak for run in runs) for runs in (asked, searched))
    return Outcome(
        [
            compare_times("`docqa ask`, cold", beside, seconds, theirs, "s", least=8.0),
            Result("`docqa ask`, cold", seconds, "s", most=1.2),
            compare("`docqa ask`, cold, peak memory", beside, peak / MB, their_peak / MB, "MB", most=0.35),
            Result("`docqa status`, cold", median(run.seconds for run in looked), "s"),
        ]
    )


def serve(bench: Bench) -> Outcome:
    """Compare warm queries with those of a dense index, the query embedded by sentence-transformers."""
    ours, theirs = _query_both(bench, bench.form.served)
    name, beside = f"warm query, {bench.form.served:,} passages", "dense only: flat faiss, torch"
    return Outcome(
        [
            *(
                compare_times(f"{name}, {p}", beside, take_median(ours, p), take_median(theirs, p), "ms", least=2.0)
                for p in ("p50", "p99")
            ),
            Result(f"{name}, p99", take_median(ours, "p99"), "ms", most=40.0),
        ]
    )


def serve_large(bench: Bench) -> Outcome:
    """Compare queries of the largest store with an exact search, and its memory with that of a flat index."""
    large = bench.form.large
    if not large:
        return Outcome([], remarks="A million passages are measured in the full form only.")
    if not bench.has_room(large):
        return Outcome(
            [], remarks=f"{large:,} passages were not measured: they take {BYTES * large / 1e9:.0f} GB of disk."
        )
    ours, theirs = _query_both(bench, large)
    found = run_job("recall", bench.store(large), bench.questions())["recall"]
    p50, flat = take_median(ours, "p50"), ours[0]["flat"]
    name, beside = f"warm query, {large:,} passages", "dense only: flat faiss, exact, torch"
    return Outcome(
        [
            compare_times(f"{name}, p50", beside, p50, take_median(theirs, "p50"), "ms"),
            Result(f"{name}, p50", p50, "ms", most=60.0),
            Result(f"{name}, p99", take_median(ours, "p99"), "ms"),
            Result(f"recall@10 of the nearest of {large:,} passages", found, "", "exact search", least=0.99),
            compare(
                f"peak memory serving {large:,} passages, mapped files counted",
                "a float32 flat index of passages and sentences, computed",
                take_median(ours, "peak") / MB,
                flat / MB,
                "MB",
                most=0.25,
            ),
        ]
    )


def serve_many(bench: Bench) -> Outcome:
    """Compare queries a second of several clients, threads of one process, with one client's."""
    asked = (bench.store(bench.form.served), bench.questions())
    jobs = [partial(run_job, "query_together", *asked, clients) for clients in CLIENTS]
    one, *others = zip(CLIENTS, alternate(bench.form.repeats, *jobs), strict=True)
    results = []
    for clients, runs in others:
        name = f"{clients} clients at once, {bench.form.served:,} passages"
        rate, single = take_median(runs, "rate"), take_median(one[1], "rate")
        bound = {"least": 1.6} if clients == REACHED_WITH else {}
        results.append(compare(name, "1 client", rate, single, "queries/s", **bound))
        results += [Result(f"{name}, {p}", take_median(runs, p), "ms") for p in ("p50", "p99")]
    return Outcome(results)


def grow(bench: Bench) -> Outcome:
    """Measure building and queries at several sizes."""
    sizes = [size for size in bench.form.sizes if bench.has_room(size)]
    writes = [(size, bench.made(size)["seconds"]) for size in sizes]
    queries = [(size, _query_median(bench, size)) for size in sizes]
    builds = []
    for size in bench.form.synced:
        with temporary_folder() as folder:
            run_job("write_texts", bench.store(size), folder / "corpus")
            found = build_index(folder / "corpus")
        builds.append((found["passages"], found["seconds"]))
    growth = {"build": builds, "write": writes, "query": queries}
    return Outcome([_describe_growth(name, points) for name, points in growth.items()], growth, PLOT)


def _query_both(bench: Bench, passages: int) -> list[list[Figures]]:
    asked = (bench.store(passages), bench.questions())
    return alternate(bench.form.repeats, partial(run_job, "query", *asked), partial(run_job, "query_dense", *asked))


def _query_median(bench: Bench, passages: int) -> float:
    ask = partial(run_job, "query", bench.store(passages), bench.questions())
    return take_median(alternate(bench.form.repeats, ask)[0], "p50")


def _describe_growth(name: str, points: Points) -> Result:
    what, most = GROWTH[name]
    measure = f"exponent of the growth of {what}, {points[0][0]:,} to {points[-1][0]:,} passages"
    return Result(measure, measure_slope(points), "", most=most)
