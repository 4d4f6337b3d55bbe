"""The words of a subject, as mails are searched by: whatever case, accents, and reply prefixes. Pure.

In scripts without blanks between words (Chinese, Japanese, Thai) a run of letters is one word.
"""

import re
from collections.abc import Sequence

from shared.mail.subject import fold, normalise_subject

WORDS_LIMIT = 24
WORD_LENGTH = 40
_WORD = re.compile(r"\w+")


def words(subject: str) -> tuple[str, ...]:
    """The first 24 different words, in their order, each cut to 40 characters. `Re: Café` gives `cafe`."""
    found = _WORD.findall(fold(normalise_subject(subject)))
    return tuple(dict.fromkeys(word[:WORD_LENGTH] for word in found))[:WORDS_LIMIT]


def has_all(subject: str, beginnings: Sequence[str]) -> bool:
    """Whether for each of these beginnings a word of the subject begins so."""
    return begin_all(words(subject), beginnings)


def begin_all(there: Sequence[str], beginnings: Sequence[str]) -> bool:
    """Whether for each of these beginnings one of the words begins so."""
    return all(any(word.startswith(one) for word in there) for one in beginnings)
