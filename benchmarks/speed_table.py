"""The table of speeds: what was measured, kept as JSON, shown as Markdown, and held against what was to be reached."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MARKERS = ("<!-- measured by benchmarks/speed.py -->", "<!-- end -->")
HEAD = ("", "beside", "docqa", "that", "measured", "to reach")
NONE = "–"


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table: a figure and, where there is one, the bound it is to keep.

    ``ours`` and ``theirs`` are shown, of what the figure is drawn from.
    """

    measure: str
    value: float
    unit: str
    beside: str = NONE
    ours: str = NONE
    theirs: str = NONE
    least: float | None = None
    most: float | None = None

    @property
    def bound(self) -> str:
        """Return the bound as it is shown."""
        if self.least is not None:
            return f"≥ {show(self.least, self.unit)}"
        return f"≤ {show(self.most, self.unit)}" if self.most is not None else NONE

    @property
    def is_short(self) -> bool:
        """Tell whether the figure does not keep its bound."""
        return (self.least is not None and self.value < self.least) or (
            self.most is not None and self.value > self.most
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found: rows of the table, points to draw by the name of a line, and what else is to be said."""

    results: Sequence[Result]
    lines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    remarks: str = ""


Steps = dict[str, dict[str, Any]]
"""What each step found, with where and when, as it is in the JSON file."""


def compare(measure: str, beside: str, ours: float, theirs: float, unit: str, **bounds: float) -> Result:
    """Compare a figure with another of the same unit, as how many times that it is."""
    return Result(measure, ours / theirs, "×", beside, show(ours, unit), show(theirs, unit), **bounds)


def compare_times(measure: str, beside: str, ours: float, theirs: float, unit: str, **bounds: float) -> Result:
    """Compare a time with another, as how many times faster it is."""
    return Result(measure, theirs / ours, "× faster", beside, show(ours, unit), show(theirs, unit), **bounds)


def show(value: float, unit: str) -> str:
    """Show a number with three digits at least, and its unit."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f} {unit}".strip()


def keep(path: Path, step: str, outcome: Outcome, machine: str, date: str) -> None:
    """Put what a step found into the JSON file, in place of what it found before."""
    steps = load(path)
    steps[step] = {"machine": machine, "date": date, **asdict(outcome)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(steps, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load(path: Path) -> Steps:
    """Load what was kept."""
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def describe(steps: Steps, order: Sequence[str]) -> str:
    """Describe all that was found: the table, what fell short, what is missing, remarks, and the machine."""
    found = {name: [Result(**result) for result in steps[name]["results"]] for name in order if name in steps}
    results = [result for some in found.values() for result in some]
    missing = [name for name in order if name not in steps]
    parts = [
        _lay_out(results) if results else "",
        _list("Short of what was to be reached", [_tell_shortfall(one) for one in results if one.is_short]),
        f"Not measured yet: {', '.join(missing)}." if missing else "",
        *(steps[name]["remarks"] for name in found),
        _list("Measured on", _tell_machines({name: steps[name] for name in found})),
    ]
    return "\n\n".join(filter(None, parts))


def put_between(page: str, text: str) -> str:
    """Put text between the markers of a page, in place of what is there."""
    before, _, rest = page.partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    return f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}"


def _lay_out(results: Sequence[Result]) -> str:
    lines: list[Sequence[str]] = [HEAD, ("---", "---", "---:", "---:", "---:", "---:")]
    for one in results:
        measured = show(one.value, one.unit)
        lines.append(
            (one.measure, one.beside, one.ours, one.theirs, f"**{measured}**" if one.is_short else measured, one.bound)
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _tell_shortfall(one: Result) -> str:
    beside = "" if one.beside == NONE else f", beside {one.beside}"
    return f"{one.measure}{beside}: {show(one.value, one.unit)}, where {one.bound} was to be reached."


def _tell_machines(steps: Steps) -> list[str]:
    """Tell where and when the steps were measured, those of one machine and day together."""
    places: dict[str, list[str]] = {}
    for name, step in steps.items():
        places.setdefault(f"{step['machine']}; {step['date']}", []).append(name)
    return [f"{', '.join(names)}: {place}." for place, names in places.items()]


def _list(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head}:", "", *(f"- {line}" for line in lines)]) if lines else ""
