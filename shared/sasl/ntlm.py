"""NTLM (MS-NLMP) through pyspnego: the password never leaves this process, only what proves that it is known.

NTLMv2, bound to the server's certificate so that Exchange's Extended Protection lets it pass. The framing is that of
MS-SMTPNTLM and MS-OXIMAP4: three messages in base64. Must never touch the network or a Kerberos ticket.
"""

import logging
import re
from typing import Final

import spnego
from spnego.channel_bindings import GssChannelBindings

from shared.sasl.binding import end_point
from shared.sasl.values import Credentials, MechanismFailed, Peer

_HASH: Final = re.compile(r"[0-9a-fA-F]{32}:[0-9a-fA-F]{32}\n?")


class Ntlm:
    """The client's side. `DOMAIN\\user` signs in to that domain; `user@domain` (UPN) is left whole."""

    name = "NTLM"

    def __init__(self, credentials: Credentials, peer: Peer) -> None:
        # At DEBUG pyspnego logs the messages, from which a weak password can be guessed.
        logging.getLogger("spnego").setLevel(logging.WARNING)
        bound = end_point(peer.certificate) if peer.certificate is not None else None
        self._context = spnego.client(
            spnego.Password(credentials.user, credentials.secret.get_secret_value()),
            hostname=peer.host,
            service=peer.service,
            channel_bindings=GssChannelBindings(application_data=bound) if bound is not None else None,
            protocol="ntlm",
            options=spnego.NegotiateOptions.use_ntlm,
        )

    @staticmethod
    def carries(credentials: Credentials) -> bool:
        """Whether pyspnego takes the password for one: two hexadecimal numbers with a colon it takes for hashes."""
        return _HASH.fullmatch(credentials.secret.get_secret_value()) is None

    @property
    def proven(self) -> bool:
        """Whether the challenge has been answered."""
        return self._context.complete

    def initial(self) -> bytes:
        """NEGOTIATE_MESSAGE: what we can do. Says nothing about the user."""
        return self._context.step() or b""

    def answer(self, challenge: bytes) -> bytes:
        """AUTHENTICATE_MESSAGE, to the server's CHALLENGE_MESSAGE. Raises MechanismFailed if that is none."""
        if self.proven:
            raise MechanismFailed("NTLM has no fourth message")
        try:
            return self._context.step(challenge) or b""
        except Exception as error:  # noqa: BLE001 - pyspnego unpacks what a server says, and raises what unpacking raises
            raise MechanismFailed(f"the server's NTLM challenge makes no sense ({type(error).__name__})") from None
