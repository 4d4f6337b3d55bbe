"""Errors, named for their fate.

    AutomatorError
    ├── Transient            worth another try later: broker or store away, server busy
    │   ├── StoreUnavailable
    │   └── BrokerUnavailable
    ├── Permanent            another try ends the same: this mail goes to quarantine
    │   ├── MalformedMessage
    │   └── OtherMailbox
    └── Fatal                this process cannot work: stop, and say what to do
        └── ConfigurationError

An exception that is none of these counts as transient until its attempts run out.
Each message names what happened and where; `remedy` says what to do about it. No message holds a secret or mail text.
"""


class AutomatorError(Exception):
    """The root. `what` happened `where`, and the `remedy` for a person.

    `code` is a stable snake_case word for metrics, logs and programs.
    """

    code = "internal_error"

    def __init__(self, what: str, *, where: str = "", remedy: str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        if code is not None:
            self.code = code

    def line(self) -> str:
        """One line for a person: what, where, what to do."""
        where = f" ({self.where})" if self.where else ""
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{self.what}{where}{remedy}"


class Transient(AutomatorError):
    """Worth another try later."""

    code = "transient"


class Soon(Transient):
    """Worth another try in a moment: what this waits for is being worked on."""

    code = "soon"


class StoreUnavailable(Transient):
    """The store did not answer, or did not confirm a write."""

    code = "store_unavailable"


class BrokerUnavailable(Transient):
    """The broker did not answer, or did not confirm a publish."""

    code = "broker_unavailable"


class Permanent(AutomatorError):
    """Another try would end the same."""

    code = "permanent"


class MalformedMessage(Permanent):
    """A message on a queue that is not of the contract."""

    code = "malformed_message"


class OtherMailbox(Permanent):
    """A message names another mailbox than the books do for its mail."""

    code = "other_mailbox"

    def __init__(self, where: str) -> None:
        remedy = "find out who writes on the broker; a replay takes the mailbox from the books"
        super().__init__("a message says that this mail is of another mailbox", where=where, remedy=remedy)


class Fatal(AutomatorError):
    """The process cannot work at all."""

    code = "fatal"


class ConfigurationError(Fatal):
    """What somebody configured does not hold together."""

    code = "configuration_error"
