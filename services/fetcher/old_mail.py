"""Mail that lay in a folder before its mailbox began: counted, and taken, when an editor asks for it.

Taken a few at a time, with a pass for new mail in between. Repeating it changes nothing: what has an outcome is left
out, and identity decides about the rest. Must never touch the server's copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import structlog

from services.fetcher import decide
from services.fetcher.handler import PAGE, Folder
from services.fetcher.ports import ImapSession
from services.fetcher.wished import Wished
from shared.domain.wishes import OldMail

log = structlog.get_logger(__name__)

AT_ONCE = 200
"""Old mails that are taken before new mail is looked for again."""


@dataclass(slots=True)
class OldMails:
    """The old mail of one folder, over one connection."""

    session: ImapSession
    folder: Folder
    wished: Wished
    _left: list[int] = field(default_factory=list[int])
    _number: int = 0

    async def work(self) -> bool:
        """Do what is asked for; True if there is more to take at once.

        Not before it is known which mails are old. Raises what `Folder.read` raises.
        """
        wish = self.wished.old_mail
        if wish is None or decide.is_doubtful(self.folder.cursor):
            return False
        if wish.is_counting:
            await self.wished.counted(wish, len(await self._listed(wish.since)), self._place)
            return False
        if wish.place != self._place:
            await self.wished.taken(wish, "The mailbox was pointed at another account or folder meanwhile.")
            return False
        return await self._take(wish)

    async def _take(self, wish: OldMail) -> bool:
        if self._number != wish.number:
            self._left, self._number = await self._listed(wish.since), wish.number
            log.info("old_mail_taken", mailbox=self.folder.mailbox, mails=len(self._left), counted=wish.count)
        some, rest = self._left[:AT_ONCE], self._left[AT_ONCE:]
        self._left = [*rest, *(await self.folder.take_old(self.session, some) if some else ())]
        if not self._left:
            await self.wished.taken(wish)
        return bool(self._left)

    async def _listed(self, since: date | None) -> list[int]:
        """The UIDs that are meant, ascending."""
        listed = await (self.session.search_all() if since is None else self.session.search_since(since))
        return [uid for at in range(0, len(listed), PAGE) for uid in await self._old(listed[at : at + PAGE])]

    async def _old(self, uids: Sequence[int]) -> list[int]:
        place, cursor = self.folder.place, self.folder.cursor
        seen = await self.folder.books.sightings.at(place.mailbox, place.folder, place.uid_validity, uids)
        sights = {one.uid: one.state for one in seen}
        return [uid for uid in uids if decide.is_old(cursor, uid, sights.get(uid))]

    @property
    def _place(self) -> str:
        cursor = self.folder.cursor
        return f"{cursor.account}/{cursor.folder}"
