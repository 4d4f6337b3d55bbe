"""Which servers, and as whom, a secret of a mailbox is sent to. A stored secret is bound to all of them: change one,
and the secret must be given again. Saving, testing, roll-back and fetching follow this one rule. Holds no secret.
"""

from collections.abc import Mapping
from itertools import groupby

from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, MailboxSpec, OAuth2MicrosoftAuth

Place = tuple[str, str]
"""A server, and what of it is bound: `("SMTP server", "port")`."""

_OF_APPLICATIONS = ("auth.client_secret", "auth.sign_in")
_WORDS = {"auth.password": "password", "auth.client_secret": "client secret", "smtp.password": "SMTP password"}


def secret_binding(spec: MailboxSpec, name: str, field: str) -> str:
    """What a stored secret is bound to (AEAD associated data): the mailbox, the field, and everything of `_places`."""
    bound = (f"{server}\x1e{what}\x1e{value}" for (server, what), value in _places(spec, field).items())
    return "\x1f".join((name, field, *bound))


def sign_in_binding(spec: MailboxSpec, name: str) -> str:
    """What a person's sign-in is bound to: what a client secret is, because its tokens go the same ways."""
    return secret_binding(spec, name, "auth.sign_in")


def elsewhere(old: MailboxSpec, new: Mailbox, field: str) -> ConfigurationError:
    """The error for a secret that was stored under `old` and is wanted for the other servers or users of `new`."""
    return ConfigurationError(
        moved(old, new.spec, field) or f"the stored {_WORDS[field]} was given for another server or user",
        where=f"mailbox {new.name}, {field}",
        remedy=again(field),
        code="secret_bound_elsewhere",
    )


def moved(old: MailboxSpec, new: MailboxSpec, field: str) -> str:
    """What changed of the servers that a secret is sent to, as a sentence; empty if nothing did."""
    before, after = _places(old, field), _places(new, field)
    changed = [place for place in {**before, **after} if before.get(place) != after.get(place)]
    servers = [
        f"the {server} ({', '.join(what for _, what in places)})"
        for server, places in groupby(sorted(changed, key=lambda one: one[0]), key=lambda one: one[0])
    ]
    return f"{' and '.join(servers)} changed since the stored {_WORDS[field]} was given" if servers else ""


def again(field: str) -> str:
    """What to do about a stored secret that is of no use any more."""
    return f"give the {_WORDS[field]} again"


def _places(spec: MailboxSpec, field: str) -> Mapping[Place, str]:
    """Whoever gets the secret, or a token gained with it. SMTP does unless it has a password of its own."""
    places: dict[Place, str] = {}
    if field.startswith("auth."):
        places |= _server("IMAP server", spec.imap.host, spec.imap.port, spec.imap.encryption, spec.login)
    if spec.smtp is not None and spec.smtp.has_password == field.startswith("smtp."):
        places |= _server("SMTP server", spec.smtp.host, spec.smtp.port, spec.smtp.encryption, spec.smtp_login)
    if field in _OF_APPLICATIONS and isinstance(spec.auth, OAuth2MicrosoftAuth):
        auth = spec.auth
        identity = {"authority": auth.authority, "tenant": auth.tenant_id, "client": auth.client_id}
        places |= {("identity server", what): value for what, value in identity.items()}
    return places


def _server(server: str, host: str, port: int, encryption: str, user: str) -> Mapping[Place, str]:
    bound = {"host": host, "port": str(port), "encryption": str(encryption), "user": user}
    return {(server, what): value for what, value in bound.items()}
