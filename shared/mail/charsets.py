"""Bytes of a named charset to text. Total: any bytes and any name give text, and flags say what had to be guessed.

Only real text codecs are allowed: Python also knows `rot13`, `zlib`, `idna` and `unicode_escape`, which are no mail.
Order: byte order mark, declared, UTF-8, detection on at most 64 KiB, latin-1.
"""

import codecs
import re
from functools import lru_cache

import charset_normalizer

from shared.mail.flags import Flag

DETECTION_LIMIT = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")
_ALIASES = {
    # The WHATWG encoding standard: what declares the first is in practice written in the second.
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "x-windows-949": "cp949",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "x-utf-8": "utf-8",
    "x-unicode-2-0-utf-8": "utf-8",
    "unicode-2-0-utf-8": "utf-8",
    "unicode": "utf-16",
    "ucs-2": "utf-16",
    "iso-10646-ucs-2": "utf-16",
    "csunicode": "utf-16",
    "unicodefffe": "utf-16-be",
    "ucs-4": "utf-32",
    "iso-10646-ucs-4": "utf-32",
    "x-unicode-2-0-utf-7": "utf-7",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "cp50222": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "csiso2022kr": "iso2022_kr",
    "cp51932": "euc_jp",
    "windows-51932": "euc_jp",
    "x-euc-jp": "euc_jp",
    "eucjp-ms": "euc_jp",
    "eucjp-win": "euc_jp",
    "x-euc-kr": "cp949",
    "ms932": "cp932",
    "ms_kanji": "cp932",
    "windows-932": "cp932",
    "x-ms-cp932": "cp932",
    "windows-949": "cp949",
    "ms949": "cp949",
    "windows-936": "gb18030",
    "ms936": "gb18030",
    "x-gb18030": "gb18030",
    "x-euc-cn": "gb18030",
    "euc-cn": "gb18030",
    "cn-gb": "gb18030",
    "big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "big5-eten": "cp950",
    "windows-950": "cp950",
    "x-windows-950": "cp950",
    "x-mac-ce": "mac-latin2",
    "x-mac-greek": "mac-greek",
    "x-mac-turkish": "mac-turkish",
    "x-mac-icelandic": "mac-iceland",
    "x-mac-croatian": "mac-croatian",
    "x-mac-romanian": "mac-romanian",
    "koi8-ru": "koi8-u",
    "koi": "koi8-r",
    "dos-862": "cp862",
    "dos-720": "cp720",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-6-e": "iso8859-6",
    **{f"{make}{page}": f"cp{page}" for make in ("x-cp", "win-", "win", "ansi-") for page in range(1250, 1259)},
}
_OTHERS = {"big5hkscs": ("cp950",), "euc_jp": ("euc_jis_2004",), "iso2022_jp_ext": ("iso2022_jp_2004",)}
"""What texts that are not quite of a charset are in practice written in."""
_ALLOWED = frozenset(
    """
    ascii utf-8 utf-8-sig utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be big5 big5hkscs gb2312 gbk
    gb18030 hz shift_jis shift_jis_2004 shift_jisx0213 euc_jp euc_jis_2004 euc_jisx0213 iso2022_jp iso2022_jp_1
    iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext euc_kr johab iso2022_kr tis-620 koi8-r koi8-t koi8-u
    kz1048 ptcp154 mac-roman mac-cyrillic mac-greek mac-latin2 mac-turkish mac-iceland mac-croatian mac-romanian
    hp-roman8 cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866
    cp869 cp874 cp932 cp949 cp950 cp1125 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859-1
    iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11
    iso8859-13 iso8859-14 iso8859-15 iso8859-16
    """.split()  # noqa: SIM905  # a hundred names read better as one paragraph
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4, "utf-32-le": 4, "utf-32-be": 4}
_NOBODY_KNOWS = frozenset(("unknown-8bit", "8bit", "binary", "none", "default", "default_charset", "_autodetect"))
_NO_FLAGS: tuple[Flag, ...] = ()


@lru_cache(maxsize=512)
def codec(name: str) -> str | None:
    """The Python codec for a charset name of a mail, or None if the name is unknown or no text codec."""
    name = name.strip().strip("\"'").lower()
    if not _NAME.fullmatch(name):
        return None
    try:
        found = codecs.lookup(_ALIASES.get(name, name.removeprefix("charset="))).name
    except (LookupError, ValueError):
        return None
    return _ALIASES.get(found, found) if found in _ALLOWED else None


