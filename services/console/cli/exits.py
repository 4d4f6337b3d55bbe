"""Exit codes of `mail-automator`: the one place that says what they mean. They never change."""

from enum import IntEnum

from shared.domain.errors import AutomatorError


class Exit(IntEnum):
    """What a program may rely on.

    `USAGE` is a wrong command line. `CHANGED` shares its number: it is given only by `apply` and `diff` when asked
    with `--detailed-exitcode`, and there says that something changes (or did).
    """

    OK = 0
    ERROR = 1
    UNBALANCED = 1
    USAGE = 2
    CHANGED = 2
    NOT_FOUND = 3
    INTERRUPTED = 130


class NotFound(AutomatorError):
    """What was asked for does not exist: exit code 3. `reasons` are sentences on what that can mean."""

    code = "not_found"

    def __init__(self, what: str, *, where: str = "", remedy: str = "", reasons: tuple[str, ...] = ()) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.reasons = reasons
