"""Stacked bars as an SVG that stands alone: readable on light and dark ground. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, BAR, GAP = 900, 210, 30, 16
KEY, TOP = 18, 34
COLOURS = tuple(
    f"#{one}"
    for one in "3b78b5 5aa0d8 8ec5ea 2f8f7f 63b8a5 a3d8c8 8a6fc0 b9a5de d98a3d c0504d 888888".split()  # noqa: SIM905 - a row of colours
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, and its parts in their order with their sizes."""

    name: str
    parts: Sequence[tuple[str, float]]

    @property
    def total(self) -> float:
        """How long it is."""
        return sum(size for _, size in self.parts)


def chart(title: str, bars: Sequence[Bar]) -> str:
    """The bars one below the other, with their sums, and a key to the colours."""
    names = list(dict.fromkeys(name for bar in bars for name, _ in bar.parts))
    longest = max((bar.total for bar in bars), default=0) or 1
    rows = -(-len(names) // 5)
    key_top = TOP + len(bars) * (BAR + GAP)
    height = key_top + rows * KEY + 10
    drawn = [_bar(bar, TOP + at * (BAR + GAP), longest, names) for at, bar in enumerate(bars)]
    key = [_key(name, at, key_top) for at, name in enumerate(names)]
    said = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}" '
        'font-family="system-ui, sans-serif" font-size="13">\n'
        f"<title>{said}</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="10" y="20" font-weight="bold" fill="#222222">{escape(title)}</text>\n'
        + "".join(drawn + key)
        + "</svg>\n"
    )


def _bar(bar: Bar, top: int, longest: float, names: Sequence[str]) -> str:
    scale = (WIDTH - LEFT - 70) / longest
    x = float(LEFT)
    found = [f'<text x="10" y="{top + 20}" fill="#222222">{escape(bar.name)}</text>\n']
    for name, size in bar.parts:
        width = max(0.0, size) * scale
        found.append(
            f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{_colour(name, names)}">'
            f"<title>{escape(name)}: {size:g}</title></rect>\n"
        )
        x += width
    found.append(f'<text x="{x + 6:.1f}" y="{top + 20}" fill="#222222">{bar.total:.2f}</text>\n')
    return "".join(found)


def _key(name: str, at: int, top: int) -> str:
    x, y = 10 + at % 5 * 175, top + at // 5 * KEY
    square = f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[at % len(COLOURS)]}"/>'
    return f'{square}<text x="{x + 18}" y="{y + 11}" fill="#222222">{escape(name)}</text>\n'


def _colour(name: str, names: Sequence[str]) -> str:
    return COLOURS[names.index(name) % len(COLOURS)]
