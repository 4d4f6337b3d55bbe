"""What must not be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One thing that must not be: of which invariant, of which mail, ticket or mailbox. `word` is lost, doubled or
    unexpected."""

    invariant: str
    word: str
    subject: str
    sentence: str
