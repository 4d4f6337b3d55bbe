"""Hostile inputs, rows 65 to 70: HTML of a mail, through the parser, the stages, the store and the real console."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from shared.domain.access import Role
from shared.mail import html
from shared.mail.parse import parse
from tests.support.console import Console, Person
from tests.support.console_fixtures import console, empty
from tests.support.cost import within
from tests.support.mails import Attached, mail
from tests.support.wild import Inbox, inbox

__all__ = ["console", "empty"]

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
TRACKER = "https://tracker.example/1.gif?who=ann"
REMOTE = f"<p>Hello</p><img src='{TRACKER}' width=1 height=1><img src='cid:logo@x' alt=Logo>"
ALLOWED = html.TAGS | {"html", "head", "body", "tbody"}
ATTRIBUTES = frozenset(one for names in html.ATTRIBUTES.values() for one in names) | {"rel", "target"}


def live(markup: str, *, images: tuple[str, ...] = ("cid:", "remote:http")) -> Iterator[str]:
    """What another parser than the sanitiser's finds in it that could load, run or cover something."""
    root = LexborHTMLParser(markup).root
    assert root is not None
    for node in root.traverse(include_text=False):
        if node.tag not in ALLOWED and not str(node.tag).startswith("-"):
            yield f"element {node.tag}"
        for name, value in node.attributes.items():
            plain = re.sub(r"[\x00-\x20]", "", unescape(value or "")).lower()
            if name not in ATTRIBUTES:
                yield f"attribute {name}"
            if name == "src" and not plain.startswith(images):
                yield f"source {value}"
            if name == "href" and not plain.startswith(("http:", "https:", "mailto:")):
                yield f"link {value}"


def twice(markup: str) -> str:
    """What a browser makes of it that parses, serialises and parses again."""
    for _ in range(2):
        body = LexborHTMLParser(markup).body
        markup = (body.html or "") if body is not None else ""
    return markup


def cleaned(markup: str) -> str:
    """The HTML that is kept of a mail with this one."""
    kept = parse(mail(html=markup, text=None)).html
    assert kept is not None
    return kept


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<ScRiPt\n>alert(1)</sCrIpT\t>",
        "<img src=x onerror=alert(1)>",
        "<p onmouseover='alert(1)' ONCLICK=alert(1)>x</p>",
        '<a href="java\tscript:alert(1)">x</a>',
        '<a href="jav&#x0A;ascript:alert(1)">x</a>',
        '<a href="&#1;javascript:alert(1)">x</a>',
        '<a href="JaVaScRiPt&colon;alert(1)">x</a>',
        '<a href="java\x00script:alert(1)">x</a>',
        '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
        '<a href="vbscript:msgbox(1)">x</a>',
        '<a href="//evil.example">x</a><a href="/tickets/INC-1/close">x</a>',
        '<a href="cid:x">x</a><a href="remote:https://x">x</a>',
        '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
        '<img src="remote:javascript:alert(1)"><img src="remote:data:x"><img src="remote://x">',
    ],
)
def test_row_65_nothing_that_runs_is_kept_or_shown(evil: str) -> None:
    kept = cleaned(f"<p>before</p>{evil}<p>after</p>")
    assert list(live(kept)) == []
    for remote in (False, True):
        assert list(live(html.show(kept, {}, remote=remote), images=("https:",))) == []
    assert "before" in kept and "after" in kept


