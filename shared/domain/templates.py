"""Templates that administrators write: words in braces from a closed list, replaced once. No format language at all.

What is put in is never looked at again, so text that came by mail cannot name a word.
"""

import re
from collections.abc import Mapping
from typing import Final

WORDS: Final = ("number", "tag", "module", "mailbox", "service", "department", "subject")
_BRACES = re.compile(r"\{([^{}]*)\}")


def unknown_words(template: str) -> tuple[str, ...]:
    """What stands in braces and is no word, as it stands there."""
    return tuple(found[0] for found in _BRACES.finditer(template) if found[1] not in WORDS)


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with its words replaced; what is no word stays as it is."""
    return _BRACES.sub(lambda found: values.get(found[1], found[0]) if found[1] in WORDS else found[0], template)
