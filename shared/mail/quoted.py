"""What of a mail's text is new, and what is quoted or signature: for display only, the ticket keeps all of it. Pure.

The words of mail programs in fourteen languages come from mail-parser-reply; this module asks where they stand, and
believes it less often. It must never hide the whole text, nor an answer between quotes: in doubt everything is new.
The library's expressions take quadratic time in a line and in runs of blanks, so they see only the first lines, each
cut and without such runs: bounded work, whatever the mail.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from mailparser_reply import EmailMessage
from mailparser_reply.constants import MAIL_LANGUAGES

MAX_LINES = 300
MAX_LINE = 160
"""No program's `On … wrote:` is longer. A header below MAX_LINES is not found."""
MAX_SIGNATURE = 15
"""Lines; more than that below a `Best regards` is text."""
MAX_TRIES = 5

_GMAIL = re.compile(r"^(?:El|Em|No dia) .{4,150} (?:escribió|escreveu) ?:$", re.IGNORECASE | re.MULTILINE)
"""In Spanish and Portuguese; the library misses it."""
_FIELD = re.compile(r"^[^\s:][^:\n]{0,20} ?[:：]", re.MULTILINE)
_RULE = re.compile(r"[-_]{5,}(?: ?[^-_]{1,40} ?[-_]{5,})?")
_PROSE = re.compile(r".{61,}|.*[.?!]|[a-zà-ÿ].*")
_PUNCTUATION = " ,.!;:"


@dataclass(frozen=True, slots=True)
class Quoted:
    """A text in two: what its author wrote, and what follows it (quotes, signature; may be empty)."""

    new: str
    rest: str


@dataclass(frozen=True, slots=True)
class _Expressions:
    """The library's: where an older mail begins, and where a signature does (its second group is the sign of it)."""

    header: re.Pattern[str]
    signature: re.Pattern[str]


def split(text: str) -> Quoted:
    """The new part of a text, and the rest; both together are the text. `new` is blank only if the text is.

    Lines end with `\\n`. Never raises.
    """
    lines = text.split("\n")
    seen = [_seen(line) for line in lines[:MAX_LINES]]
    end = _before_quotes(lines)
    header = _header(seen)
    if header is not None and header[0] < end and not _answered_inline(lines[header[1] :]):
        end = _above_rules(lines, header[0])
    end = _signature(seen, end)
    position = sum(len(line) + 1 for line in lines[:end])
    new, rest = text[:position], text[position:]
    return Quoted(new, rest) if new.strip() else Quoted(text, "")


def _seen(line: str) -> str:
    """A line as the expressions see it: without bold marks and runs of blanks, cut; nothing of a quoted line."""
    line = line[: MAX_LINE * 4].strip()
    return "" if line.startswith(">") else " ".join(line.replace("*", "").split())[:MAX_LINE]


def _before_quotes(lines: Sequence[str]) -> int:
    """Where the quotes begin that the text ends with, with the line that introduces them, in whatever language."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    above = lines[end - 1].strip() if end else ""
    introduced = above.endswith((":", "：")) and any(one.isdigit() for one in above)
    quotes = next((at for at in range(end, len(lines)) if lines[at].strip()), None)
    if quotes is None:
        return len(lines)
    return end - 1 if introduced else quotes


def _header(seen: Sequence[str]) -> tuple[int, int] | None:
    """The first line of the header of an older mail, and the line after it."""
    text = "\n".join(seen)
    found = [span for one in (_expressions().header, _GMAIL) if (span := _first(one, text)) is not None]
    if not found:
        return None
    start, stop = min(found)
    return text.count("\n", 0, start), text.count("\n", 0, stop) + 1


def _first(expression: re.Pattern[str], text: str) -> tuple[int, int] | None:
    for match in _matches(expression, text):
        start = match.end() - len(match[0].lstrip("\n"))
        if _is_header(match[0].strip()):
            return start, match.end()
    return None


def _matches(expression: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The first few matches; each begins on a later line than the one before."""
    at = 0
    for _ in range(MAX_TRIES):
        match = expression.search(text, at)
        if match is None:
            return
        yield match
        at = text.find("\n", match.start() + 1)
        if at == -1:
            return


def _is_header(found: str) -> bool:
    """`On … wrote:`, a rule of `Original Message`, or three fields. The library takes one `Data:` for a Polish one."""
    return found.endswith((":", "：")) or _RULE.fullmatch(found) is not None or len(_FIELD.findall(found)) >= 3


def _answered_inline(lines: Sequence[str]) -> bool:
    """Whether somebody wrote between the quotes that follow a header."""
    filled = [line.lstrip() for line in lines if line.strip()]
    return bool(filled) and filled[0].startswith(">") and not all(line.startswith(">") for line in filled)


def _above_rules(lines: Sequence[str], end: int) -> int:
    """Outlook draws a line above its header."""
    above = end
    while above and (not lines[above - 1].strip() or _RULE.fullmatch(lines[above - 1].strip())):
        above -= 1
        end = above if lines[above].strip() else end
    return end


def _signature(seen: Sequence[str], end: int) -> int:
    """Where the signature begins that the new text ends with; `end` if it has none."""
    text = "\n".join(seen[:end])
    for match in _matches(_expressions().signature, text) if end <= len(seen) else ():
        marker = match[2].strip()
        tail, _, below = text[match.end(2) :].partition("\n")
        if not tail.strip(_PUNCTUATION) and _is_signature(marker, [one for one in below.split("\n") if one]):
            return text.count("\n", 0, match.end(2) - len(match[2].lstrip()))
    return end


def _is_signature(marker: str, below: Sequence[str]) -> bool:
    """Few lines, and no sentences, below words that people also write for their meaning (`Thanks,`). The library takes
    a path such as `/opt` for a Swede's name, and a ruled table for a signature."""
    if marker.startswith("/") or _RULE.fullmatch(marker) or len(below) > MAX_SIGNATURE:
        return False
    return marker.startswith(("--", "__")) or not any(_PROSE.fullmatch(line) for line in below)


@lru_cache(maxsize=1)
def _expressions() -> _Expressions:
    message = EmailMessage(text="", languages=list(MAIL_LANGUAGES), keep_hyphen_lists=True)
    header = cast("re.Pattern[str]", message.HEADER_REGEX)  # pyright: ignore[reportUnknownMemberType]  # a bare Pattern
    signature = cast("re.Pattern[str]", message.SIGNATURE_REGEX)  # pyright: ignore[reportUnknownMemberType]  # the same
    return _Expressions(header, signature)
