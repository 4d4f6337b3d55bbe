"""Small charts as SVG, drawn on the server: colours come from the stylesheet, and words say the same. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 120, 28
_EDGE = 2


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


def bars(values: Sequence[tuple[str, float]], label: str, *, width: int = 240, height: int = 64) -> Markup:
    """One bar per value, each with its name as a tooltip."""
    top = max((value for _, value in values), default=0) or 1
    slot = width / max(1, len(values))
    drawn = Markup("").join(
        Markup(
            '<rect class="chart-bar" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{}: {:g}</title></rect>'
        ).format(
            f"{at * slot + slot * 0.1:.1f}",
            f"{height - height * value / top:.1f}",
            f"{slot * 0.8:.1f}",
            f"{height * value / top:.1f}",
            name,
            value,
        )
        for at, (name, value) in enumerate(values)
    )
    return _svg("bars", drawn, label, width, height)


def _svg(kind: str, inner: Markup, label: str, width: int, height: int) -> Markup:
    return Markup(
        '<svg class="chart chart-{}" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format(kind, label, width, height, width, height, inner)
