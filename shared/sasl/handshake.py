"""One run of a mechanism, in the base64 lines of IMAP (RFC 9051 section 6.2.2) and SMTP (RFC 4954)."""

import base64
from collections.abc import Callable
from typing import Final

from shared.sasl.mechanisms import Mechanism
from shared.sasl.values import MechanismFailed

CANCEL: Final = b"*"
SMTP_LINE_MAX: Final = 512
"""Bytes of an SMTP command with its end (RFC 5321 section 4.5.3.1.4); a longer AUTH goes out in two steps."""


Reply = Callable[[bytes], bytes]
"""The line to send when a server asks to go on, from what stands behind its `+` or `334`. Never raises, never waits."""


def silent(challenge: bytes) -> bytes:
    """An empty line, which ends what nobody wanted to begin."""
    return b""


class Handshake:
    """Says what to send; the caller sends it. Never raises for what a server says: what makes no sense is cancelled."""

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism = mechanism
        self._first = mechanism.initial()

    @property
    def name(self) -> str:
        """The mechanism's name."""
        return self._mechanism.name

    @property
    def judged(self) -> bool:
        """Whether a refusal now is about user and secret. Before that it is the mechanism that failed."""
        return self._first is None and self._mechanism.proven

    def imap_arguments(self, *, sasl_ir: bool) -> tuple[str, ...]:
        """What follows AUTHENTICATE; with the initial response where the server takes one (SASL-IR, RFC 4959)."""
        return (self.name, self._take_first().decode("ascii")) if sasl_ir and self._first is not None else (self.name,)

    def smtp_command(self) -> bytes:
        """AUTH, with the initial response unless the line would be too long for it (RFC 4954 section 4)."""
        bare = b"AUTH " + self.name.encode("ascii")
        room = SMTP_LINE_MAX - len(bare) - len(b" \r\n")
        if self._first is None or len(base64.b64encode(self._first)) > room:
            return bare
        return bare + b" " + self._take_first()

    def answer(self, challenge: bytes) -> bytes:
        """The line that answers a challenge (what stands behind `+` or `334`): empty for nothing, `*` to give up.

        Seen in practice: Exchange's first challenge is prose (`334 NTLM supported`). What a server says before it has
        heard anything means nothing, and is not read.
        """
        if self._first is not None:
            return self._take_first()
        try:
            return base64.b64encode(self._mechanism.answer(_decoded(challenge.strip())))
        except MechanismFailed:
            return CANCEL

    def _take_first(self) -> bytes:
        first, self._first = self._first or b"", None
        return base64.b64encode(first)


def _decoded(challenge: bytes) -> bytes:
    """A challenge; as it is where it is not base64, since most mechanisms do not read it."""
    try:
        return base64.b64decode(challenge, validate=True)
    except ValueError:
        return challenge
