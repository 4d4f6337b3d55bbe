"""Whether HTML is safe to hand to a parser: how deep its elements nest, measured without building a tree. Pure, linear.

HTML parsers take quadratic time and memory for deep nesting (500 KB of `<div>`: 15 s in nh3, 37 s in lexbor), for many
attributes on a tag and for runs of `&`. This follows the tokenizer of the HTML standard (section 13.2.5) and keeps a
stack of open elements that is never much shallower than a parser's: no closing tag in a comment, a script or an
attribute can hide depth. Small HTML skips it: there even the worst costs milliseconds, and `depth` judges the result.
"""

import re
from itertools import accumulate

MAX_SIZE = 1024 * 1024
MAX_DEPTH = 200
MAX_TAGS = 20_000
MAX_FOREIGN_TAGS = 2_000
MAX_AMPERSANDS = 50_000
SMALL_TAGS = 1_000
SMALL_SIZE = 128 * 1024
MAX_TAG = 8 * 1024
MAX_BLANKS_IN_TAG = 1_000

_ATTRIBUTES = r"""(?>(?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+|(?=>)))?+)*+)"""
_TOKEN = re.compile(
    r"<!--(?:-?>|(?:(?!--!?>)[\s\S])*+(?:--!?>|\Z))"
    rf"|<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?P<rest>{_ATTRIBUTES})>"
    r"|<[!?][^>]*+>?|</[^a-zA-Z][^>]*+>?"
    r"|<(?P<open>/?[a-zA-Z])[\s\S]*+"
)
_BALANCED = re.compile(r"<(/?)(?!br|hr|img|col[ >]|wbr)[a-z]")
_OPENING = re.compile(r"<[a-zA-Z]")
_FOREIGN = re.compile(r"<(?:svg|math)\b", re.IGNORECASE)

_VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr".split()  # noqa: SIM905
)
_RAW = frozenset("script style textarea title xmp iframe noembed noframes noscript".split())  # noqa: SIM905
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())  # noqa: SIM905
_BOUNDARY = frozenset("table td th caption object marquee applet template html button select".split())  # noqa: SIM905
_IMPLIED = frozenset("p li dd dt td th tr tbody thead tfoot option optgroup rp rt colgroup".split())  # noqa: SIM905


def too_complex(html: str) -> bool:
    """Whether an HTML text nests deeper than 200 elements, or has more tags or attributes than a parser should meet."""
    tags = len(_OPENING.findall(html))
    if (
        tags > MAX_TAGS
        or html.count("&") > MAX_AMPERSANDS
        or (tags > MAX_FOREIGN_TAGS and _FOREIGN.search(html) is not None)
    ):
        return True
    if tags <= SMALL_TAGS and len(html) <= SMALL_SIZE:
        return False
    return _too_deep(html)


def depth(clean: str) -> int:
    """How deep sanitised HTML nests. Its tags are balanced and its attributes hold no `<`, so counting is enough."""
    steps = (-1 if close else 1 for close in _BALANCED.findall(clean))
    return max(accumulate(steps), default=0)


def _too_deep(html: str) -> bool:
    stack: list[tuple[str, str]] = []
    at = 0
    while (match := _TOKEN.search(html, at)) is not None:
        at = match.end()
        name = (match["name"] or "").lower()
        if not name:
            continue
        if len(match[0]) > MAX_TAG and len(re.findall(r"[\s/\"']", match[0])) > MAX_BLANKS_IN_TAG:
            return True
        if match["close"]:
            _close(stack, name)
        elif name in _RAW:
            at = _after_raw(html, at, name)
        elif name not in _VOID:
            _open(stack, name, match["rest"])
        if len(stack) > MAX_DEPTH:
            return True
    return False


def _after_raw(html: str, at: int, name: str) -> int:
    """Where the text of a script, style or the like ends."""
    end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, at)
    return end.start() if end else len(html)


def _open(stack: list[tuple[str, str]], name: str, attributes: str) -> None:
    """Push an element, closing its own kind where only elements with optional end tags stand between."""
    if name in _FORMATTING and stack.count((name, attributes)) >= 3:
        return
    if name in _IMPLIED:
        for position in range(len(stack) - 1, -1, -1):
            if stack[position][0] == name:
                del stack[position:]
                break
            if stack[position][0] not in _IMPLIED:
                break
    stack.append((name, attributes if name in _FORMATTING else ""))


def _close(stack: list[tuple[str, str]], name: str) -> None:
    """Pop up to the element, if no boundary of scope stands between. Formatting elements stay: parsers reopen them."""
    for position in range(len(stack) - 1, -1, -1):
        if stack[position][0] == name:
            kept = [] if name in _BOUNDARY else [one for one in stack[position + 1 :] if one[0] in _FORMATTING]
            stack[position:] = kept
            return
        if stack[position][0] in _BOUNDARY and name not in _BOUNDARY:
            return
