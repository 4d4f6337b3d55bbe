"""The values of a test: each step's result, and why one failed. Pure."""

from enum import StrEnum

from shared.domain.value import Value


class Chain(StrEnum):
    """The two servers that are tested, one after the other."""

    IMAP = "imap"
    SMTP = "smtp"


class Outcome(StrEnum):
    """How a step ended. The first failed step ends its chain: the later ones are skipped."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepResult(Value):
    """One line of the checklist.

    `sentence` is for people; a failed step has a `remedy` and a `code` (`IMAP_AUTH_DENIED`). Never holds a secret;
    a server's own words are escaped, at most 200 characters.
    """

    chain: Chain
    name: str
    outcome: Outcome
    milliseconds: int = 0
    sentence: str = ""
    remedy: str = ""
    code: str = ""


class StepFailed(Exception):
    """A step's own words on its failure. `code` without the chain: `AUTH_DENIED`."""

    def __init__(self, code: str, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.remedy = remedy
