"""HTML of a mail: made safe to show, and turned into text. Pure and total.

What is shown must load nothing by itself: no remote image, no style, no script, no form. The depth and size limits of
`html_limits` hold before any HTML parser sees the input.
"""

import re
from dataclasses import dataclass, field
from html import unescape

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from shared.mail import html_limits, text
from shared.mail.flags import Flag

SANITIZER_VERSION = 1
MAX_CLEAN = 512 * 1024

_TAGS = frozenset(
    """
    a abbr acronym b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em
    figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section
    small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr article aside
    """.split()  # noqa: SIM905  # a paragraph of words reads better
)
_DROPPED = frozenset(
    """
    script style title svg math template noscript iframe object embed applet audio video canvas textarea select xmp
    noembed noframes plaintext head
    """.split()  # noqa: SIM905  # as above
)
_ATTRIBUTES = {
    "*": {"lang", "dir", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"align", "valign", "colspan", "rowspan", "width"},
    "th": {"align", "valign", "colspan", "rowspan", "width", "scope"},
    "tr": {"align", "valign"},
    "table": {"align", "width", "border", "cellpadding", "cellspacing"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "ol": {"start", "type"},
    "font": {"color", "size"},
    "p": {"align"},
    "div": {"align"},
}
_SPACED = frozenset("p h1 h2 h3 h4 h5 h6 blockquote pre table ul ol dl figure hr".split())  # noqa: SIM905
_BLOCK = _SPACED | frozenset(
    "div li tr dt dd section article aside header footer main nav center caption figcaption details summary".split()  # noqa: SIM905
)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_TAG_LIKE = re.compile(r"<[^>]*>?")


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Images only from the mail itself (`cid:`), links without tricks of white space."""
    if name == "src" and not value.strip().lower().startswith("cid:"):
        return None
    if tag == "a" and name == "href" and value.strip().lower().startswith("cid:"):
        return None
    return value


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_DROPPED,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "cid"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


def sanitise(html: str) -> tuple[str | None, tuple[Flag, ...]]:
    """The HTML made safe, at most 512 KiB; None with a flag if it is too large or too complex to be parsed at all."""
    if len(html) > html_limits.MAX_SIZE:
        return None, (Flag.HTML_TOO_LARGE,)
    if html_limits.too_complex(html):
        return None, (Flag.HTML_TOO_COMPLEX,)
    clean = text.block(_CLEANER.clean(text.block(html)))
    if html_limits.depth(clean) > html_limits.MAX_DEPTH:
        return None, (Flag.HTML_TOO_COMPLEX,)
    kept = text.cut(clean, MAX_CLEAN)
    if len(kept) == len(clean):
        return clean, ()
    return text.block(_CLEANER.clean(kept[: kept.rfind("<")])), (Flag.HTML_TRUNCATED,)


def strip_tags(html: str) -> str:
    """The text of HTML that may not be parsed: everything that looks like a tag removed. Linear."""
    return tidy(unescape(_TAG_LIKE.sub(" ", html[: html_limits.MAX_SIZE])))


def to_text(clean: str) -> str:
    """The text of sanitised HTML: blocks on lines of their own, list items with a hyphen, cells apart by a tab."""
    body = LexborHTMLParser(clean).body
    flow = _Flow()
    if body is not None:
        _walk(body, flow)
    return tidy("".join(flow.pieces))


def tidy(flowing: str) -> str:
    """Lines without blanks around them, and at most one empty line between two."""
    lines = (line.strip(" \t\xa0") for line in text.block(flowing).split("\n"))
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip()


@dataclass(slots=True)
class _Flow:
    """Text as it flows: line breaks and the mark of a list item are owed until the next words come."""

    pieces: list[str] = field(default_factory=list[str])
    breaks: int = 0
    mark: str = ""
    preformatted: int = 0

    def words(self, content: str) -> None:
        if not self.preformatted:
            content = _BLANKS.sub(" ", content)
            if content == " " and (self.breaks or not self.pieces):
                return
        if self.pieces and self.breaks:
            self.pieces.append("\n" * self.breaks)
        self.pieces.append(self.mark + content)
        self.breaks, self.mark = 0, ""

    def enter(self, name: str) -> None:
        self.gap(name)
        if name == "li":
            self.mark = "- "
        self.preformatted += name == "pre"

    def leave(self, name: str) -> None:
        self.gap(name)
        if name in ("td", "th") and self.pieces:
            self.pieces.append("\t")
        self.preformatted -= name == "pre"

    def gap(self, name: str) -> None:
        if name in _BLOCK:
            self.breaks = max(self.breaks, 2 if name in _SPACED else 1)


def _walk(body: LexborNode, flow: _Flow) -> None:
    """Depth first without recursion; each element is entered and left."""
    open_elements: list[tuple[LexborNode, str]] = []
    node: LexborNode | None = body.first_child
    while node is not None or open_elements:
        if node is None:
            node, name = open_elements.pop()
            flow.leave(name)
            node = node.next
            continue
        name = node.tag or ""
        if name == "-text":
            flow.words(node.text_content or "")
        elif (child := node.first_child) is not None:
            flow.enter(name)
            open_elements.append((node, name))
            node = child
            continue
        elif name in ("br", "hr"):
            flow.breaks += 1
        node = node.next
