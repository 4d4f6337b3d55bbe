"""A test of a mailbox on somebody's behalf, by API or command line: counted, in the audit log, then walked.

The checklist itself is `probe`. The audit log gets servers, ports and codes, never a secret or a server's words.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from services.console.probe.credentials import MailboxCredentials, Reveal
from services.console.probe.microsoft import MicrosoftAccess
from services.console.probe.steps import StepResult
from shared.domain.mailbox import Mailbox
from shared.oauth.authorities import Authorities
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.sign_ins import SignIns

LIMIT = 5
SPAN = timedelta(minutes=1)
"""So many tests, in any such span, by one person or program; over all replicas."""
UNSAVED = "unsaved"
"""What the audit log calls values that are no stored mailbox."""


@asynccontextmanager
async def credentials(
    reveal: Reveal, authorities: Authorities, sign_ins: SignIns | None
) -> AsyncGenerator[MailboxCredentials]:
    """What one test signs in with. Its tokens are fetched anew and forgotten with it; a renewed sign-in is kept."""
    from shared.oauth.delegated import DelegatedTokens  # only here: their driver takes long to import
    from shared.oauth.tokens import MicrosoftTokens

    tokens = MicrosoftTokens(authorities, Clock())
    people = DelegatedTokens(authorities, Clock(), sign_ins) if sign_ins is not None else None
    try:
        yield MailboxCredentials(reveal, MicrosoftAccess(tokens, reveal, people))
    finally:
        tokens.close()
        if people is not None:
            await people.close()


async def admit(store: Store, who: str) -> None:
    """Take a turn. Raises TooOften."""
    await store.rates.take("tests of mailboxes", who, LIMIT, SPAN)


async def recorded(
    store: Store, who: str, name: str, mailbox: Mailbox, results: AsyncGenerator[StepResult]
) -> AsyncGenerator[StepResult]:
    """The results as they come, and two records in the audit log: `test` before anything is asked, `tested` at the end.

    The second says whether it passed, and the codes of what failed; its outcome is `failed` if the test was broken off.
    """
    servers = servers_of(mailbox)
    codes: list[str] = []
    ended = False
    await store.audit.append(who, "test", "Mailbox", name, new=servers)
    try:
        async with aclosing(results):
            async for result in results:
                codes += [result.code] if result.code else []
                yield result
        ended = True
    finally:
        found = {**servers, "passed": ended and not codes, "codes": codes}
        outcome = "done" if ended else "failed"
        await store.audit.append(who, "tested", "Mailbox", name, new=found, outcome=outcome)


def servers_of(mailbox: Mailbox) -> Mapping[str, str]:
    """Which servers a test of this mailbox asks: `{"imap": "host:port", "smtp": "host:port"}`."""
    spec = mailbox.spec
    return {name: f"{one.host}:{one.port}" for name, one in (("imap", spec.imap), ("smtp", spec.smtp)) if one}