SOUP = st.sampled_from(
    """
    <math> </math> <svg> </svg> <style> </style> <noscript> </noscript> <annotation-xml/encoding="text/html">
    </annotation-xml> <template> </template> <mtext> </mtext> <mglyph> <malignmark> <foreignObject> <desc> <title>
    </title> <textarea> </textarea> <xmp> </xmp> <iframe> </iframe> <noembed> <plaintext> <select> </select> <option>
    <table> </table> <tr> <td> <caption> <form> </form> <p> </p> <div> </div> <b> </b> <a> </a> <li> <ul> </ul> <br>
    <!--[if/gte/mso/9]> <![endif]--> <!-- --> --!> <![CDATA[ ]]> <?xml?> </ < > &lt; &gt; &amp;lt; &#x3c; &#0; " ' = x
    <img/src=x/onerror=alert(1)> <img/title='--&gt;<img/src=1/onerror=alert(1)>'> <a/href=javascript:alert(1)>x
    <script>alert(1)</script> <p/title='</style><img/src=x/onerror=alert(1)>'> <img/src=https://x.example/1.gif>
    <img/src='cid:a"b'> <a/title='</title><script>x</script>'> <math><mi//xlink:href="data:x,<script>"> <base/href=x>
    """.split()  # noqa: SIM905  # a soup
)


@settings(max_examples=500, deadline=None)
@given(st.lists(SOUP, max_size=30).map("".join))
def test_row_66_no_nesting_comes_to_life_when_it_is_parsed_serialised_and_parsed_again(soup: str) -> None:
    kept, _ = html.sanitise(soup)
    assert kept is not None
    assert list(live(twice(kept))) == []
    shown = html.show(twice(kept), {'a"b': "/images/1"}, remote=True)
    assert list(live(twice(shown), images=("https:", "/images/"))) == []


@pytest.mark.parametrize(
    "kept",
    [
        "<script>x</script><p onclick=x style='position:fixed'>y</p>",
        '<a href="/tickets/INC-1/close">y</a><img src="/static/x"><img src="//x.example/1.gif">',
        '<img src="https://x.example/1.gif"><img src="data:image/png;base64,x">',
        "<div>" * 100_000,
    ],
    ids=lambda kept: kept[:20],
)
def test_row_66_what_is_in_the_store_is_not_trusted_either(kept: str) -> None:
    """An older version wrote it, or a hand."""
    shown = html.show(kept, {}, remote=False)
    assert list(live(shown)) == []
    assert "src=" not in shown and 'href="/' not in shown


@pytest.mark.parametrize(
    "remote",
    [
        '<img src="http://x.example/1.gif">',
        '<img src="//x.example/1.gif" srcset="http://x.example/2 2x" loading=eager>',
        '<picture><source srcset="http://x.example"></picture>',
        "<p style='background:url(http://x.example)'>x</p>",
        "<style>@import 'http://x.example'; p { background: url(http://x.example) }</style>",
        "<table background='http://x.example'><tr><td background='http://x.example'>x</table>",
        '<link rel=prefetch href="http://x.example"><link rel=stylesheet href="http://x.example">',
        '<video poster="http://x.example" src="http://x.example"><audio src="http://x.example">',
        '<input type=image src="http://x.example"><body background="http://x.example">',
        '<svg><image href="http://x.example"/><use xlink:href="http://x.example"/></svg>',
        '<a href="https://x.example" ping="https://x.example">x</a>',
    ],
)
def test_row_67_nothing_that_is_kept_loads_anything_by_itself(remote: str) -> None:
    shown = html.show(cleaned(f"<p>x</p>{remote}"), {}, remote=False)
    assert "src=" not in shown
    assert re.sub(r'<a href="[^"]*"', "<a", shown).count("x.example") == 0


@pytest_asyncio.fixture
async def desk(console: Console) -> Inbox:
    """Every stage, on the store of the console."""
    return await inbox(console.store, console.clock)


def with_image(markup: str = REMOTE, name: str = "logo.png", data: bytes = PNG, cid: str = "logo@x") -> bytes:
    """A mail with HTML and an image of its own."""
    return mail(html=markup, text="Hello\n", attachments=[Attached(name, data, "image/png", content_id=cid)])


def frame(page: str) -> str:
    """The address in the frame of a page."""
    found = re.search(r'<iframe [^>]*src="([^"]+)"', page)
    assert found is not None
    return unescape(found[1])


