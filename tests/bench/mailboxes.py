"""Many mailboxes on a private Dovecot, described in one file as an administrator does it."""

import asyncio
import re
from collections.abc import Sequence

from shared.domain.mailbox_runtime import Phase
from tests.support.pipeline import MAILBOX, SILENT, Pipeline

AT_ONCE = 100
ROOM = """
default_process_limit = {processes}
default_client_limit = {clients}
default_vsz_limit = 0
service imap {{
  process_limit = {processes}
}}
service imap-login {{
  process_limit = 4
  client_limit = {clients}
}}
service auth {{
  client_limit = {clients}
}}
service anvil {{
  client_limit = {clients}
}}
"""
"""Further configuration of a Dovecot that holds so many connections."""


def names(count: int) -> list[str]:
    """The names of so many mailboxes, which are their users, too."""
    return [f"box-{number}" for number in range(count)]


def room(count: int) -> str:
    """What Dovecot needs to hold a connection for each of them."""
    return ROOM.format(processes=count + 50, clients=4 * count + 1_000)


async def add(system: Pipeline, mailboxes: Sequence[str]) -> None:
    """Describe them and apply the descriptions, some in each file."""
    for at in range(0, len(mailboxes), AT_ONCE):
        some = mailboxes[at : at + AT_ONCE]
        file = system.folder / f"mailboxes-{at}.yaml"
        file.write_text("\n---\n".join(_described(system, name) for name in some))
        code, out, err = await system.command("apply", "-f", str(file))
        assert code == 0, out + err


async def at_rest(system: Pipeline, count: int, seconds: float = 120) -> None:
    """Wait until so many are connected, and read as they then are."""
    async with asyncio.timeout(seconds):
        while len([one for one in (await system.store.runtime.statuses()).values() if one.state is Phase.IDLE]) < count:
            await asyncio.sleep(0.5)


def _described(system: Pipeline, name: str) -> str:
    password = system.folder / f"{name}.password"
    password.write_text(system.dovecot.users[name])
    return MAILBOX.format(
        name=name,
        user=name,
        port=system.dovecot.tls_port,
        ca=system.dovecot.ca_file,
        password=password,
        extra=re.sub("^", "  ", SILENT.rstrip("\n"), flags=re.MULTILINE),
    )
