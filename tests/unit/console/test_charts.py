"""Charts as SVG: heights that are true, axes that end at round numbers, words that are escaped."""

import re

import pytest

from services.console.web.charts import Column, columns, share_bar

PLOT = 132


def heights(drawn: str) -> list[float]:
    return [float(one) for one in re.findall(r'<rect[^>]* height="([\d.]+)"', drawn)]


def test_parts_of_a_column_are_as_high_as_their_share_of_the_axis_and_stand_on_each_other() -> None:
    drawn = columns([Column("noon", "12", (10, 5, 0))], "Mails")
    assert heights(drawn) == [PLOT * 10 / 20, PLOT * 5 / 20]
    tops = [float(one) for one in re.findall(r'<rect[^>]* y="([\d.]+)"', drawn)]
    assert tops[1] == tops[0] - PLOT * 5 / 20
    assert "<title>noon: 15</title>" in drawn


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (0, ["0", "1"]),
        (3, ["0", "5"]),
        (14, ["0", "10", "20"]),
        (501, ["0", "500", "1k"]),
        (1_500_000, ["0", "1M", "2M"]),
    ],
)
def test_the_axis_ends_at_a_round_number_and_shows_no_fractions(most: int, words: list[str]) -> None:
    drawn = columns([Column("a", "", (most,))], "Mails")
    assert re.findall(r'class="chart-number"[^>]*>([^<]*)<', drawn) == words


def test_columns_stay_within_the_chart() -> None:
    drawn = columns([Column(str(n), "", (1,)) for n in range(24)], "Mails")
    spans = re.findall(r'<rect[^>]* x="([\d.]+)%"[^>]* width="([\d.]+)%"', drawn)
    assert len(spans) == 24
    assert all(float(left) >= 0 and float(left) + float(width) <= 100 for left, width in spans)


def test_without_a_column_there_are_axes_and_nothing_fails() -> None:
    assert heights(columns([], "Mails")) == []


def test_names_and_labels_are_escaped() -> None:
    drawn = columns([Column("<b>", "<i>", (1,))], 'a "label" <u>')
    assert not {"<b>", "<i>", "<u>"} & set(re.findall(r"<\w>", drawn))
    assert 'aria-label="a &#34;label&#34; &lt;u&gt;"' in drawn


def test_a_strip_of_shares_is_filled_exactly() -> None:
    widths = [float(one) for one in re.findall(r' width="([\d.]+)%" height="10"/>', share_bar((3, 0, 1)))]
    assert widths == [75, 25]
