"""The mechanisms that send what they have: PLAIN, LOGIN and XOAUTH2. Only ever over TLS; the caller sees to that."""

from typing import Protocol

from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.sasl.values import Credentials, MechanismFailed


class Mechanism(Protocol):
    """The client's side of a SASL mechanism (RFC 4422), in plain bytes. Serves one sign-in."""

    @property
    def name(self) -> str:
        """As servers offer it, such as `PLAIN`."""
        ...

    @property
    def proven(self) -> bool:
        """Whether everything that proves who we are has been made: a refusal after it is one of user and secret."""
        ...

    def initial(self) -> bytes | None:
        """What the client says first; None if the server speaks first."""
        ...

    def answer(self, challenge: bytes) -> bytes:
        """The answer to a challenge. Raises MechanismFailed where there is none."""
        ...


class Plain:
    """RFC 4616: both words in one message."""

    name = "PLAIN"
    proven = True

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def initial(self) -> bytes:
        """The whole of it."""
        return f"\0{self._credentials.user}\0{self._credentials.secret.get_secret_value()}".encode()

    def answer(self, challenge: bytes) -> bytes:
        """PLAIN has one message."""
        raise MechanismFailed("PLAIN has no second message")


class Login:
    """draft-murchison-sasl-login-00: one word per question, always in this order, whatever the server calls them."""

    name = "LOGIN"

    def __init__(self, credentials: Credentials) -> None:
        self._words = [SecretStr(credentials.user), credentials.secret]

    @property
    def proven(self) -> bool:
        """Whether both words are given."""
        return not self._words

    def initial(self) -> None:
        """The server asks first."""

    def answer(self, challenge: bytes) -> bytes:
        """The user name, then the password."""
        if not self._words:
            raise MechanismFailed("LOGIN has no third answer")
        return self._words.pop(0).get_secret_value().encode()


class XOAuth2:
    """Google's and Microsoft's XOAUTH2: the token in one message.

    A refusal comes as a challenge first, a JSON document that says why; it is answered with nothing, then the server
    ends the exchange. Source: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol.
    """

    name = "XOAUTH2"
    proven = True

    def __init__(self, credentials: Credentials) -> None:
        if "\x01" in credentials.user + credentials.secret.get_secret_value():
            raise ConfigurationError(
                "user name or token contain the character that separates them", code="user_name_unusable"
            )
        self._credentials = credentials

    def initial(self) -> bytes:
        """User and token."""
        token = self._credentials.secret.get_secret_value()
        return f"user={self._credentials.user}\x01auth=Bearer {token}\x01\x01".encode()

    def answer(self, challenge: bytes) -> bytes:
        """Nothing, so that the server may refuse."""
        return b""
