"""One run of the demo: mails before the services start, mails while they run, and the check of every end."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.all_in_one.demo.delivery import Delivered, deliver
from services.all_in_one.demo.mails import LETTERS
from services.all_in_one.demo.mails.letter import Letter
from services.all_in_one.demo.outcome import Ended, complaint, ends
from services.all_in_one.demo.preparation import Premises
from services.all_in_one.demo.screen import Screen
from services.all_in_one.demo.watch import Watch
from services.all_in_one.system import System
from shared.domain.ledger import LedgerEntry
from shared.runtime.clock import Clock
from shared.store.client import Store

PATIENCE_SECONDS: Final = 120.0
EVERYTHING: Final = 100_000


class Run:
    """Plays the demo once on a system whose servers run and whose services do not yet."""

    def __init__(
        self, system: System, premises: Premises, store: Store, watch: Watch, screen: Screen, clock: Clock, token: str
    ) -> None:
        self._system = system
        self._premises = premises
        self._store = store
        self._watch = watch
        self._screen = screen
        self._clock = clock
        self._token = token
        self._delivered: list[Delivered] = []
        self._ends: list[Ended] = []

    async def play(self) -> bool:
        """Deliver, wait, show. Returns whether every mail of this and of earlier runs has the end it must have."""
        earlier = {one.mail_id: one for one in await self._ledger()}
        letters = [one for one in LETTERS if one.again or not earlier]
        if earlier:
            self._screen.say(f"{len(earlier)} mails of earlier runs are in the books; {len(letters)} new ones follow")
        self._deliver([one for one in letters if not one.late])
        self._screen.say(f"{len(self._delivered)} mails are in the mailboxes; starting the services")
        await self._system.start_services()
        self._screen.begin(sum(len(one.ends) for one in letters))
        await self._wait()
        await self._deliver_late([one for one in letters if one.late])
        await self._wait()
        self._screen.finish()
        self._screen.table(self._ends)
        self._screen.summary(self._ends)
        wrong = [*self._wrong_ends(), *await self._disturbed(earlier)]
        for line in wrong:
            self._screen.say(f"WRONG: {line}")
        return not wrong

    def next_steps(self) -> None:
        """Say what a person can do now."""
        self._screen.next_steps(self._system, self._premises, self._ends)

    def _deliver(self, letters: Sequence[Letter]) -> None:
        self._delivered += deliver(self._premises, letters, self._token, self._clock)

    async def _deliver_late(self, letters: Sequence[Letter]) -> None:
        """One after another, a little apart, into mailboxes that the fetcher waits on with IDLE."""
        for letter in letters:
            self._deliver([letter])
            await self._look()
            await asyncio.sleep(0.05)

    async def _wait(self) -> None:
        """Until all that was delivered has ended, or patience has."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        await self._look()
        while not all(one.final for one in self._ends) and loop.time() < deadline:
            await asyncio.sleep(0.25)
            await self._look()

    async def _look(self) -> None:
        self._ends = ends(self._delivered, await self._ledger(), self._watch.events)
        self._screen.ended(self._ends)

    async def _ledger(self) -> tuple[LedgerEntry, ...]:
        return await self._store.ledger.recent(None, EVERYTHING)

    def _wrong_ends(self) -> list[str]:
        named = ((one.mail.letter, complaint(one, self._ends)) for one in self._ends)
        return [f"{letter.mailbox}, {letter.title}: {wrong}" for letter, wrong in named if wrong]

    async def _disturbed(self, earlier: dict[str, LedgerEntry]) -> list[str]:
        """Whether mails of earlier runs came to another end, and whether any mail is in the books twice or never."""
        now = {one.mail_id: one for one in await self._ledger()}
        changed = [
            f"mail {mail_id} of an earlier run has another decision now"
            for mail_id, one in earlier.items()
            if one.decision is not None and (mail_id not in now or now[mail_id].decision != one.decision)
        ]
        mails = self._premises.mails()
        unbooked = [f"{mails} mails lie on the server, {len(now)} are in the books"] if mails != len(now) else []
        if earlier and not changed and not unbooked:
            self._screen.say(f"the {len(earlier)} mails of earlier runs made nothing new")
        return [*changed, *unbooked]
