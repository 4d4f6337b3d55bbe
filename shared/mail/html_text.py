"""HTML turned into text that people can read: paragraphs, lists, tables, links. Pure, total and linear."""

import re
from dataclasses import dataclass, field
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shared.mail import html_limits, text

MAX_LINK = 500
"""Characters of a link's address; a longer one stands only in the HTML."""
MAX_INDENT = 8
"""Lists in lists that are still told apart by their indent."""

_SPACED = frozenset("p h1 h2 h3 h4 h5 h6 blockquote pre table ul ol dl figure hr".split())  # noqa: SIM905
_BLOCK = _SPACED | frozenset(
    "div li tr dt dd section article aside header footer main nav center caption figcaption details summary".split()  # noqa: SIM905
)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_TAG_LIKE = re.compile(r"<[^>]*>?")
_SCHEME = re.compile(r"(?:https?://|mailto:)")


def strip_tags(html: str) -> str:
    """The text of HTML that may not be parsed: everything that looks like a tag removed."""
    lines = unescape(_TAG_LIKE.sub(" ", html[: html_limits.MAX_SIZE])).split("\n")
    return tidy("\n".join(line.strip(" \t\xa0") for line in lines))


def to_text(clean: str, *, links: bool = True) -> str:
    """The text of sanitised HTML: blocks on lines of their own, items of lists with a hyphen or their number, cells
    apart by a tab, images by their alternative text, and with `links` the address of a link behind its words."""
    body = LexborHTMLParser(clean).body
    flow = _Flow(links)
    if body is not None:
        _walk(body, flow)
    return tidy("".join(flow.pieces))


def tidy(flowing: str) -> str:
    """Lines without blanks at their ends, and at most one empty line between two."""
    lines = (line.rstrip(" \t\xa0") for line in text.block(flowing).split("\n"))
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


@dataclass(slots=True)
class _Flow:
    """Text as it flows: line breaks, the mark of a list item and the tab after a cell are owed until words come.

    `lists` holds the next number of each open list (None for one without numbers), `anchors` where each open link
    begins in `pieces`.
    """

    links: bool
    pieces: list[str] = field(default_factory=list[str])
    breaks: int = 0
    mark: str = ""
    cell: bool = False
    preformatted: int = 0
    lists: list[int | None] = field(default_factory=list["int | None"])
    anchors: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def words(self, content: str) -> None:
        """Text comes."""
        if not self.preformatted:
            content = _BLANKS.sub(" ", content)
            if self.breaks or self.cell or not self.pieces:
                content = content.lstrip(" ")
            if not content:
                return
        if self.pieces:
            self.pieces.append("\n" * self.breaks or "\t" * self.cell)
        self.pieces.append(self.mark + content)
        self.breaks, self.mark, self.cell = 0, "", False

    def enter(self, name: str, node: LexborNode) -> None:
        """An element begins."""
        self.gap(name)
        self.preformatted += name == "pre"
        if name in ("ul", "ol"):
            start = node.attributes.get("start") or ""
            self.lists.append((int(start) if re.fullmatch("[0-9]{1,6}", start) else 1) if name == "ol" else None)
        elif name == "li":
            self.mark = self._item()
        elif name == "a":
            self.anchors.append((len(self.pieces), node.attributes.get("href") or ""))

    def leave(self, name: str) -> None:
        """An element ends."""
        self.gap(name)
        self.preformatted -= name == "pre"
        if name in ("ul", "ol"):
            self.lists.pop()
        elif name in ("td", "th"):
            self.cell = bool(self.pieces) and not self.breaks
        elif name == "a":
            self._link(*self.anchors.pop())

    def gap(self, name: str) -> None:
        """A block stands apart from what is beside it; a list inside a list does not need a line for that."""
        if name in _BLOCK:
            spaced = name in _SPACED and not (name in ("ul", "ol") and self.lists)
            self.breaks = max(self.breaks, 2 if spaced else 1)

    def _item(self) -> str:
        indent = "  " * min(max(len(self.lists) - 1, 0), MAX_INDENT)
        number = self.lists[-1] if self.lists else None
        if number is None:
            return f"{indent}- "
        self.lists[-1] = number + 1
        return f"{indent}{number}. "

    def _link(self, begin: int, address: str) -> None:
        said = "".join(self.pieces[begin:]).strip()
        plain = _SCHEME.sub("", address, count=1).rstrip("/")
        if self.links and said and len(address) <= MAX_LINK and plain not in ("", _SCHEME.sub("", said).rstrip("/")):
            self.pieces.append(f" ({address.removeprefix('mailto:')})")


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
        elif name == "img":
            flow.words(node.attributes.get("alt") or "")
        elif (child := node.first_child) is not None:
            flow.enter(name, node)
            open_elements.append((node, name))
            node = child
            continue
        elif name in ("br", "hr"):
            flow.breaks += 1
        node = node.next
