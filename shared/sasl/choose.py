"""Which mechanisms are tried, and in which order. Pure."""

from collections.abc import Collection, Iterator
from typing import Final

from shared.sasl.mechanisms import Login, Mechanism, Plain, XOAuth2
from shared.sasl.ntlm import Ntlm
from shared.sasl.values import Credentials, Kind, Peer

PREFERENCE: Final = {
    Kind.EXCHANGE: ("NTLM", "PLAIN", "LOGIN"),
    Kind.BASIC: ("PLAIN", "LOGIN"),
    Kind.TOKEN: ("XOAUTH2",),
}
"""Strongest first. A token is never sent by another mechanism, a password never as a token."""


def choose(kind: Kind, offered: Collection[str]) -> tuple[str, ...]:
    """The mechanisms to try at a server that offers these (`PLAIN`, upper case), strongest first; often none.

    The second is for a server that offers the first and then cannot do it (it refuses before it has seen anything
    that proves who we are). That is no way around a stronger mechanism that a man in the middle could force: the
    connection is TLS with a verified certificate, and whoever holds that could as well offer PLAIN alone. A refusal
    of user and password is final: a second try would only bring the account closer to being locked.
    """
    return tuple(name for name in PREFERENCE[kind] if name in offered)


def mechanisms(kind: Kind, offered: Collection[str], credentials: Credentials, peer: Peer) -> Iterator[Mechanism]:
    """The chosen mechanisms, ready to run. Raises ConfigurationError for words that they cannot carry."""
    for name in choose(kind, offered):
        match name:
            case "NTLM":
                if Ntlm.carries(credentials):
                    yield Ntlm(credentials, peer)
            case "PLAIN":
                yield Plain(credentials)
            case "LOGIN":
                yield Login(credentials)
            case _:
                yield XOAuth2(credentials)
