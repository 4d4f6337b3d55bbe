"""Import of mail from before a mailbox began: first counted by its fetcher, then taken if a person confirms it."""

import asyncio
from datetime import date, datetime
from typing import Final

from services.console import changes
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox
from shared.domain.wishes import OldMail
from shared.store.client import Store

PATIENCE: Final = 10.0
"""Seconds that a count is waited for; it goes on afterwards."""
_LOOK_SECONDS: Final = 0.2


async def count(
    store: Store, who: str, mailbox: Mailbox, since: date | None, at: datetime, patience: float = PATIENCE
) -> OldMail:
    """Have its fetcher count the old mail, and wait a while; `count` is missing if that was not enough.

    While an import of the same is under way, that one is returned. Raises ConfigurationError while another one is, and
    for a mailbox that nobody reads.
    """
    changes.check_active(mailbox)
    wish = await store.wishes.ask_old_mail(mailbox.name, who, since, at)
    if wish.is_taking and wish.since != since:
        raise ConfigurationError(
            f"another import of old mail is under way in mailbox {mailbox.name}: {told(wish)}",
            remedy="wait until it has ended: mail-automator mailbox show says so",
            code="import_under_way",
        )
    try:
        async with asyncio.timeout(patience):
            while wish.is_counting and (last := (await store.wishes.of(mailbox.name)).old_mail) is not None:
                if last.number != wish.number:
                    break
                wish = last
                await asyncio.sleep(_LOOK_SECONDS if wish.is_counting else 0)
    except TimeoutError:
        pass
    return wish


async def take(store: Store, who: str, mailbox: Mailbox, wish: OldMail, at: datetime) -> OldMail:
    """Have the counted mails taken. Where there are none, or they are taken already, nothing is recorded.

    Raises ConfigurationError where it was not counted, or somebody has asked something else since.
    """
    changes.check_active(mailbox)
    if wish.count is None:
        raise ConfigurationError(
            f"the old mail of mailbox {mailbox.name} has not been counted yet",
            remedy="ask again; mail-automator mailbox show says what its fetcher does",
            code="not_counted",
        )
    if wish.count == 0 or wish.confirmed_at is not None:
        return wish
    new = {"since": wish.since.isoformat() if wish.since else None, "mails": wish.count}
    async with changes.audited(store, who, "import", "Mailbox", mailbox.name, new=new):
        ordered = await store.wishes.confirm_old_mail(mailbox.name, wish.number, who, at)
        if ordered is None:
            raise ConfigurationError(
                f"somebody else has asked about the old mail of mailbox {mailbox.name} meanwhile",
                remedy="count again",
                code="count_replaced",
            )
    return ordered


def state(wish: OldMail) -> str:
    """One word: `counting`, `counted`, `taking`, `taken` or `failed`."""
    if wish.is_counting:
        return "counting"
    if wish.confirmed_at is None:
        return "counted"
    if wish.ended_at is None:
        return "taking"
    return "failed" if wish.failure else "taken"


def told(wish: OldMail) -> str:
    """What was asked for, and how far it is, in a sentence."""
    what = f"{mails(wish.count or 0)}, {span(wish.since)}"
    match state(wish):
        case "counting":
            return f"The old mail is being counted, {span(wish.since)}."
        case "counted":
            return f"There is old mail: {what}." if wish.count else f"There is no old mail, {span(wish.since)}."
        case "taking":
            return f"Old mail is being taken: {what}; {wish.confirmed_by} asked for it."
        case "taken":
            return f"Old mail was taken: {what}; {wish.confirmed_by} asked for it."
        case _:
            return f"Old mail was not taken: {wish.failure}"


def mails(count: int) -> str:
    """So many mails."""
    return "1 mail" if count == 1 else f"{count} mails"


def span(since: date | None) -> str:
    """Since when."""
    return f"since {since:%Y-%m-%d}" if since else "all of it"
