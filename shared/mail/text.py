"""Text that is safe to store, show and send on: no control characters, no lone surrogates, no NUL.

Must never raise and never take more than linear time; everything that leaves `shared.mail` as text went through here.
"""

import re
import unicodedata

_BLOCK_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_ASCII_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u3164\uffa0\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_MARK = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_TOO_MANY_MARKS = re.compile(f"([{_MARK}]{{8}})[{_MARK}]+")
_SOME_MARKS = re.compile(r"[^\w\s\x00-\x7f]{9,}")
_FAR_NONCHARACTERS = re.compile(
    f"[{''.join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))}]"
)
_BLANKS = re.compile(r"\s+")
_BROKEN_ENDS = re.compile(r"\r+\n")
"""CR CR LF, as gateways write that add one."""
MAX_MARKS = 8
MAX_JOINED = 32
_JOINER = "\u200d"
_MODIFIERS = frozenset(map(chr, range(0x1F3FB, 0x1F400)))


def block(text: str) -> str:
    """Text of many lines: line ends as `\\n`, controls but tab removed, broken characters as U+FFFD.

    Marks of direction stay: Arabic and Hebrew text needs them.
    """
    if "\r" in text:
        if "\r\r" in text:
            text = _BROKEN_ENDS.sub("\n", text)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text.encode("ascii").translate(None, _ASCII_CONTROLS).decode("ascii")
    return _SURROGATES.sub("\ufffd", _BLOCK_CONTROLS.sub("", text))


def line(text: str, limit: int) -> str:
    """Text of one line, at most `limit` characters: blanks collapsed; controls, direction overrides, zero-width and tag
    characters removed; at most eight combining marks on a letter. ZWJ and ZWNJ stay: Persian and emoji need them.
    """
    text = text[: limit * 16]
    if text.isascii() and text.isprintable():
        return (_BLANKS.sub(" ", text) if "  " in text else text).strip()[:limit].rstrip()
    text = _LINE_CONTROLS.sub("", text)
    if not text.isascii():
        text = _TOO_MANY_MARKS.sub(r"\1", _SURROGATES.sub("\ufffd", text))
        text = _FAR_NONCHARACTERS.sub("", _SOME_MARKS.sub(_fewer_marks, text))
    return _whole(_BLANKS.sub(" ", text).strip(), limit).rstrip()


def _fewer_marks(run: re.Match[str]) -> str:
    """A run of signs without letters, with at most eight marks one after another, in whatever script."""
    kept: list[str] = []
    marks = 0
    for one in run[0]:
        marks = marks + 1 if unicodedata.category(one) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            kept.append(one)
    return "".join(kept)


def _whole(text: str, limit: int) -> str:
    """The text, cut to at most `limit` characters, not within one that a person sees (emoji, letters with marks)."""
    if len(text) <= limit:
        return text
    end = limit
    while end > max(0, limit - MAX_JOINED) and (_continues(text[end]) or text[end - 1] == _JOINER):
        end -= 1
    return text[: end or limit]


def _continues(one: str) -> bool:
    return one == _JOINER or one in _MODIFIERS or unicodedata.category(one) in ("Mn", "Me", "Mc")


def cut(text: str, limit: int) -> str:
    """The text, cut to at most `limit` bytes of UTF-8 between two characters. No lone surrogates may be in it."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")
