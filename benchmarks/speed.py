"""Measure how fast docqa is, each figure beside what it is compared with in the same run.

The full form takes an hour and 30 GB of disk, and writes docs/speed.md and docs/speed.svg; ``--quick`` takes minutes,
and writes the same into build/speed-quick. Steps can be run one by one: what the others found is kept.
"""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from growth_plot import Line, Panel, draw
from speed_bench import FULL, QUICK, Bench
from speed_building import build, change, compare_peers, judge, profile
from speed_serving import grow, serve, serve_large, serve_many, start_cold
from speed_table import Outcome, Steps, describe, keep, load, put_between
from timing import JobError, describe_machine

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/speed.md"
STEPS: dict[str, Callable[[Bench], Outcome]] = {
    "build": build,
    "peers": compare_peers,
    "quality": judge,
    "cold": start_cold,
    "warm": serve,
    "million": serve_large,
    "growth": grow,
    "clients": serve_many,
    "change": change,
    "profile": profile,
}


def main() -> int:
    """Run steps, and write and print the table."""
    parser = _parser()
    args = parser.parse_args()
    if not args.evaluation.is_dir():
        parser.error(f"no question sets at '{args.evaluation}'; give the folder that holds them")
    folder = args.folder or ROOT / ("build/speed-quick" if args.quick else "build/speed")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DOCQA_CACHE"] = str(folder / "cache")  # so that the first sync ever is another than the others
    bench = Bench(QUICK if args.quick else FULL, args.evaluation, folder, args.peers)
    figures = args.json or folder.with_suffix(".json")
    for name in args.only or STEPS:
        if name == "peers" and not args.peers:
            print("peers: left out, for --peers is not given", file=sys.stderr)
            continue
        print(f"{name}: measuring", file=sys.stderr)
        try:
            outcome = STEPS[name](bench)
        except JobError as exc:
            print(exc, file=sys.stderr)
            return 1
        keep(figures, name, outcome, describe_machine(), f"{datetime.now(UTC):%Y-%m-%d}")
    write(load(figures), folder if args.quick else PAGE.parent)
    return 0


def write(steps: Steps, folder: Path) -> None:
    """Write the page and the plot into a folder, and print what is new on the page."""
    found = describe(steps, list(STEPS))
    (folder / PAGE.name).write_text(put_between(PAGE.read_text("utf-8"), found), "utf-8")
    if growth := steps.get("growth"):
        (folder / "speed.svg").write_text(draw_growth(growth["lines"]), "utf-8")
    print(found)


def draw_growth(lines: dict[str, list[tuple[float, float]]]) -> str:
    """Draw how the times of building and of queries grow."""
    build = [Line("from text files", lines["build"]), Line("embedded already", lines["write"])]
    query = [Line("p50", lines["query"])]
    return draw([Panel("Build, seconds", build, 1, "linear"), Panel("Query, milliseconds", query, 0.5, "square root")])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = ROOT.parent / "shared/eval"
    parser.add_argument("evaluation", nargs="?", type=Path, default=beside, help="where the question sets are")
    parser.add_argument("--quick", action="store_true", help="measure less, and fewer times")
    parser.add_argument("--only", type=_steps, metavar="STEPS", help=f"measure only these: {','.join(STEPS)}")
    parser.add_argument(
        "--peers", default="", metavar="PYTHON", help="the Python of the environment of the other libraries"
    )
    parser.add_argument("--folder", type=Path, help="keep what is made to be measured here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures here")
    return parser


def _steps(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in STEPS]:
        raise argparse.ArgumentTypeError(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
