"""What brings about each crash point: the traffic of the chaos world alone, or something done to it (the table below).

A provocation may be repeated until its point is reached, and leaves nothing that the world does not recover from. Those
that would disturb each other do not run side by side: each has the services that it handles to itself (BESIDES).
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import aio_pika

from services.all_in_one import readiness
from services.all_in_one.settings import PIPELINE
from shared.broker.topology import DEAD_LETTERS, FILTER, NOTIFIER
from shared.contracts.codec import encode
from shared.contracts.messages import EmailFetched
from shared.domain.ledger import Failure, LedgerEntry, State
from shared.domain.mailbox import AfterFetch, AfterFetchAction, StartFrom
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.store.collection import changed
from tests.chaos.oracle import Injected
from tests.chaos.plan import CrashPlan, let_go_on
from tests.chaos.processes import frozen
from tests.chaos.world import World
from tests.support.mails import mail

Provocation = Callable[[World, CrashPlan], Awaitable[None]]
USER = "alpha"
"""Whose further folders are mailboxes of their own here."""
WITHOUT_MOVE = "imap_capability = IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE UIDPLUS"
PATIENCE = 15.0
BOOKED = 90.0
"""Seconds for a mail that cannot be read to be booked: each try costs a connection. Two of them take twice as long."""
EVERYBODY = frozenset(PIPELINE)


async def mail_of_each_kind(world: World, plan: CrashPlan) -> None:
    """The traffic of every scenario."""
    world.traffic.deliver(4)


async def one_of(kind: str, world: World, plan: CrashPlan) -> None:
    """Mail of a kind."""
    for _ in range(3):
        world.traffic.deliver_one("new")
        world.traffic.deliver_one(kind)


async def told_to_stop(service: str, world: World, plan: CrashPlan) -> None:
    """SIGTERM to all of a service, once they are at work."""
    await _at_work(world, service)
    signal_all(world, service, signal.SIGTERM)
    await asyncio.sleep(2)


async def new_validity(world: World, plan: CrashPlan) -> None:
    """Dovecot forgets all about a folder that holds a mail of ours, and one from before the mailbox was there."""
    if await world.store.mailboxes.get("late") is None:
        old = mail(
            sender="old@people.example", to="late@example.com", subject="Old", text="old\n", message_id="<old@x>"
        )
        world.dovecot.deliver(USER, old, "Late", received=datetime.now(UTC) - timedelta(days=5))
        await _side_mailbox(world, "late", start_from=StartFrom.NOW)
        await _until(lambda: _has_cursor(world, "late", "Late"))
    world.traffic.lay_aside(USER, "Late", "late")
    await asyncio.sleep(3)
    async with _dovecot_down(world):
        for file in world.dovecot.maildir(USER, "Late").glob("dovecot*"):
            file.unlink()
    world.fault("deleted dovecot* of a folder")
    await asyncio.sleep(3)


async def action_without_move(world: World, plan: CrashPlan) -> None:
    """A mailbox whose mails are moved away once they are done, on a server without MOVE."""
    if await world.store.mailboxes.get("moving") is None:
        async with _dovecot_down(world):
            world.dovecot.extra += f"\n{WITHOUT_MOVE}\n"
        move = AfterFetch(action=AfterFetchAction.MOVE, folder="Moved")
        await _side_mailbox(world, "moving", start_from=StartFrom.ALL, after_fetch=move)
    world.traffic.lay_aside(USER, "Moving", "moving")
    await asyncio.sleep(4)


async def configured_anew(world: World, plan: CrashPlan) -> None:
    """A mailbox whose configuration changes: its lease is given back, and taken anew."""
    mailbox = await world.store.mailboxes.get("changed")
    if mailbox is None:
        await _side_mailbox(world, "changed", start_from=StartFrom.NOW)
    else:
        imap = mailbox.spec.imap.model_copy(update={"poll_seconds": 60 + mailbox.revision % 60})
        spec = mailbox.spec.model_copy(update={"imap": imap})
        await world.store.mailboxes.put(mailbox.model_copy(update={"spec": spec}), {})
    await asyncio.sleep(3)


async def disabled_unheard(world: World, plan: CrashPlan) -> None:
    """A mailbox that is disabled, and of which the last reader, who was killed, had said that all is well."""
    if await world.store.mailboxes.get("abandoned") is None:
        await _side_mailbox(world, "abandoned", start_from=StartFrom.NOW)
    mailbox = await world.store.mailboxes.get("abandoned")
    assert mailbox is not None
    imap = mailbox.spec.imap.model_copy(update={"poll_seconds": 60 + mailbox.revision % 60})
    spec = mailbox.spec.model_copy(update={"imap": imap, "enabled": False})
    await world.store.runtime.set_status("abandoned", MailboxStatus(state=Phase.IDLE, since=datetime.now(UTC)))
    await world.store.mailboxes.put(mailbox.model_copy(update={"spec": spec}), {})
    await asyncio.sleep(4)


async def withheld(world: World, plan: CrashPlan) -> None:
    """A mail that Dovecot lists and cannot read."""
    if not any(datetime.now(UTC).timestamp() - file.stat().st_mtime < BOOKED for file in _unreadable(world)):
        _remove_unreadable(world)
        raw = mail(sender="x@people.example", to="broken@example.com", subject="Never read", text=uuid4().hex)
        await _lay_unreadable(world, world.dovecot.deliver(USER, raw, "Broken.Aside"))
    await asyncio.sleep(5)


async def given_later(world: World, plan: CrashPlan) -> None:
    """One that becomes readable."""
    _remove_unreadable(world)
    known = await _holes(world)
    _, file = world.traffic.lay_aside(USER, "Broken.Aside", "broken")
    mode = file.stat().st_mode
    await _lay_unreadable(world, file)
    try:
        await _until(lambda: _another_hole(world, known), BOOKED)
    finally:
        for one in world.dovecot.maildir(USER, "Broken").glob(f"*/{file.name}*"):
            one.chmod(mode)
    await _holes_looked_at(world)


async def gone(world: World, plan: CrashPlan) -> None:
    """One that is removed before it could be read."""
    if not await _holes(world):
        await withheld(world, plan)
        await _until(lambda: _holes(world), BOOKED)
    _remove_unreadable(world)
    await _holes_looked_at(world)


async def sent_again(world: World, plan: CrashPlan) -> None:
    """Messages of mails that are done, as a broker delivers them whose acknowledgement was lost."""
    for entry in await _done(world, 8):
        await _put(world, FILTER.name, _message(entry))
    await asyncio.sleep(1)


async def not_of_the_contract(queue: str, world: World, plan: CrashPlan) -> None:
    """A message that is none of ours."""
    await _put(world, queue, aio_pika.Message(uuid4().hex.encode(), type="nonsense"))
    await asyncio.sleep(1)


async def dead_letter(attempts: int, world: World, plan: CrashPlan) -> None:
    """A dead letter of a mail that is known and has been tried that often."""
    (entry,) = await _done(world, 1)
    await world.store.collection("mails").update({"_id": entry.mail_id}, changed({"attempts": attempts}))
    await _put(world, FILTER.name, aio_pika.Message(b"?", type="nonsense", headers={"mail_id": entry.mail_id}))
    await asyncio.sleep(1)


async def news_of_no_ticket(world: World, plan: CrashPlan) -> None:
    """The event of a ticket that is not there."""
    event = json.loads(json.dumps(world.events.of("ticket.created")[0]))
    event["data"]["ticket_id"] = "a" * 32
    await _put(world, NOTIFIER.name, aio_pika.Message(json.dumps(event).encode()))
    await asyncio.sleep(8)


async def lost_messages(world: World, plan: CrashPlan) -> None:
    """Mails whose message the broker has lost."""
    await _lost(world)
    await asyncio.sleep(9)


async def answers_one_in_flight(world: World, plan: CrashPlan) -> None:
    """A reply to a mail that is in flight still."""
    parent = await _lost(world)
    world.traffic.deliver_one("reply", parent)
    await asyncio.sleep(4)


async def quarantined(world: World, plan: CrashPlan) -> None:
    """A mail whose raw bytes are gone when its message comes; then they are back, and it is replayed."""
    lost = await _lost(world)
    entry = await _entry(world, lost)
    raws = world.store.collection("raw")
    raw = await raws.get(entry.mail_id)
    assert raw is not None
    plan.quarantined.add(entry.mail_id)
    await raws.delete({"_id": entry.mail_id})
    try:
        await _put(world, FILTER.name, _message(entry))
        await _until(lambda: _is(world, entry.mail_id, State.QUARANTINED))
        await asyncio.sleep(1)
    finally:
        await raws.insert(raw)
    await world.store.ledger.replay(entry.mail_id)


async def quarantined_when_decided(world: World, plan: CrashPlan) -> None:
    """Mails that are quarantined between their decision and its effects, and replayed."""
    async with _halted(world, plan, "ticket_writer.after_decisions", "new"):
        now = datetime.now(UTC)
        failure = Failure(stage="ticket_writer", code="chaos", what="quarantined by the harness", at=now)
        for row in [row async for row in world.store.ledger.iter_all()]:
            if row.state is State.DECIDED:
                plan.quarantined.add(row.mail_id)
                await world.store.ledger.quarantine(row.mail_id, failure)
                await world.store.ledger.replay(row.mail_id)
    await asyncio.sleep(9)


async def delivered_often(world: World, plan: CrashPlan) -> None:
    """Messages whose consumers went away five times."""
    messages = [_message(entry) for entry in await _done(world, 3)]
    before = world.system.processes["filter"]
    signal_all(world, "filter", signal.SIGKILL)
    with frozen(await _until(lambda: _started(world, "filter", before))):  # before it takes anything
        for message in messages:
            await _put(world, FILTER.name, message)
        for _ in range(5):
            await _taken_and_dropped(world, len(messages))
    await asyncio.sleep(3)


async def store_away(service: str, queue: str, world: World, plan: CrashPlan) -> None:
    """A service that is told to stop while it holds messages and the store is away."""
    await _at_work(world, service)
    news = world.events.of("ticket.created")[:2]
    messages = {
        FILTER.name: [_message(entry) for entry in await _done(world, 2)],
        NOTIFIER.name: [aio_pika.Message(json.dumps(one).encode()) for one in news],
        DEAD_LETTERS.name: [aio_pika.Message(uuid4().hex.encode(), type="nonsense")],
    }
    await world.proxies.use("store", down=True)
    world.fault("store link down")
    try:
        for message in messages[queue]:
            await _put(world, queue, message)
        await asyncio.sleep(3)
        signal_all(world, service, signal.SIGTERM)
        await asyncio.sleep(14)  # until what was asked of the store has failed
    finally:
        await world.proxies.use("store")
    await asyncio.sleep(2)


async def owed(at: str, kind: str, world: World, plan: CrashPlan) -> None:
    """A stage that stands still between its effects and their events."""
    async with _halted(world, plan, at, kind):
        await asyncio.sleep(6)


async def reopened(world: World, plan: CrashPlan) -> None:
    """A reply to a ticket that has been closed."""
    parent, _ = world.chance.choice(world.traffic.originals)
    entry = await _until(lambda: _ticketed(world, parent))
    await world.store.tickets.close(entry.decision.ticket_id, datetime.now(UTC))
    world.traffic.deliver_one("reply", parent)
    await asyncio.sleep(3)


async def stalled_while_sending(world: World, plan: CrashPlan) -> None:
    """An SMTP server that takes a mail and does not say so for a while."""
    async with _smtp(world, "stall_after_dot") as before:
        await _until(lambda: _sent_more(world, before))
        await asyncio.sleep(4)
    await asyncio.sleep(3)


async def killed_while_sending(world: World, plan: CrashPlan) -> None:
    """A notifier that dies with a claim."""
    async with _smtp(world, "stall_after_dot") as before:
        await _until(lambda: _sent_more(world, before))
        world.kill("notifier")
    await asyncio.sleep(9)


async def refused(world: World, plan: CrashPlan) -> None:
    """An SMTP server that refuses every connection until somebody notices."""
    async with _smtp(world, "refuse_connection"):
        await _until(lambda: _in_trouble(world))
    await asyncio.sleep(3)


TRAFFIC = (
    "fetcher.after_announced",
    "fetcher.after_status",
    "fetcher.after_renewal",
    "fetcher.after_raw",
    "fetcher.after_words",
    "fetcher.after_ledger",
    "fetcher.after_sightings",
    "fetcher.after_publish",
    "fetcher.after_cursor",
    "store.after_small_raws",
    "filter.after_claims",
    "filter.after_decisions",
    "stage.after_publish",
    "stage.after_settle",
    "stage.after_ack",
    "ticket_writer.after_numbers",
    "ticket_writer.after_decisions",
    "ticket_writer.after_tickets",
    "ticket_writer.after_articles",
    "ticket_writer.after_touch",
    "ticket_writer.after_duplicates",
    "ticket_writer.after_done",
    "ticket_writer.after_tickets_published",
    "ticket_writer.after_articles_published",
    "notifier.after_taken",
    "notifier.after_show",
    "notifier.after_shown",
    "notifier.after_ack",
    "notifier.after_claim",
    "notifier.after_budget",
    "notifier.after_counted",
    "notifier.after_data_started",
    "notifier.after_dot",
    "notifier.after_end",
    "notifier.after_sent",
    "notifier.after_forgetting",
    "store.after_address_budget",
    "store.after_hour_budget",
    "bookkeeper.after_books",
    "bookkeeper.after_hour",
)
"""Points that ordinary mail comes by."""

PROVOKED: Mapping[str, Provocation] = {
    "store.after_chunks": partial(one_of, "large"),
    "fetcher.after_lease": configured_anew,
    "fetcher.after_told": disabled_unheard,
    "fetcher.after_release": partial(told_to_stop, "fetcher"),
    "fetcher.after_retired": partial(told_to_stop, "fetcher"),
    "fetcher.after_epoch": new_validity,
    "fetcher.after_recognised": new_validity,
    "fetcher.after_odd_sightings": new_validity,
    "fetcher.after_copy": action_without_move,
    "fetcher.after_deletion_mark": action_without_move,
    "fetcher.after_action": action_without_move,
    "fetcher.after_head": withheld,
    "fetcher.after_unfetchable": withheld,
    "fetcher.after_hole": withheld,
    "fetcher.after_note": given_later,
    "fetcher.after_gone": gone,
    "stage.after_reject": partial(not_of_the_contract, FILTER.name),
    "stage.after_give_back": partial(store_away, "filter", FILTER.name),
    "stage.after_failure": answers_one_in_flight,
    "stage.after_alone": delivered_often,
    "stage.after_quarantine": quarantined,
    "outbox.after_publish": quarantined,
    "outbox.after_published": quarantined,
    "store.after_claims": sent_again,
    "store.after_decisions": sent_again,
    "store.after_done": sent_again,
    "store.after_replayed_decisions": quarantined_when_decided,
    "ticket_writer.after_reopening": reopened,
    "notifier.after_reject": partial(not_of_the_contract, NOTIFIER.name),
    "notifier.after_unknown_ticket": news_of_no_ticket,
    "notifier.after_give_back": partial(store_away, "notifier", NOTIFIER.name),
    "notifier.after_renewal": stalled_while_sending,
    "notifier.after_trouble": refused,
    "notifier.after_trial": refused,
    "notifier.after_trouble_ended": refused,
    "notifier.after_recovery": killed_while_sending,
    "bookkeeper.after_dead_message": partial(not_of_the_contract, FILTER.name),
    "bookkeeper.after_ack": partial(not_of_the_contract, FILTER.name),
    "bookkeeper.after_give_back": partial(store_away, "bookkeeper", DEAD_LETTERS.name),
    "bookkeeper.after_failure": partial(dead_letter, 0),
    "bookkeeper.after_quarantine": partial(dead_letter, 7),
    "bookkeeper.after_claims": lost_messages,
    "bookkeeper.after_republish": lost_messages,
    "bookkeeper.after_relay": partial(owed, "ticket_writer.after_tickets", "new"),
    "bookkeeper.after_tickets_relayed": partial(owed, "ticket_writer.after_tickets", "new"),
    "bookkeeper.after_articles_relayed": partial(owed, "ticket_writer.after_articles", "reply"),
    "bookkeeper.after_rejections_relayed": partial(owed, "filter.after_decisions", "blocked"),
    "bookkeeper.after_mails_relayed": partial(owed, "ticket_writer.after_duplicates", "duplicate"),
}
"""What is done for points that ordinary mail does not come by."""

ELSEWHERE: Mapping[str, str] = {
    "fetcher.after_reappearance": "tests/contract/imap/test_reappearance.py",
    "fetcher.after_kept_away": "tests/contract/imap/test_retention.py",
    "fetcher.after_reading": "tests/contract/imap/test_wishes.py",
    "fetcher.after_count": "tests/contract/imap/test_old_mail.py",
    "fetcher.after_old_mail": "tests/contract/imap/test_old_mail.py",
    "oauth.after_claim": "tests/contract/oauth/test_delegated_tokens.py",
    "oauth.after_renewal": "tests/contract/oauth/test_delegated_tokens.py",
    "oauth.after_refusal": "tests/contract/oauth/test_delegated_tokens.py",
    "oauth.after_release": "tests/contract/oauth/test_delegated_tokens.py",
    "store.after_rewrap": "tests/contract/store/test_rotation.py",
    "bookkeeper.after_expired": "tests/integration/bookkeeper/test_retention.py",
    "bookkeeper.after_fading_place": "tests/integration/bookkeeper/test_retention.py",
    "bookkeeper.after_expired_audit": "tests/integration/bookkeeper/test_retention.py",
    "store.after_fading": "tests/integration/bookkeeper/test_retention.py",
    "store.after_faded_words": "tests/integration/bookkeeper/test_retention.py",
    "store.after_small_raws_deleted": "tests/integration/bookkeeper/test_retention.py",
    "store.after_chunks_deleted": "tests/integration/bookkeeper/test_retention.py",
    "store.after_erased_raw": "tests/contract/cli/test_erase_command.py",
    "store.after_erased_article": "tests/contract/cli/test_erase_command.py",
    "store.after_erased_acknowledgement": "tests/contract/cli/test_erase_command.py",
    "store.after_erased_ticket": "tests/contract/cli/test_erase_command.py",
    "store.after_left_ticket": "tests/contract/cli/test_erase_command.py",
    "store.after_erased_fingerprints": "tests/contract/cli/test_erase_command.py",
    "store.after_erased_budget": "tests/contract/cli/test_erase_command.py",
}
"""Points that need what the world does not have, and the test in which a process dies at each."""

BESIDES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("fetcher.after_copy", "fetcher.after_deletion_mark", "fetcher.after_action"), EVERYBODY),
    "stage.after_failure": frozenset({"filter"}),
    "bookkeeper.after_claims": frozenset({"filter"}),
    "bookkeeper.after_republish": frozenset({"filter"}),
    "bookkeeper.after_relay": frozenset({"ticket_writer"}),
    "bookkeeper.after_tickets_relayed": frozenset({"ticket_writer"}),
    "bookkeeper.after_articles_relayed": frozenset({"ticket_writer"}),
    "bookkeeper.after_rejections_relayed": frozenset({"filter"}),
    "bookkeeper.after_mails_relayed": frozenset({"ticket_writer"}),
    **dict.fromkeys((point for point in PROVOKED if point.endswith(".after_give_back")), EVERYBODY),
}
"""The services, with their queues, that a provocation handles or relies on besides the one that is to die: everybody,
if it takes the store away or waits until a mail is done."""


def provocation(point: str) -> Provocation:
    """What brings a point about."""
    return mail_of_each_kind if point in TRAFFIC else PROVOKED[point]


@asynccontextmanager
async def undisturbed(locks: Mapping[str, asyncio.Lock], services: AbstractSet[str]) -> AsyncIterator[None]:
    """While nobody else has any of these services. They are taken in one order, so that nobody waits for ever."""
    async with contextlib.AsyncExitStack() as stack:
        for service in sorted(services):
            await stack.enter_async_context(locks[service])
        yield


def signal_all(world: World, service: str, number: signal.Signals) -> None:
    """Signal every process of a service."""
    for pid in world.system.processes[service]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            world.fault(f"{number.name} {service}")


async def _side_mailbox(world: World, name: str, **imap: object) -> None:
    """A mailbox beside that of USER: one of its folders."""
    main = await world.store.mailboxes.get(USER)
    assert main is not None
    folder = name.capitalize()
    world.dovecot.maildir(USER, folder)
    spec = main.spec.model_copy(
        update={
            "email": f"{name}@example.com",
            "imap": main.spec.imap.model_copy(update={"folder": folder, **imap}),
        }
    )
    await world.store.mailboxes.put(main.model_copy(update={"name": name, "revision": 1, "spec": spec}), {})


async def _lay_unreadable(world: World, file: Path) -> None:
    """A mail into the folder of the mailbox "broken" whose size Dovecot can tell, by its name, and whose content it
    cannot read."""
    if await world.store.mailboxes.get("broken") is None:
        world.withheld.add("broken")
        await _side_mailbox(world, "broken", start_from=StartFrom.ALL)
    size = file.stat().st_size
    file.chmod(0)
    file.rename(world.dovecot.maildir(USER, "Broken") / "new" / f"{file.name},S={size},W={size}")
    world.fault("an unreadable mail")
    signal_all(world, "fetcher", signal.SIGKILL)  # with each broken connection it would wait longer before the next


def _unreadable(world: World) -> list[Path]:
    files = world.dovecot.maildir(USER, "Broken").glob("*/*")
    return [file for file in files if not file.stat().st_mode & 0o400]


def _remove_unreadable(world: World) -> None:
    for file in _unreadable(world):
        file.unlink()
    world.fault("removed unreadable mails")


async def _at_work(world: World, service: str) -> None:
    """Once every process of a service is ready, and a moment longer."""
    ports = [one.program.admin_port for one in world.system.supervisor.kept if one.program.name == service]
    await _until(lambda: _all_ready(ports))
    await asyncio.sleep(1)


async def _all_ready(ports: list[int]) -> bool:
    return all([await readiness.ready(port) for port in ports])


async def _started(world: World, service: str, before: list[int]) -> list[int]:
    return [pid for pid in world.system.processes[service] if pid not in before]


async def _has_cursor(world: World, mailbox: str, folder: str) -> bool:
    return await world.store.runtime.cursor(mailbox, folder) is not None


@asynccontextmanager
async def _dovecot_down(world: World) -> AsyncIterator[None]:
    await world.dovecot.stop()
    try:
        yield
    finally:
        await world.dovecot.start()


async def _holes(world: World) -> frozenset[str]:
    found = await world.store.collection("sightings").find({"mailbox": "broken", "state": "hole"})
    return frozenset(one["_id"] for one in found)


async def _holes_looked_at(world: World) -> None:
    """The next connection looks at each: those that are gone or are given now are no holes any more."""
    await _all_anew(world, "fetcher")
    await _until(lambda: _no_hole(world), 30)


async def _no_hole(world: World) -> bool:
    return not await _holes(world)


async def _another_hole(world: World, known: frozenset[str]) -> bool:
    return bool(await _holes(world) - known)


async def _all_anew(world: World, service: str) -> None:
    signal_all(world, service, signal.SIGKILL)
    await asyncio.sleep(2)
    await _at_work(world, service)


async def _either(task: asyncio.Task[None], marker: Path) -> bool:
    return task.done() or marker.exists()


async def _done(world: World, number: int) -> list[LedgerEntry]:
    """The newest mails that are done."""
    rows = [row.mail_id async for row in world.store.ledger.iter_all() if row.state is State.DONE]
    world.chance.shuffle(rows)
    found = (await world.store.ledger.get_many(rows[:number])).values()
    return [one for one in found if one.decision is not None and one.decision.reason.value != "unfetchable"]


async def _entry(world: World, injected: Injected) -> LedgerEntry:
    async def look() -> LedgerEntry | None:
        known = await world.store.ledger.of_message_ids([f"<{injected.token}@people.example>"])
        return await world.store.ledger.get(known[0].mail_id) if known else None

    return await _until(look)


async def _ticketed(world: World, injected: Injected) -> LedgerEntry | None:
    entry = await _entry(world, injected)
    return entry if entry.state is State.DONE else None


async def _in_trouble(world: World) -> bool:
    return any(not status.up for status in (await world.store.sending.all()).values())


async def _sent_more(world: World, before: int) -> bool:
    return len(world.sink.got) > before


async def _is(world: World, mail_id: str, state: State) -> bool:
    entry = await world.store.ledger.get(mail_id)
    return entry is not None and entry.state is state


async def _lost(world: World) -> Injected:
    """A mail in the books whose message the broker has lost."""
    with frozen(world.system.processes["filter"]):
        injected = world.traffic.deliver_one("new")
        await _entry(world, injected)
        await asyncio.sleep(0.5)
        signal_all(world, "filter", signal.SIGKILL)
    await asyncio.sleep(0.2)  # what it held is back on the queue, and it is not
    async with _channel(world) as channel:
        await (await channel.get_queue(FILTER.name, ensure=False)).purge()
    world.fault("purge mail.filter")
    return injected


@asynccontextmanager
async def _halted(world: World, plan: CrashPlan, point: str, kind: str) -> AsyncIterator[None]:
    """While one process of a service stands still at a point, with mail of that kind in its hands."""
    service = point.partition(".")[0]
    marker = plan.arm(point, stop=True)
    try:
        anew = asyncio.create_task(_all_anew(world, service))
        await _until(lambda: _either(anew, marker))  # one that stands still already, with old mail, never answers
        anew.cancel()
        for _ in range(8):
            if marker.exists():
                break
            await one_of(kind, world, plan)
            await asyncio.sleep(1)
        yield
    finally:
        plan.disarm(point)
        let_go_on(world.system.processes[service])


@asynccontextmanager
async def _smtp(world: World, mode: str) -> AsyncIterator[int]:
    """While the SMTP server misbehaves, with mail on its way to it; how many mails it had before."""
    await _at_work(world, "notifier")
    world.sink.mode, before = mode, len(world.sink.got)
    world.fault(f"SMTP {mode}")
    for _ in range(3):
        world.traffic.deliver_one("new")
    try:
        yield before
    finally:
        world.sink.mode = "ok"


@asynccontextmanager
async def _channel(world: World) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        yield await connection.channel()


async def _put(world: World, queue: str, message: aio_pika.Message) -> None:
    """Straight into a queue."""
    async with _channel(world) as channel:
        await channel.default_exchange.publish(message, queue)


async def _taken_and_dropped(world: World, number: int) -> None:
    """So many messages of mail.filter go to a consumer that then goes away."""
    async with _channel(world) as channel, asyncio.timeout(PATIENCE):
        queue = await channel.get_queue(FILTER.name, ensure=False)
        while number:
            if await queue.get(fail=False, no_ack=False):
                number -= 1
            else:
                await asyncio.sleep(0.05)


def _message(entry: LedgerEntry) -> aio_pika.Message:
    """The message of a mail, once more, as the bookkeeper sends it."""
    fetched = EmailFetched(
        mail_id=entry.mail_id,
        mailbox=entry.origin.mailbox,
        received_at=entry.origin.internal_date,
        fetched_at=entry.stored_at,
        size=entry.origin.size,
        decision_version=entry.version,
    )
    envelope = encode(fetched)
    return aio_pika.Message(
        envelope.body,
        headers=dict(envelope.headers),
        content_type=envelope.content_type,
        type=envelope.type,
        message_id=envelope.message_id,
    )


async def _until(look: Callable[[], Awaitable[object]], seconds: float = PATIENCE):
    """What it finds, once it finds something. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.2)
        return found