def decode(data: bytes, declared: str | None) -> tuple[str, tuple[Flag, ...]]:
    """The text of `data`, and what was odd about its charset. `declared` is the name in the mail, if it has one."""
    text, flags = _decode(data, declared)
    return text, (Flag.CHARSET_UNKNOWN, *flags) if declared and _is_none(declared) else flags


def _is_none(declared: str) -> bool:
    """Whether a name is that of no charset. Seen in practice: a word that says that nobody knows."""
    return codec(declared) is None and declared.strip().lower() not in _NOBODY_KNOWS


def _decode(data: bytes, declared: str | None) -> tuple[str, tuple[Flag, ...]]:
    if data.isascii() and (declared is None or not _has_state(declared)) and not _half_zeros(data):
        return data.decode("ascii"), _NO_FLAGS
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _wide(data[len(mark) :], name)
    name = codec(declared) if declared else None
    if name in _WIDE:
        return _wide(data, _with_order(data, name))
    if name and not _is_ascii_by_name(declared):
        text = next((one for each in (name, *_OTHERS.get(name, ())) if (one := _strict(data, each)) is not None), None)
        odd = (Flag.CHARSET_UTF7,) if name == "utf-7" else _NO_FLAGS
        if text is not None:
            return text, odd
        if declared and _has_state(declared):
            return _tolerant(data, name), (*odd, Flag.CHARSET_BROKEN)
    return _undeclared(data, name)


def _wide(data: bytes, name: str) -> tuple[str, tuple[Flag, ...]]:
    """Text of UTF-16 or UTF-32, whatever is wrong with it."""
    text = _strict(data, name)
    return (text, _NO_FLAGS) if text is not None else (_tolerant(data, name), (Flag.CHARSET_BROKEN,))


def _half_zeros(data: bytes) -> bool:
    """Whether so many bytes are zero that this is UTF-16, not text with a stray NUL."""
    return b"\x00" in data and data.count(0) * 4 > len(data)


def _is_ascii_by_name(declared: str | None) -> bool:
    return declared is not None and declared.strip().strip("\"'").lower() in ("us-ascii", "ascii")


def _has_state(declared: str) -> bool:
    """Whether ASCII bytes may mean other characters in it (ISO 2022, HZ, UTF-7) or the name is a wide one."""
    name = codec(declared)
    return name is not None and (name.startswith("iso2022") or name in _WIDE or name in ("hz", "utf-7"))


def _undeclared(data: bytes, name: str | None) -> tuple[str, tuple[Flag, ...]]:
    text = _strict(data, "utf-8")
    if text is not None and not _half_zeros(data):
        return text, (Flag.CHARSET_GUESSED,)
    nearly = _nearly(data, name or "utf-8")
    if nearly is not None:
        return nearly, (Flag.CHARSET_BROKEN,)
    guess = _detected(data)
    text = _strict(data, guess) if guess else None
    return (text if text is not None else data.decode("latin-1")), (Flag.CHARSET_GUESSED,)


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, ValueError, OverflowError):
        return None


def _tolerant(data: bytes, name: str) -> str:
    try:
        return data.decode(name, "replace")
    except (UnicodeError, ValueError, OverflowError):
        return data.decode("latin-1")


def _nearly(data: bytes, name: str) -> str | None:
    """The text with replacements, if that few are needed that the name must be right: one in fifty characters."""
    text = _tolerant(data, name)
    wrong = text.count("\ufffd")
    return text if 0 < wrong <= 1 + len(text) // 50 else None


def _with_order(data: bytes, name: str) -> str:
    """The byte order of UTF-16 or UTF-32 without a mark: where the zero bytes of the ASCII characters are; big-endian
    where there are none (RFC 2781, section 4.3)."""
    if not name.endswith(("16", "32")):
        return name
    sample, width = data[:4096], _WIDE[name]
    little = sample[width - 1 :: width].count(0) > sample[0::width].count(0)
    return f"{name}-{'le' if little else 'be'}"


def _detected(data: bytes) -> str | None:
    """The most likely codec of undeclared bytes."""
    sample = data[:DETECTION_LIMIT]
    if _half_zeros(sample):
        return _with_order(sample, "utf-16")
    best = charset_normalizer.from_bytes(sample).best()
    return codec(best.encoding) if best is not None else None
