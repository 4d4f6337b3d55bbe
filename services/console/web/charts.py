"""Small charts as SVG, drawn on the server: colours come from the stylesheet, and words say the same. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

WIDTH, HEIGHT = 120, 28
_EDGE = 2
_PLOT, _ABOVE, _BELOW, _LEFT = 132, 8, 20, 8.0
"""Of `columns`: pixels of the plot, above and below it, and percent of the width for the axis."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart over time: its name, what stands under it (may be empty), and its parts from the bottom."""

    name: str
    mark: str
    parts: tuple[float, ...]

    @property
    def total(self) -> float:
        """How high it is."""
        return sum(self.parts)


def sparkline(values: Sequence[float], label: str, *, width: int = WIDTH, height: int = HEIGHT) -> Markup:
    """A line through the values, oldest first, from zero up; `label` is what it says for those who do not see it."""
    top = max(values, default=0) or 1
    step = (width - 2 * _EDGE) / max(1, len(values) - 1)
    points = " ".join(
        f"{_EDGE + at * step:.1f},{height - _EDGE - (height - 2 * _EDGE) * value / top:.1f}"
        for at, value in enumerate(values)
    )
    line = Markup('<polyline class="chart-line" points="{}" fill="none"/>').format(points)
    return _svg("spark", line, label, width, height)


def columns(values: Sequence[Column], label: str) -> Markup:
    """Stacked columns with both axes. As wide as there is room, while words keep their size: across, all is percent."""
    top = _round_up(max((one.total for one in values), default=0))
    slot = (100 - _LEFT) / max(1, len(values))
    drawn = [_rule(share, top) for share in (0, 0.5, 1)]
    for at, one in enumerate(values):
        left = _LEFT + at * slot
        drawn.append(_column(one, left + slot * 0.14, slot * 0.72, top))
        if one.mark:
            place = f"{left + slot / 2:.2f}%"
            drawn.append(_text(one.mark, place, f"{_ABOVE + _PLOT + 15}", "chart-mark"))
    height = _ABOVE + _PLOT + _BELOW
    inner = Markup("").join(drawn)
    return Markup(
        '<svg class="chart chart-columns" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    ).format(label, height, inner)


def share_bar(parts: Sequence[float]) -> Markup:
    """How parts share a whole, as a strip; the words beside it say the same, so it is for the eye alone."""
    whole, left = sum(parts) or 1, 0.0
    drawn: list[Markup] = []
    for at, part in enumerate(parts):
        width = 100 * part / whole
        if part:
            drawn.append(
                Markup('<rect class="chart-share-{}" x="{}%" y="0" width="{}%" height="10"/>').format(
                    at, f"{left:.3f}", f"{width:.3f}"
                )
            )
        left += width
    return Markup('<svg class="chart chart-shares" aria-hidden="true" width="100%" height="10">{}</svg>').format(
        Markup("").join(drawn)
    )


def _column(one: Column, left: float, width: float, top: float) -> Markup:
    """Its parts, one on the other; all of it says its name and number when pointed at."""
    drawn, base = list[Markup](), float(_ABOVE + _PLOT)
    for at, part in enumerate(one.parts):
        height = _PLOT * part / top
        base -= height
        if part:
            drawn.append(
                Markup('<rect class="chart-part-{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                    at, f"{left:.2f}", f"{base:.1f}", f"{width:.2f}", f"{height:.1f}"
                )
            )
    return Markup("<g><title>{}: {:g}</title>{}</g>").format(one.name, one.total, Markup("").join(drawn))


def _rule(share: float, top: float) -> Markup:
    """A line across, with its number before it unless that is a fraction."""
    y = _ABOVE + _PLOT * (1 - share)
    line = Markup('<line class="chart-rule" x1="{0}%" x2="100%" y1="{1:.1f}" y2="{1:.1f}"/>').format(_LEFT, y)
    number = top * share
    return line if number % 1 else line + _text(_short(number), f"{_LEFT - 1.2:.1f}%", f"{y + 4:.1f}", "chart-number")


def _text(words: str, x: str, y: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, x, y, words)


def _short(number: float) -> str:
    """A number of the axis in few letters: 500, 1k, 20k, 5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _round_up(most: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ... that is not less: where an axis ends."""
    if most <= 1:
        return 1
    power = 10 ** floor(log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most)


def _svg(kind: str, inner: Markup, label: str, width: int, height: int) -> Markup:
    return Markup(
        '<svg class="chart chart-{}" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format(kind, label, width, height, width, height, inner)
