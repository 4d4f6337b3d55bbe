"""HTML: nothing loads, nothing runs, nothing takes long."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail import html, html_limits, html_text
from tests.support.cost import within

LIVE = re.compile(
    r"<(?:script|style|svg|math|form|iframe|object|embed|link|meta|base|template|input|button)\b|\son\w+\s*=|\sstyle\s*="
    r"|(?:href|src)\s*=\s*[\"']?\s*(?:javascript|data|vbscript)|src\s*=\s*\"(?!cid:|remote:https?://)|srcset|background\s*=",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<img src="http://tracker.example/1.gif">',
        '<img src="//tracker.example/1.gif" srcset="http://x.example 2x">',
        '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
        '<a href="jav&#9;ascript:alert(1)">x</a>',
        '<a href="&#1;javascript:alert(1)">x</a>',
        "<p style='background:url(http://x.example)'>x</p>",
        "<table background='http://x.example'><tr><td>x</table>",
        "<form action=http://x.example><input name=a><button>go</button></form>",
        '<base href="http://x.example"><meta http-equiv=refresh content=0><link rel=prefetch href=http://x.example>',
        "<iframe src=http://x.example></iframe><object data=x></object><embed src=x>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
        "<template><script>x</script></template><annotation-xml encoding='text/html'><script>x</script>",
        "<!--[if gte mso 9]><script>x</script><![endif]-->",
        "<a href='cid:x'>y</a>",
        "<title><img src=x onerror=alert(1)></title><textarea><script>x</script></textarea>",
    ],
)
def test_nothing_live_survives_and_cleaning_twice_changes_nothing(evil: str) -> None:
    clean, _ = html.sanitise(f"<p>before</p>{evil}<p>after</p>")
    assert clean is not None
    assert LIVE.search(clean) is None
    assert html.sanitise(clean)[0] == clean


def test_images_of_the_mail_itself_and_links_stay() -> None:
    clean, _ = html.sanitise(
        '<img src="cid:a@b" alt="x"><a href="https://e.example/?a=1&b=2">k</a><a href="mailto:a@b.c">m</a>'
    )
    assert clean is not None
    assert 'src="cid:a@b"' in clean
    assert 'href="https://e.example/?a=1&amp;b=2"' in clean
    assert "noopener" in clean
    assert "mailto:a@b.c" in clean


FRAGMENTS = st.sampled_from(
    """
    <div> </div> <p> </p> <b> <i> </b> <table> <tr> <td> </table> <svg> <math> <style> </style> <!-- --> x <title>
    </title> <script> </script> <select> <option> <noscript> </noscript> <template> <mglyph> &lt; &#0; <li> <form> " '
    <pre> <br> <img/src=x/onerror=1> <a/href=javascript:x> <img/title='--&gt;<img/src=http://x.example>'>
    """.split()  # noqa: SIM905  # a soup
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_any_mix_of_tags_gives_dead_html_and_text(soup: str) -> None:
    clean, _ = html.sanitise(soup)
    assert clean is not None
    assert LIVE.search(clean) is None
    again, _ = html.sanitise(clean)
    assert again is not None
    assert LIVE.search(again) is None
    assert "\x00" not in html_text.to_text(clean)


@pytest.mark.parametrize(
    "evil",
    [
        "<div>" * 100_000,
        "<p><b class=x>" * 30_000,
        "".join(f"<p><b class={one}>x</p>" for one in range(5_000)),
        "<div><!--</div>-->" * 10_000,
        '<div title="></div>">' * 10_000,
        "<div><script></div></script>" * 9_000,
        "<div><table><td></div></table>" * 6_000,
        "<svg><style><!--</style></div>--></style></svg><div>" * 1_500,
        "<div " + " ".join(f"a{one}" for one in range(40_000)) + ">",
        "<div " + "".join(f'a{one}=">"' for one in range(40_000)) + ">",
        '<div a="' * 100_000,
        "<" * 1_000_000,
        "&" * 1_000_000,
        "<!" * 400_000,
        "</div>" * 150_000,
        "<select>" + "<option>" * 19_000,
        "<div><select></div></select>" * 9_000,
        "<form><div></form>" * 6_000,
        "<b></p>" * 9_000,
        "<" + "a" * 1_000_000,
    ],
    ids=lambda evil: evil[:24],
)
def test_no_html_takes_long(evil: str) -> None:
    clean, text = within(1200, lambda: _clean_and_text(evil))
    assert clean is None or len(clean.encode()) <= html.MAX_CLEAN
    assert isinstance(text, str)


def _clean_and_text(evil: str) -> tuple[str | None, str]:
    clean, _ = html.sanitise(evil)
    return clean, html_text.to_text(clean) if clean is not None else html_text.strip_tags(evil)


@pytest.mark.parametrize(("depth", "kept"), [(150, True), (250, False)])
def test_depth_is_limited_in_small_html_too(depth: int, kept: bool) -> None:
    clean, flags = html.sanitise("<div>" * depth + "deep" + "</div>" * depth)
    assert (clean is not None) is kept
    assert kept or flags == ("html_too_complex",)


@pytest.mark.parametrize(
    "fine",
    [
        "<table>" + "<tr><td>a<td>b" * 1_500 + "</table>",
        "<ul>" + "<li>x" * 3_000 + "</ul>",
        "<p>x" * 3_000,
        "<p><b>x</p>" * 2_000,
        "<div><span style='a'>x</span></div>" * 3_000,
        "<!--[if mso]><table><tr><td><![endif]--><p>x</p><!--[if mso]></td></tr></table><![endif]-->" * 1_500,
    ],
    ids=lambda fine: fine[:24],
)
def test_long_but_flat_html_is_not_too_complex(fine: str) -> None:
    assert not html_limits.too_complex(fine)
    assert html.sanitise(fine)[0]


def test_html_becomes_text_by_blocks() -> None:
    page = "<h1>Title</h1><div>one</div><div>two  <b>bold</b></div><table><tr><td>1</td><td>2</td></tr></table>a&nbsp;b"
    clean, _ = html.sanitise(page)
    assert clean is not None
    assert html_text.to_text(clean).split("\n") == ["Title", "", "one", "two bold", "", "1\t2", "", "a\xa0b"]
