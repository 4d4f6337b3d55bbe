"""YAML documents that came over the network: bounded, and without what lets a few lines stand for millions.

Knows nothing of what they mean. Must never build anything before it was counted.
"""

from typing import Final

import yaml

from services.console.configuration.documents import Documents, parse
from services.console.configuration.problems import ConfigurationProblems
from services.console.configuration.source import parse as read_yaml
from shared.domain.errors import ConfigurationError

SOURCE: Final = "pasted text"
MOST: Final = 256 * 1024
"""Characters."""
DEEPEST: Final = 20


def documents(text: str) -> Documents:
    """The documents of a text. Takes a second for the longest one. Raises ConfigurationProblems."""
    try:
        _count(text)
        return parse(read_yaml(text, SOURCE))
    except ConfigurationProblems:
        raise
    except ConfigurationError as error:
        raise ConfigurationProblems([error]) from None


def _count(text: str) -> None:
    if len(text) > MOST:
        raise _refused(f"the text is over {MOST // 1024} KiB", "import less at once")
    depth = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise _refused("aliases are not taken here", "write the values out", event)
            if depth > DEEPEST:
                raise _refused(f"it is nested deeper than {DEEPEST}", "no document needs that", event)
    except yaml.YAMLError:
        return  # whoever reads it says what is wrong


def _refused(what: str, remedy: str, at: yaml.Event | None = None) -> ConfigurationError:
    mark = at.start_mark if at is not None else None
    return ConfigurationError(what, where=f"{SOURCE}:{mark.line + 1}" if mark else SOURCE, remedy=remedy)
