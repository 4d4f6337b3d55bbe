"""Which parts of a mail are its body, and their text. Pure and total."""

import html as markup
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.mail import attachments, charsets, html, html_text, text, transfer, uuencoded
from shared.mail.flags import Flag
from shared.mail.mime import Part
from shared.mail.uuencoded import Inside

MAX_TEXT = 256 * 1024
MAX_ENCODED = 32 * 1024 * 1024
MAX_DECODED = 8 * 1024 * 1024
"""Of a text no more is even looked at: a mail is one line of 50 MB if somebody wants it so."""
COMPARED = 600
MIN_WORDS, MAX_WORDS = 3, 24

_LONG_WORD = re.compile(r"[^\W\d_]{4,30}")
_PGP = {"-----BEGIN PGP MESSAGE-----": Flag.ENCRYPTED, "-----BEGIN PGP SIGNED MESSAGE-----": Flag.SIGNED}
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a mail: text, sanitised HTML, the leaves they were made from, what was odd, and the files that lay in
    the text of leaves. `words` is the text without the addresses of links: mails that tell the same link with another
    tracking code each."""

    text: str
    words: str
    html: str | None
    leaves: frozenset[str]
    flags: tuple[Flag, ...]
    files: tuple[tuple[Part, Inside], ...] = ()


@dataclass(slots=True)
class _Reader:
    """Decodes each leaf once, and gathers what was odd."""

    raw: bytes
    flags: list[Flag] = field(default_factory=list[Flag])
    done: dict[str, str] = field(default_factory=dict[str, str])
    files: list[tuple[Part, Inside]] = field(default_factory=list[tuple[Part, Inside]])

    def text(self, leaf: Part) -> str:
        if leaf.number not in self.done:
            self.done[leaf.number] = self._decode(leaf)
        return self.done[leaf.number]

    def _decode(self, leaf: Part) -> str:
        encoding = leaf.headers.get(b"content-transfer-encoding")
        data, odd = transfer.decode(self.raw[leaf.start : min(leaf.end, leaf.start + MAX_ENCODED)], encoding)
        data = _beginning(data, MAX_DECODED)
        declared = leaf.type.parameters.get("charset")
        if leaf.type.value == "text/html":
            declared = self._html_charset(data, declared)
        else:
            data, files = uuencoded.split(data)
            self.files.extend((leaf, one) for one in files)
        decoded, guessed = charsets.decode(data, declared)
        self.flags.extend((*odd, *guessed))
        return text.block(decoded)

    def _html_charset(self, data: bytes, declared: str | None) -> str | None:
        """The MIME charset wins over the one in the HTML; that one counts only where MIME names none."""
        meta = _META.search(data[:2048])
        named = meta[1].decode("ascii") if meta else None
        if declared and named and charsets.codec(declared) != charsets.codec(named):
            self.flags.append(Flag.CHARSET_CONFLICT)
        return declared or named


def read(raw: bytes, root: Part, *, ambiguous: bool) -> Body:
    """The body of a mail. An ambiguous structure gives no HTML: another program may see other HTML there."""
    texts, pages = _views(root)
    reader = _Reader(raw)
    clean = _page(reader, pages)
    plain = _plain(reader, texts, pages, clean)
    words = _plain(reader, texts, pages, clean, links=False) if pages else plain
    kept = text.cut(plain, MAX_TEXT)
    if len(kept) < len(plain):
        reader.flags.append(Flag.TEXT_TRUNCATED)
    used = [leaf for leaf in (*texts, *pages) if not (ambiguous and leaf.type.value == "text/html")]
    numbers = frozenset(leaf.number for leaf in used)
    reader.flags.extend(_of_text(kept, clean, texts != pages))
    shown = None if ambiguous else clean
    return Body(kept, text.cut(words, MAX_TEXT), shown, numbers, tuple(reader.flags), tuple(reader.files))


def _beginning(data: bytes, limit: int) -> bytes:
    """The first `limit` bytes, not ending within a character of UTF-8."""
    if len(data) <= limit:
        return data
    while limit and data[limit] & 0xC0 == 0x80:
        limit -= 1
    return data[:limit]


def _of_text(plain: str, clean: str | None, alternative: bool) -> list[Flag]:
    """What the text itself says: PGP within it, or other things than the HTML does."""
    flags: list[Flag] = []
    if "-----BEGIN PGP " in plain:
        flags += [flag for mark, flag in _PGP.items() if mark in plain]
    if clean is not None and alternative and _differ(plain, clean):
        flags.append(Flag.ALTERNATIVES_DIFFER)
    return flags


def _differ(plain: str, clean: str) -> bool:
    """Whether of the longer words at the beginning of the text the HTML has not even every fourth."""
    words = tuple(dict.fromkeys(_LONG_WORD.findall(plain[:COMPARED])))[:MAX_WORDS]
    if len(words) < MIN_WORDS or _some_in(words, clean):
        return False
    return not _some_in([one.lower() for one in words], clean.lower())


def _some_in(words: Sequence[str], page: str) -> bool:
    """Whether every fourth of the words stands in the page."""
    missing = len(words) // 4 + 1
    for one in words:
        missing -= one in page
        if missing <= 0:
            return True
    return False


def is_body(part: Part) -> bool:
    """Whether a leaf is meant to be read in place: text or HTML, neither disposed of as a file nor named like one."""
    if part.type.value not in ("text/plain", "text/html"):
        return False
    return part.disposition.value != "attachment" and not attachments.given_name(part)


def _views(part: Part) -> tuple[list[Part], list[Part]]:
    """The leaves of the view as text and of the view as HTML. Alternatives are the same content twice (RFC 2046,
    section 5.1.4): text comes from the first that is text alone, HTML from the last that has any."""
    if not part.children:
        return ([part], [part]) if is_body(part) else ([], [])
    views = [_views(child) for child in part.children]
    if part.type.value == "multipart/alternative":
        texts = [one for one, _ in views if one]
        pages = [one for _, one in views if one]
        return _first(texts, "text/plain"), _first(list(reversed(pages)), "text/html")
    return [leaf for one, _ in views for leaf in one], [leaf for _, one in views for leaf in one]


def _first(views: Sequence[list[Part]], kind: str) -> list[Part]:
    for view in views:
        kinds = {leaf.type.value for leaf in view}
        if kind in kinds and (kind == "text/html" or len(kinds) == 1):
            return view
    return views[0] if views else []


def _page(reader: _Reader, pages: list[Part]) -> str | None:
    """The view as HTML, sanitised; None if the mail has no HTML."""
    if not any(leaf.type.value == "text/html" for leaf in pages):
        return None
    clean, flags = html.sanitise("\n".join(_markup(reader, leaf) for leaf in pages))
    reader.flags.extend(flags)
    return clean


def _markup(reader: _Reader, leaf: Part) -> str:
    content = reader.text(leaf)
    return content if leaf.type.value == "text/html" else f"<pre>{markup.escape(content)}</pre>"


def _plain(reader: _Reader, texts: list[Part], pages: list[Part], clean: str | None, *, links: bool = True) -> str:
    """The view as text; from the HTML where the mail has no other, or nothing but blanks."""
    if texts == pages and clean is not None:
        return html_text.to_text(clean, links=links)
    found = "\n".join(_text_of(reader, leaf, links) for leaf in texts)
    if found.strip():
        return found.strip("\n")
    if clean is not None:
        return html_text.to_text(clean, links=links)
    return "\n".join(html_text.strip_tags(reader.text(leaf)) for leaf in pages)


def _text_of(reader: _Reader, leaf: Part, links: bool) -> str:
    content = reader.text(leaf)
    if leaf.type.value == "text/plain":
        return content
    clean, _ = html.sanitise(content)
    return html_text.to_text(clean, links=links) if clean is not None else html_text.strip_tags(content)
