"""A mail server that takes the connection and then says nothing: it is noticed, told, and given up, and the mailbox is
read again when the server speaks; other mailboxes go on meanwhile. A scripted server, the real door, the real store.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.follower import Follower
from services.fetcher.imap.session import Patience
from services.fetcher.watch import Tools
from shared.domain.mailbox_runtime import Phase
from shared.store.client import Store
from tests.support.fetching import Published, eventually, following, scripted_mailbox, support_mailbox, tools
from tests.support.imap import USER, mail
from tests.support.scripted_imap import ScriptedImap

HANGING, OTHER = "hanging", "other"
SECONDS = 1.0
"""The patience with a command, here."""
IDLES = "IMAP4rev1 MOVE UIDPLUS IDLE"
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)


@dataclass
class Scene:
    """A fetcher with a mailbox on the scripted server and another on Dovecot."""

    server: ScriptedImap
    dovecot: Dovecot
    store: Store
    published: Published
    kit: Tools
    follower: Follower

    def value(self, metric: str, **labels: str) -> float | None:
        return self.kit.metrics.registry.get_sample_value(f"mail_automator_{metric}", labels)

    def mails(self, mailbox: str) -> set[bytes]:
        return {one.raw or b"" for one in self.published.messages if one.mailbox == mailbox}

    async def told(self) -> bool:
        """Whether the mailbox says what is wrong: in the store, and as a metric."""
        status = await self.store.runtime.status(HANGING)
        shown = status is not None and (status.state, status.code) == (Phase.BACKOFF, "deadline_passed")
        return shown and self.value("mailbox_up", mailbox=HANGING) == 0


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so."""

    async def ready() -> bool:
        return so()

    await eventually(ready, 30)


Start = Callable[[ScriptedImap], AbstractAsyncContextManager[Scene]]


@pytest.fixture
def scene(tmp_path: Path, dovecot: Dovecot, store: Store) -> Start:
    """Starts the fetcher over a scripted server."""

    @asynccontextmanager
    async def start(server: ScriptedImap) -> AsyncGenerator[Scene, None]:
        published = Published()
        kit = tools(store, published, patience=Patience(connect=SECONDS, command=SECONDS))
        await store.mailboxes.put(scripted_mailbox(server, tmp_path, HANGING, poll_seconds=5), {})
        await store.mailboxes.put(support_mailbox(dovecot, OTHER), {})
        async with following(store, kit) as follower:
            yield Scene(server, dovecot, store, published, kit, follower)

    return start


PLACES = ["GREETING", "LOGIN", "SELECT", "UID SEARCH", "UID FETCH", "BODY", "IDLE", "DONE", "NOOP"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_server_that_falls_silent_is_noticed_told_and_left_and_read_again_when_it_speaks(
    tmp_path: Path, scene: Start, place: str
) -> None:
    """Wherever it does. The connection is torn down; the other mailbox has its mail while this one hangs."""
    async with ScriptedImap(tmp_path, IDLES if place in ("IDLE", "DONE") else "IMAP4rev1 MOVE UIDPLUS") as server:
        server.add(1, mail(1), AT)
        server.hangs.add(place)
        async with scene(server) as one:
            await until(lambda: server.hung[place] > 0)
            one.dovecot.deliver(USER, mail(2))
            await until(lambda: one.mails(OTHER) == {mail(2)})
            await eventually(one.told)
            assert one.value("imap_reconnects_total", reason="deadline_passed") is not None
            assert one.value("mailbox_up", mailbox=OTHER) == 1
            await until(lambda: server.torn_down > 0)
            before = one.value("mailbox_last_success_timestamp_seconds", mailbox=HANGING) or 0.0
            server.hangs.clear()
            server.add(3, mail(3), AT)
            await until(lambda: one.mails(HANGING) == {mail(1), mail(3)})
            await until(lambda: one.value("mailbox_up", mailbox=HANGING) == 1)
            await until(lambda: (one.value("mailbox_last_success_timestamp_seconds", mailbox=HANGING) or 0) > before)


async def test_a_server_that_talks_on_without_an_answer_makes_no_progress_either(tmp_path: Path, scene: Start) -> None:
    """The deadline is the command's: lines that come in do not put it off."""
    async with ScriptedImap(tmp_path) as server:
        server.dripping = True
        server.hangs.add("UID SEARCH")
        async with scene(server) as one:
            await until(lambda: server.torn_down > 0)
            await eventually(one.told)
            assert one.value("mailbox_last_success_timestamp_seconds", mailbox=HANGING) is None
