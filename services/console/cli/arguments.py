"""Global options may stand before or after the command: this brings them to the front, where they are declared."""

from collections.abc import Sequence

GLOBAL = ("--data", "--store-url", "--key-file", "--output", "-o")
"""Options of `mail-automator` itself; each takes one value."""


def hoist(arguments: Sequence[str], untouched: frozenset[str]) -> list[str]:
    """The same command line with global options first. What follows a command in `untouched`, or `--`, stays."""
    front: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word == "--" or (word in untouched and not rest):
            break
        if word in GLOBAL and at + 1 < len(arguments):
            front += arguments[at : at + 2]
            at += 1
        elif word.startswith(tuple(f"{name}=" for name in GLOBAL if name.startswith("--"))):
            front.append(word)
        else:
            rest.append(word)
        at += 1
    return [*front, *rest, *arguments[at:]]