async def asked_for_images(person: Person, number: str, key: str) -> str:
    """The page after a click on the button."""
    shown = await person.get(f"/tickets/{number}", params={"formatted": key})
    answer = await person.submit(shown, f"/tickets/{number}/messages/{key}/remote-images")
    assert answer.status_code == 200
    return answer.text


async def test_row_67_a_ticket_loads_no_remote_image_until_somebody_asks_and_then_in_one_view(
    console: Console, desk: Inbox
) -> None:
    ticket = await desk.opened("a", with_image())
    async with await console.signed_in(Role.VIEWER) as person:
        plain = await person.get(f"/tickets/{ticket.number}")
        assert "<iframe" not in plain.text and "tracker.example" not in plain.text
        shown = await person.get(f"/tickets/{ticket.number}", params={"formatted": "a"})
        assert "Show remote images" in shown.text and "tracker.example" not in shown.text
        assert "frame-src 'self'" in shown.headers["content-security-policy"]
        quiet = await person.get(frame(shown.text))
        assert "tracker.example" not in quiet.text and "Hello" in quiet.text
        assert "img-src 'self';" in quiet.headers["content-security-policy"]
        loud = await person.get(frame(await asked_for_images(person, ticket.number, "a")))
        assert f'src="{TRACKER}"' in loud.text
        again = await person.get(f"/tickets/{ticket.number}", params={"formatted": "a"})
        assert "tracker.example" not in (await person.get(frame(again.text))).text


async def test_row_67_no_link_can_ask_for_remote_images(console: Console, desk: Inbox) -> None:
    """Not with a made-up word, with that of another mail, or with that of another person."""
    first, second = await desk.opened("a", with_image()), await desk.opened("b", with_image())
    async with await console.signed_in(Role.VIEWER) as person, await console.signed_in(Role.ADMINISTRATOR) as other:
        word = frame(await asked_for_images(person, second.number, "b")).partition("images=")[2]
        here = f"/tickets/{first.number}/messages/a/formatted"
        for guess in ("on", "1", word, "é"):
            assert "tracker.example" not in (await person.get(here, params={"images": guess})).text
        there = f"/tickets/{second.number}/messages/b/formatted"
        assert "tracker.example" in (await person.get(there, params={"images": word})).text
        assert "tracker.example" not in (await other.get(there, params={"images": word})).text
        foreign = await person.post(f"/tickets/{first.number}/messages/a/remote-images", {"csrf": "guessed"})
        assert foreign.status_code == 403
        assert (await person.get(f"/tickets/{first.number}/messages/a/remote-images")).status_code == 405


async def test_row_67_the_api_passes_no_remote_image_on(console: Console, desk: Inbox) -> None:
    ticket = await desk.opened("a", with_image())
    async with await console.signed_in(Role.VIEWER) as person:
        (message,) = (await person.get(f"/api/v1/tickets/{ticket.number}")).json()["conversation"]
    assert "tracker.example" not in message["html"]
    assert 'src="cid:logo@x"' in message["html"]
    assert message["attachments"][0]["contentId"] == "logo@x"


