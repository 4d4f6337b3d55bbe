"""Mailboxes that sign in with passwords, and the two that open them: the fetcher, and the connection test."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.console.probe.addresses import Rules
from services.console.probe.checklist import probe
from services.console.probe.credentials import MailboxCredentials
from services.console.probe.steps import Chain, Outcome, StepResult
from services.fetcher.access import Access
from services.fetcher.imap.session import Opener, Patience
from shared.domain.errors import AutomatorError
from shared.domain.mailbox import Mailbox
from shared.oauth.values import Application, Token
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.store.secrets import referred

EMAIL = "support@desk.example"


@dataclass(frozen=True)
class Signed:
    """How a sign-in ended: without a code it went well. `text` is everything that is said to people."""

    code: str
    text: str


Door = Callable[..., Awaitable[Signed]]


def mailbox_of(
    server: Mapping[str, Any],
    user: str,
    password: str | None = None,
    *,
    kind: Literal["exchange", "basic"] = "exchange",
    smtp: Mapping[str, Any] | None = None,
    **auth: Any,
) -> Mailbox:
    """A mailbox that nobody has stored. `auth` replaces where its password comes from."""
    name = {"exchange": "domain_user", "basic": "username"}[kind]
    auth = {"type": kind, name: user, "password": password, **auth}
    spec = {"module": "ticket", "email": EMAIL, "imap": dict(server), "auth": auth, "smtp": smtp}
    return Mailbox.model_validate({"name": "support", "spec": {**spec, "acknowledgements": {"enabled": False}}})


def tls_at(server: Dovecot, **given: object) -> dict[str, Any]:
    """How to reach a Dovecot, over implicit TLS unless `given` says otherwise."""
    return {"host": "localhost", "port": server.tls_port, "ca_file": str(server.ca_file), **given}


class Inline:
    """The secrets that a mailbox names itself."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ or {}

    async def reveal(self, mailbox: Mailbox, field: str) -> SecretStr:
        """From the spec, a file or the given environment."""
        found = await referred(mailbox, field, self._environ)
        assert found is not None
        return found


class NoTokens:
    """No mailbox here has a token."""

    async def application_token(self, mailbox: str, application: Application) -> Token:
        """Never asked."""
        raise AssertionError(f"{mailbox} asks for a token")

    async def token(self, mailbox: str, application: Application) -> Token:
        """Never asked."""
        raise AssertionError(f"{mailbox} asks for a person's token")

    def forget(self, mailbox: str, token: Token | None = None) -> None:
        """Never asked."""


async def by_fetcher(mailbox: Mailbox, environ: Mapping[str, str] | None = None) -> Signed:
    """Open the mailbox as the fetcher does, and its folder."""
    opener = Opener(Patience(connect=10, command=10))
    try:
        session = await Access(opener, Inline(environ), NoTokens(), NoTokens(), Metrics("fetcher", "test")).open(
            mailbox
        )
    except AutomatorError as error:
        return Signed(error.code, error.line())
    await session.select("INBOX")
    await session.close()
    return Signed("", "")


async def checklist(mailbox: Mailbox, environ: Mapping[str, str] | None = None) -> list[StepResult]:
    """Test the mailbox as the console does."""
    credentials = MailboxCredentials(Inline(environ).reveal, _not_stored)
    rules = Rules(allow_loopback=True, hide_refusals=False)
    return [one async for one in probe(mailbox, credentials, rules, Clock())]


async def by_probe(mailbox: Mailbox, environ: Mapping[str, str] | None = None) -> Signed:
    """Test the mailbox's IMAP server as the console does."""
    return signed(await checklist(mailbox, environ), Chain.IMAP)


DOORS: tuple[Door, ...] = (by_fetcher, by_probe)


def signed(results: list[StepResult], chain: Chain) -> Signed:
    """How a chain of the checklist ended, and what its sign-in said."""
    own = [one for one in results if one.chain is chain]
    failed = next((one for one in own if one.outcome is Outcome.FAILED), None)
    told = failed or next(one for one in own if one.name == "authenticate")
    return Signed(failed.code if failed else "", f"{told.sentence} {told.remedy}")


def methods(server: Dovecot) -> list[str]:
    """The mechanisms by which Dovecot let somebody in, in order. It writes PLAIN for the LOGIN command, too."""
    return re.findall(r"Login: .*method=([A-Z0-9]+),", server.log_file.read_text())


async def _not_stored(name: str) -> None:
    return None
