"""Use Default: the servers that an address most likely has. The data is providers.yaml; nothing is looked up."""

from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Encryption, Port, Provider
from shared.domain.patterns import normalise_address
from shared.domain.value import Document

AuthType = Literal["basic", "oauth2_microsoft", "exchange"]


class Server(Document):
    """One server: where it is and how it is protected."""

    host: str
    port: Port
    encryption: Encryption


class Servers(Document):
    """What Use Default fills in. `name` and `title` say whose servers these are."""

    name: str
    title: str
    imap: Server
    smtp: Server


class Preset(Servers):
    """An entry of providers.yaml: its servers, and for whom they are."""

    provider: Provider | None = None
    auth: AuthType | None = None
    domains: tuple[str, ...] = ()


class Presets(Document):
    """All entries, in the order in which they are asked."""

    providers: tuple[Preset, ...]


def defaults(email: str, provider: Provider = Provider.OTHER, auth_type: AuthType = "basic") -> Servers:
    """IMAP and SMTP host, port and encryption for an address.

    What the administrator chose (provider, authentication type) goes before the domain of the address.
    Raises ConfigurationError if it is no address.
    """
    address = normalise_address(email)
    if address is None:
        raise ConfigurationError("is not an email address", where="email", remedy="write it as name@example.com")
    domain = address.rpartition("@")[2]
    entries = presets().providers
    chosen = next((one for one in entries if one.auth == auth_type), None)
    known = next(one for one in entries if any(fnmatchcase(domain, pattern) for pattern in one.domains))
    if chosen is None and provider is Provider.MICROSOFT and known.name == "other":
        chosen = next((one for one in entries if one.provider is provider), None)
    return _filled(chosen or known, domain)


@cache
def presets() -> Presets:
    """The entries of providers.yaml."""
    text = files("services.console.defaults").joinpath("providers.yaml").read_text("utf-8")
    return Presets.model_validate(yaml.safe_load(text))


def _filled(preset: Preset, domain: str) -> Servers:
    imap, smtp = (
        one.model_copy(update={"host": one.host.replace("{domain}", domain)}) for one in (preset.imap, preset.smtp)
    )
    return Servers(name=preset.name, title=preset.title, imap=imap, smtp=smtp)