@pytest.mark.parametrize(
    "evil",
    [
        '<form action="http://x.example"><input name=a><button>go</button><select><option>1</select></form>',
        '<base href="http://x.example"><meta http-equiv=refresh content="0;url=http://x.example">',
        "<iframe src=http://x.example></iframe><frameset><frame src=x></frameset>",
        "<object data=x></object><embed src=x><applet code=x></applet>",
        '<div style="position:fixed;top:0;left:0;width:100%;height:100%;z-index:2147483647">Sign in again</div>',
        '<div class="banner banner-wrong" id="main">Sign in again</div>',
        "<dialog open>x</dialog><marquee>x</marquee><label for=x>y</label>",
    ],
)
async def test_row_68_nothing_covers_the_page_or_leads_it_away(console: Console, desk: Inbox, evil: str) -> None:
    ticket = await desk.opened("a", mail(html=f"<p>Hello</p>{evil}", text=None))
    async with await console.signed_in(Role.VIEWER) as person:
        answer = await person.get(f"/tickets/{ticket.number}/messages/a/formatted")
    body = answer.text.partition("<body>")[2].partition("</body>")[0]
    assert "Hello" in body
    assert list(live(body)) == []
    assert not re.search(r"\s(?:style|class|id|name|for)=", body)
    policy = answer.headers["content-security-policy"]
    for words in ("default-src 'none'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'self'", "sandbox "):
        assert words in policy
    assert "allow-scripts" not in policy and "allow-forms" not in policy and "allow-top" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "heavy",
    [
        "<div>" * 100_000,
        "<p " + " ".join(f"a{n}=b" for n in range(10_000)) + ">x</p>",
        "<style>" + "a{b:c}" * 800_000 + "</style>",
        "<table><tr><td>" * 40_000,
        "<b><i>" * 50_000,
        "<svg><style>" * 30_000,
    ],
    ids=lambda heavy: heavy[:18],
)
def test_row_69_no_html_takes_long_and_its_text_is_there(heavy: str) -> None:
    raw = mail(html=f"<p>Hello there</p>{heavy}", text=None)
    found = within(1200, lambda: parse(raw))
    assert "Hello there" in found.text or "html_too_large" in found.flags
    assert found.html is None or len(found.html) <= html.MAX_CLEAN


async def test_row_70_an_image_of_the_mail_itself_is_shown_from_its_raw_mail(console: Console, desk: Inbox) -> None:
    ticket = await desk.opened("a", with_image())
    async with await console.signed_in(Role.VIEWER) as person:
        page = await person.get(f"/tickets/{ticket.number}/messages/a/formatted")
        found = re.search(r'<img src="(/tickets/[^"]+)" alt="Logo">', page.text)
        assert found is not None
        answer = await person.get(found[1])
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "source",
    [
        "cid:secret@y",
        "cid:../a/images/2",
        "cid:%2e%2e%2f%2e%2e%2fa%2fimages%2f2",
        "cid:/tickets/INC-000001/messages/a/images/2",
        "cid:",
        "CID: secret@y",
        "cid:https://tracker.example/1.gif",
    ],
)
async def test_row_70_a_cid_leads_only_to_the_mails_own_parts(console: Console, desk: Inbox, source: str) -> None:
    first = await desk.opened("a", with_image(cid="secret@y"))
    second = await desk.opened("b", with_image(f'<p>x</p><img src="{source}" alt="Stolen">'))
    async with await console.signed_in(Role.VIEWER) as person:
        page = await person.get(f"/tickets/{second.number}/messages/b/formatted")
        assert '<img alt="Stolen">' in page.text
        (part,) = [one.part for one in first.articles[0].attachments]
        assert (await person.get(f"/tickets/{first.number}/messages/a/images/{part}")).status_code == 200
        assert (await person.get(f"/tickets/{second.number}/messages/a/images/{part}")).status_code == 404
        assert (await person.get(f"/tickets/{second.number}/messages/b/images/9")).status_code == 404


async def test_a_mail_that_is_only_html_can_be_read_as_text(console: Console, desk: Inbox) -> None:
    markup = (
        "<h1>Order</h1><p>See <a href='https://shop.example/o/1'>your order</a>.</p>"
        "<ol><li>Ink<ul><li>black</ul><li>Pen</ol><table><tr><th>Item<th>Price<tr><td>Ink<td>3</table>"
    )
    ticket = await desk.opened("a", mail(html=markup, text=None))
    lines = ticket.articles[0].text.splitlines()
    assert lines == [
        "Order",
        "",
        "See your order (https://shop.example/o/1).",
        "",
        "1. Ink",
        "  - black",
        "2. Pen",
        "",
        "Item\tPrice",
        "Ink\t3",
    ]
    async with await console.signed_in(Role.VIEWER) as person:
        page = (await person.get(f"/tickets/{ticket.number}")).text
    assert "See your order (https://shop.example/o/1)." in page and 'href="https://shop.example' not in page
