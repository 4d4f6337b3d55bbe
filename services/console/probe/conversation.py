"""What the steps of one chain share: the mailbox, the connection, and what the server has said so far."""

import socket
from dataclasses import dataclass, field

from services.console.probe.addresses import Address, Rules
from services.console.probe.credentials import Credentials
from services.console.probe.imap_dialogue import Dialogue
from services.console.probe.network import Server
from services.console.probe.steps import Chain, StepFailed
from services.console.probe.wire import Wire
from shared.domain.mailbox import Mailbox


@dataclass(slots=True)
class Conversation:
    """One chain's state. Lives as long as the test; holds no secret itself, only what keeps them from being shown."""

    mailbox: Mailbox
    chain: Chain
    rules: Rules
    credentials: Credentials
    wire: Wire = field(default_factory=Wire)
    addresses: tuple[Address, ...] = ()
    connected: socket.socket | None = None
    capabilities: frozenset[str] = frozenset()
    dialogue: Dialogue | None = None
    signed_in: bool = False

    async def password(self, chain: Chain) -> str:
        """The password, which is from now on hidden in everything shown. Raises AutomatorError, StepFailed."""
        word = (await self.credentials.password(self.mailbox, chain)).get_secret_value()
        self.wire.hide(word)
        if "\0" in word:
            raise StepFailed("PASSWORD_HAS_NUL", "The password contains a NUL character.", "Give another password.")
        return word

    async def token(self) -> str:
        """An access token, hidden like a password. Raises AutomatorError."""
        word = await self.credentials.token(self.mailbox, self.chain)
        self.wire.hide(word)
        return word

    def require_tls(self) -> None:
        """The last lock: no secret goes out without TLS. Raises StepFailed."""
        if self.wire.tls is None:
            raise StepFailed("NO_TLS", "The connection is not protected.", "Use SSL or TLS.")

    def close(self) -> None:
        """Hang up, wherever the chain stands."""
        self.wire.close()
        if self.connected is not None:
            self.connected.close()
            self.connected = None


def server_of(talk: Conversation) -> Server:
    """The server of this chain."""
    spec = talk.mailbox.spec
    if talk.chain is Chain.IMAP:
        return spec.imap
    if spec.smtp is None:
        raise StepFailed("NO_SMTP", "No SMTP server is configured.", "Give one.")
    return spec.smtp
