"""A test of a mailbox against real servers, in one call."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.console.probe.addresses import Rules
from services.console.probe.checklist import probe
from services.console.probe.credentials import MailboxCredentials
from services.console.probe.steps import Chain, Outcome, StepResult
from shared.domain.mailbox import Mailbox
from shared.runtime.clock import Clock
from shared.store.secrets import referred
from tests.support.dovecot import USERS

USER = "support@desk.example"
PASSWORD = USERS[USER]


class Checklist(tuple[StepResult, ...]):
    """The results of one test."""

    def failed(self, chain: str = "imap") -> StepResult:
        """The one failed step of a chain. Every failure has a remedy, and nothing after it was tried."""
        steps = [one for one in self if one.chain == chain]
        at = next(index for index, one in enumerate(steps) if one.outcome is Outcome.FAILED)
        assert all(one.outcome is Outcome.OK for one in steps[:at])
        assert all(one.outcome is Outcome.SKIPPED for one in steps[at + 1 :])
        assert steps[at].remedy
        assert steps[at].code.startswith(f"{chain.upper()}_")
        return steps[at]

    def why(self, chain: str = "imap") -> tuple[str, str]:
        """The failed step, and its code."""
        return self.failed(chain).name, self.failed(chain).code

    def names(self, chain: str) -> tuple[str, ...]:
        """The steps that were ok."""
        return tuple(one.name for one in self if one.chain == chain and one.outcome is Outcome.OK)


def mailbox_at(
    imap: dict[str, Any], smtp: dict[str, Any] | None = None, password: str = PASSWORD, user: str = USER
) -> Mailbox:
    """A mailbox that nobody has stored."""
    auth = {"type": "basic", "username": user, "password": password}
    spec: dict[str, Any] = {"module": "ticket", "email": USER, "imap": imap, "auth": auth}
    spec |= {"smtp": smtp} if smtp else {"acknowledgements": {"enabled": False}}
    return Mailbox.model_validate({"name": "support", "spec": spec})


def imap_at(server: Dovecot, *, starttls: bool = False, **given: object) -> dict[str, Any]:
    """How to reach a Dovecot."""
    port = server.starttls_port if starttls else server.tls_port
    encryption = "starttls" if starttls else "implicit_tls"
    return {"host": "localhost", "port": port, "encryption": encryption, "ca_file": str(server.ca_file), **given}


async def _reveal(mailbox: Mailbox, field: str) -> SecretStr:
    found = await referred(mailbox, field, {})
    assert found is not None
    return found


@pytest.fixture
def check() -> Callable[..., Awaitable[Checklist]]:
    """Test a mailbox on this machine; no result may hold the password."""

    async def run(mailbox: Mailbox, rules: Rules | None = None, credentials: Any = None, **given: Any) -> Checklist:
        rules = rules or Rules(allow_loopback=True, hide_refusals=False)
        credentials = credentials or MailboxCredentials(_reveal)
        results = Checklist([one async for one in probe(mailbox, credentials, rules, Clock(), **given)])
        text = json.dumps([one.model_dump(mode="json") for one in results])
        secret = getattr(mailbox.spec.auth, "password", None)
        assert secret is None or secret.get_secret_value() not in text
        assert {one.chain for one in results} <= set(Chain)
        return results

    return run
