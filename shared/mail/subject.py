"""Subjects, made comparable. Pure."""

import re
import unicodedata
from functools import lru_cache

_PREFIXES = (
    # English, French, German, Dutch, Scandinavian, Finnish
    "re ref réf fw fwd forward tr aw antw antwort wg weitergeleitet antwoord doorst sv vs vb vl "
    # Italian, Spanish, Portuguese, Romanian, Catalan
    "r rif i inoltra rv resp res reenv enc fs rsp "
    # Polish, Czech, Slovak, Hungarian, Croatian, Slovenian, Baltic, Turkish
    "odp pd przek vá továbbítás odg prosl ats bls atb ynt ilt i̇lt "
    # Greek, Russian, Ukrainian, Bulgarian, Hebrew, Arabic
    "απ σχετ πρθ отв ответ пер пересл на від השב העבר رد إعادة "
    # Chinese, Japanese, Korean, Vietnamese, Indonesian, Icelandic, Welsh
    "回复 回覆 答复 答覆 转发 轉寄 轉發 转寄 返信 転送 회신 전달 trả lời chuyển tiếp bls balas trs hl atb"
)


def _pattern() -> re.Pattern[str]:
    words = {unicodedata.normalize("NFKC", word).casefold() for word in _PREFIXES.split()} | {"trả lời", "chuyển tiếp"}
    any_of = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    counter = r"(?:\s?[\[(^*]?\d{1,3}[\])]?)?"
    return re.compile(rf"(?:(?:{any_of}){counter}\s?:\s*)+")


_REPLY = _pattern()
_BLANKS = re.compile(r"\s+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"})


@lru_cache(maxsize=4096)
def normalise_subject(text: str) -> str:
    """A subject for comparison: NFKC, case folded, blanks collapsed, reply and forward prefixes of many languages
    stripped as often as they stand there (`RE: AW: Fwd: [2] x`)."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    text = _BLANKS.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    prefixes = _REPLY.match(text)
    return text[prefixes.end() :].strip() if prefixes else text


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Text for matching whatever its case, accents, width or blanks: `Café  ＶＰＮ` and `cafe vpn` are one.

    Only the accents of Latin, Greek and Cyrillic go: in other scripts the marks are letters.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text))).translate(_LETTERS)
    return _BLANKS.sub(" ", text.lower()).strip()
