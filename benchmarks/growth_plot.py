"""The growth plot: time against passages, both axes logarithmic, as an SVG that suits a light and a dark page."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 308
LEFT, TOP, PANEL, DEPTH, GAP = 56, 56, 290, 200, 96
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #3d444d }
.title { font-weight: 600 } .tick { font-size: 11px }
.grid { stroke: #8b949e; stroke-opacity: .3 } .guide { stroke: #8b949e; stroke-dasharray: 3 4 }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 }
polyline { fill: none !important; stroke-width: 2 } tspan { stroke: none !important }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 } .a { stroke: #58a6ff; fill: #58a6ff } .b { stroke: #f0883e; fill: #f0883e } }
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel: points of passages and time, at least two of them to be joined."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same axes, and the slope of a dashed line through the first point of the first."""

    title: str
    lines: Sequence[Line]
    slope: float
    guide: str


def draw(panels: Sequence[Panel]) -> str:
    """Draw panels beside one another."""
    parts = [part for place, panel in enumerate(panels) for part in _draw_panel(panel, LEFT + place * (PANEL + GAP))]
    body = "\n".join(parts)
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f'{start} role="img">\n<title>Time by passages</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n'


def measure_slope(points: Points) -> float:
    """Return the exponent of growth: the slope of the line of least squares through the points' logarithms."""
    xs, ys = [log10(x) for x, _ in points], [log10(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    deviations = [(x - mean_x, y - mean_y) for x, y in zip(xs, ys, strict=True)]
    return sum(x * y for x, y in deviations) / sum(x * x for x, _ in deviations)


def _draw_panel(panel: Panel, left: float) -> list[str]:
    frame = _Frame.around([point for line in panel.lines for point in line.points], left)
    bottom, right = TOP + DEPTH, left + PANEL
    parts = [_text(left, TOP - 28, panel.title, "title")]
    for power in frame.powers_x:
        x = frame.x(10.0**power)
        parts += [_rule(x, TOP, x, bottom), _text(x, bottom + 18, _count(power), "tick", "middle")]
    for power in frame.powers_y:
        y = frame.y(10.0**power)
        parts += [_rule(left, y, right, y), _text(left - 8, y + 4, _number(power), "tick", "end")]
    parts.append(_text((left + right) / 2, bottom + 38, "passages", "tick", "middle"))
    parts += _draw_guide(panel, frame)
    for kind, line in zip("ab", panel.lines, strict=False):
        parts += _draw_line(line, kind, frame)
    names = [(line.name, kind) for kind, line in zip("ab", panel.lines, strict=False)]
    legend = [
        f'<tspan class="{kind}" dx="12">{name}</tspan>' for name, kind in [*names, (f"dashed: {panel.guide}", "")]
    ]
    return [*parts, _text(left - 12, TOP - 10, "".join(legend), "tick")]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Whole powers of ten around points, and where they are drawn."""

    left: float
    powers_x: range
    powers_y: range

    @classmethod
    def around(cls, points: Points, left: float) -> "_Frame":
        powers = [
            range(floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1) + 1)
            for values in zip(*points, strict=True)
        ]
        return cls(left, *powers)

    def x(self, value: float) -> float:
        return self.left + PANEL * (log10(value) - self.powers_x[0]) / (len(self.powers_x) - 1)

    def y(self, value: float) -> float:
        return TOP + DEPTH * (1 - (log10(value) - self.powers_y[0]) / (len(self.powers_y) - 1))


def _draw_guide(panel: Panel, frame: _Frame) -> list[str]:
    """Draw the dashed line as far as the panel reaches."""
    x, y = panel.lines[0].points[0]
    top = 10.0 ** frame.powers_y[-1]
    last = min(10.0 ** frame.powers_x[-1], x * (top / y) ** (1 / panel.slope))
    end = y * (last / x) ** panel.slope
    return [_rule(frame.x(x), frame.y(y), frame.x(last), frame.y(end), "guide")]


def _draw_line(line: Line, kind: str, frame: _Frame) -> list[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
    return [f'<polyline class="{kind}" points="{path}"/>', *dots]


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _count(power: int) -> str:
    """Show a power of ten as people count passages."""
    return f"{10 ** (power % 3)} {('', 'k', 'M')[power // 3]}".strip()


def _number(power: int) -> str:
    return f"{10.0**power:,.{max(0, -power)}f}"
