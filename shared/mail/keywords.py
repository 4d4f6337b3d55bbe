"""Whole-word search for many keywords in a subject, whatever case and accents. Pure.

The table is built once per catalogue; a search then costs time by the words of the subject, not by the keywords.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from shared.mail.subject import fold

_WORD = re.compile(r"\w+")
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts without blanks between words (Chinese, Japanese, Thai …), and Korean, which adds particles to words."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword: as written, folded for matching, its owner's name and place in catalogue order."""

    written: str
    folded: str
    owner: str
    order: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A keyword found at a position of the folded text."""

    keyword: Keyword
    position: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller wins: the longest keyword, then the earliest in the text, then catalogue order."""
        return (-len(self.keyword.folded), self.position, self.keyword.order)


@dataclass(frozen=True, slots=True)
class KeywordTable:
    """Keywords by their first word; those that begin in a script without blanks, or with no letter, stand apart."""

    by_word: dict[str, tuple[Keyword, ...]]
    anywhere: tuple[Keyword, ...]

    def find(self, text: str) -> tuple[Hit, ...]:
        """The first hit of each keyword that stands in the text as whole words, best first. `text` is folded here."""
        folded = fold(text)
        first: dict[Keyword, int] = {}
        for word in _WORD.finditer(folded):
            for one in self.by_word.get(word[0], ()):
                if one not in first and _stands(folded, one.folded, word.start()):
                    first[one] = word.start()
        for one in self.anywhere:
            position = _position(folded, one.folded)
            if position != -1:
                first[one] = position
        return tuple(sorted((Hit(one, position) for one, position in first.items()), key=lambda hit: hit.rank))


@lru_cache(maxsize=256)
def table(owners: tuple[tuple[str, tuple[str, ...]], ...]) -> KeywordTable:
    """The table for (owner, keywords) in catalogue order. Cached: the same catalogue costs nothing."""
    return _table(
        Keyword(word, fold(word), owner, order) for order, (owner, words) in enumerate(owners) for word in words
    )


def _table(keywords: Iterable[Keyword]) -> KeywordTable:
    by_word: dict[str, list[Keyword]] = {}
    anywhere: list[Keyword] = []
    for one in keywords:
        first = _WORD.match(one.folded)
        if not one.folded:
            continue
        if first is None or _SPACELESS.search(one.folded):
            anywhere.append(one)
        else:
            by_word.setdefault(first[0], []).append(one)
    return KeywordTable({word: tuple(found) for word, found in by_word.items()}, tuple(anywhere))


def _position(text: str, word: str) -> int:
    at = text.find(word)
    while at != -1 and not _stands(text, word, at):
        at = text.find(word, at + 1)
    return at


def _stands(text: str, word: str, at: int) -> bool:
    """Whether the word stands at that place, not glued to a letter or digit before or after it."""
    end = at + len(word)
    if not text.startswith(word, at):
        return False
    before = at > 0 and _glued(text[at - 1], word[0])
    return not before and not (end < len(text) and _glued(word[-1], text[end]))


def _glued(left: str, right: str) -> bool:
    return _WORD.fullmatch(left + right) is not None and not (_SPACELESS.match(left) or _SPACELESS.match(right))
