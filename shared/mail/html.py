"""HTML of a mail, made safe: once to be kept, and once more to be shown. Pure and total.

What is kept loads nothing by itself: no style, no script, no form, and the address of a remote image stands behind
`remote:`, a scheme that no browser knows. `show` gives it back, only when a person asked for it. The depth and size
limits of `html_limits` hold before any HTML parser sees the input.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

import nh3

from shared.mail import html_limits, text
from shared.mail.flags import Flag

MAX_CLEAN = 512 * 1024
MAX_ADDRESS = 2_000
"""Characters of a remote image's address; one with a longer is left out."""
REMOTE: Final = "remote:"
CID: Final = "cid:"

TAGS = frozenset(
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
ATTRIBUTES = {
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
_REMOTE_SOURCE = re.compile(rf'(<img\b[^<>]*?) src="{REMOTE}[^"<>]*"')


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Images from the mail itself (`cid:`) or put aside, links without tricks of white space."""
    plain = value.strip()
    if name == "src":
        return _source(plain)
    return None if name == "href" and plain.lower().startswith((CID, REMOTE)) else value


def _source(value: str) -> str | None:
    if value.lower().startswith(CID):
        return value
    address = value.removeprefix(REMOTE)
    remote = address.lower().startswith(("http://", "https://")) and len(address) <= MAX_ADDRESS
    return f"{REMOTE}{address}" if remote else None


_SCHEMES = frozenset(("http", "https", "mailto", "cid", "remote"))
_CLEANER = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=_DROPPED,
    attributes=ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes=_SCHEMES,
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


def without_remote(clean: str) -> str:
    """Kept HTML without the addresses of its remote images, for whoever only passes it on."""
    return _REMOTE_SOURCE.sub(r"\1", clean)


def has_remote(clean: str) -> bool:
    """Whether kept HTML has remote images."""
    return _REMOTE_SOURCE.search(clean) is not None


def show(kept: str, inline: Mapping[str, str], *, remote: bool) -> str:
    """Kept HTML, sanitised anew, as it may be shown; empty if it is too complex by now.

    `inline` gives the address of each image of the mail itself by its content id; another `cid:` shows nothing. Remote
    images load only with `remote`. Links open elsewhere.
    """

    def shown(tag: str, name: str, value: str) -> str | None:
        if name != "src":
            return value
        if value.lower().startswith(CID):
            return inline.get(unquote(value[len(CID) :]))
        return value.removeprefix(REMOTE) if remote and value.startswith(REMOTE) else None

    clean, _ = sanitise(kept)
    cleaner = nh3.Cleaner(
        tags=TAGS,
        clean_content_tags=_DROPPED,
        attributes=ATTRIBUTES,
        attribute_filter=shown,
        url_schemes=_SCHEMES,
        url_relative="pass_through",  # only those of `inline`: the line above let no other through
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return cleaner.clean(clean or "")
