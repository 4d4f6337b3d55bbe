"""What the steps of one chain share: the mailbox, the connection, and what the server has said so far."""

import socket
from dataclasses import dataclass, field

from pydantic import SecretStr

from services.console.probe.addresses import Address, Rules
from services.console.probe.credentials import Credentials, user_of
from services.console.probe.imap_dialogue import Dialogue
from services.console.probe.network import Server
from services.console.probe.steps import Chain, StepFailed
from services.console.probe.wire import Wire
from shared.domain.mailbox import Mailbox
from shared.sasl import values as sasl
from shared.sasl.remedies import odd_password


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
    remark: str = ""

    @property
    def kind(self) -> sasl.Kind:
        """What this chain signs in with."""
        return sasl.kind_of(self.mailbox.spec, self.chain.value)

    async def login(self) -> sasl.Credentials:
        """User and secret, which is from now on hidden in everything shown. Raises AutomatorError."""
        user = user_of(self.mailbox, self.chain)
        if self.kind is sasl.Kind.TOKEN:
            return sasl.Credentials(user, SecretStr(await self.token()))
        found = sasl.Credentials(user, await self.credentials.password(self.mailbox, self.chain))
        self.wire.hide(found.secret.get_secret_value())
        self.remark = odd_password(found)
        return found

    async def token(self) -> str:
        """An access token, hidden like a password. Raises AutomatorError."""
        word = await self.credentials.token(self.mailbox, self.chain)
        self.wire.hide(word)
        return word

    def peer(self) -> sasl.Peer:
        """The server as it was verified. The last lock: no secret goes out without TLS. Raises StepFailed."""
        if self.wire.tls is None:
            raise StepFailed("NO_TLS", "The connection is not protected.", "Use SSL or TLS.")
        certificate = self.wire.tls.getpeercert(binary_form=True)
        return sasl.Peer(self.chain.value, server_of(self).host, certificate)

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
