"""Text that is safe to store, show and send on: no control characters, no lone surrogates, no NUL.

Must never raise and never take more than linear time; everything that leaves `shared.mail` as text went through here.
"""

import re

_BLOCK_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_ASCII_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_MARK = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_TOO_MANY_MARKS = re.compile(f"([{_MARK}]{{8}})[{_MARK}]+")
_BLANKS = re.compile(r"\s+")


def block(text: str) -> str:
    """Text of many lines: line ends as `\\n`, controls but tab removed, broken characters as U+FFFD.

    Marks of direction stay: Arabic and Hebrew text needs them.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text.encode("ascii").translate(None, _ASCII_CONTROLS).decode("ascii")
    return _SURROGATES.sub("\ufffd", _BLOCK_CONTROLS.sub("", text))


def line(text: str, limit: int) -> str:
    """Text of one line, at most `limit` characters: blanks collapsed; controls, direction overrides, zero-width and tag
    characters removed; at most eight combining marks on a letter. ZWJ and ZWNJ stay: Persian and emoji need them.
    """
    text = _LINE_CONTROLS.sub("", text[: limit * 16])
    if not text.isascii():
        text = _TOO_MANY_MARKS.sub(r"\1", _SURROGATES.sub("\ufffd", text))
    return _BLANKS.sub(" ", text).strip()[:limit].rstrip()


def cut(text: str, limit: int) -> str:
    """The text, cut to at most `limit` bytes of UTF-8 between two characters. No lone surrogates may be in it."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")
