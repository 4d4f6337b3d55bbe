"""`mailbox list|show|pause|resume|poll|accept-reappearance|delete`."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from services.console import changes, mailbox_health, old_mail, wishes
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.session import Session, session_of
from services.console.configuration.export import as_yaml, mailbox_document
from services.console.configuration.problems import suggest
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import MailboxStatus
from shared.domain.sign_in import SignIn
from shared.domain.wishes import Reading
from shared.runtime.clock import Clock
from shared.store.client import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the mailbox.")]
NONE = "none yet; `mail-automator apply -f FILE` makes one"
COUNTED = ("ticket", "duplicate", "rejected", "quarantined", "in_flight")


def list_(context: typer.Context) -> int:
    """List the mailboxes: what each does now, and what became of its mails, as last counted (every 15 s)."""
    session = session_of(context)

    async def work(store: Store) -> list[dict[str, Any]]:
        statuses, counts = await store.runtime.statuses(), await mailbox_health.counts(store)
        found = await store.mailboxes.all()
        sign_ins = await store.sign_ins.states(found)
        return [record(one, statuses.get(one.name), counts.get(one.name, {}), sign_ins.get(one.name)) for one in found]

    found = session.run(work)
    signs = ("sign_in",) if any(one["sign_in"] for one in found) else ()
    columns = ("name", "email", "module", "status", *signs, "last_success_at", *COUNTED, "managed_by")
    session.printer.records("Mailboxes", columns, found, NONE)
    return Exit.OK


def show(context: typer.Context, name: Name) -> int:
    """Show one mailbox: its state, its counts, its configuration (never its secrets)."""
    session = session_of(context)

    async def work(store: Store) -> tuple[Mailbox, dict[str, Any]]:
        mailbox = await find(store, name)
        status, counts = await store.runtime.status(name), await mailbox_health.counts(store)
        cursor = await store.runtime.cursor(name, mailbox.spec.imap.folder)
        lease = (await store.runtime.leases()).get(name)
        sending = (await store.sending.all()).get(name)
        wished = await store.wishes.of(name)
        more = {
            "cursor": cursor.model_dump(mode="json") if cursor else None,
            "fetched_by": lease.holder if lease else None,
            "read_on_request": wishes.told(wished.reading, Clock().now()) if wished.reading else None,
            "old_mail": old_mail.told(wished.old_mail) if wished.old_mail else None,
            "sending": None if sending is None or sending.up else sending.code,
            "sending_sentence": None if sending is None or sending.up else sending.sentence,
        }
        sign_in = (await store.sign_ins.states([mailbox])).get(name)
        return mailbox, {**record(mailbox, status, counts.get(name, {}), sign_in), **more}

    mailbox, found = session.run(work)
    document = mailbox_document(mailbox.name, mailbox.labels, mailbox.spec)
    if session.printer.for_people:
        cursor: dict[str, Any] = found.pop("cursor") or {}
        labels = ", ".join(f"{key}={value}" for key, value in mailbox.labels.items())
        session.printer.pairs(
            f"Mailbox {name}", {**found, "labels": labels, **{f"cursor_{key}": value for key, value in cursor.items()}}
        )
        session.printer.line()
        session.printer.block(as_yaml(document))
    else:
        session.printer.data({**found, "document": document})
    return Exit.OK


def pause(context: typer.Context, name: Name) -> int:
    """Stop fetching a mailbox; its mail waits on the server."""
    return _set_paused(session_of(context), name, paused=True)


def resume(context: typer.Context, name: Name) -> int:
    """Fetch a paused mailbox again."""
    return _set_paused(session_of(context), name, paused=False)


def poll(context: typer.Context, name: Name) -> int:
    """Have a mailbox read at once, whatever its fetcher waits for; `mailbox show` says when it was."""
    session = session_of(context)

    async def work(store: Store) -> Reading:
        return await changes.read_now(store, actor(), await find(store, name), Clock().now())

    wish = session.change(work)
    said = f"mailbox {name}: {wishes.told(wish, Clock().now())}; it is read within seconds"
    _say(session, said, {"name": name, **wish.model_dump(mode="json", exclude={"number"})})
    return Exit.OK


def accept_reappearance(context: typer.Context, name: Name) -> int:
    """Take the mails that came back in masses and wait for a person (status mass_reappearance)."""
    session = session_of(context)

    async def work(store: Store) -> None:
        await changes.accept_reappearance(store, actor(), await find(store, name))

    session.change(work)
    _say(session, f"mailbox {name}: the waiting mails are taken", {"name": name, "accepted": True})
    return Exit.OK


def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also one that `apply` manages.")] = False,
) -> int:
    """Delete a mailbox and its secrets. Its tickets and its books stay."""
    session = session_of(context)
    _deletable(session.run(lambda store: find(store, name)), force)
    if not yes and not _agreed(name):
        return Exit.ERROR

    async def work(store: Store) -> bool:
        return await changes.delete_mailbox(store, actor(), _deletable(await find(store, name), force))

    if not session.change(work):
        raise NotFound(f"there is no mailbox {name}", remedy="somebody deleted it meanwhile")
    _say(session, f"mailbox {name} deleted", {"name": name, "deleted": True})
    return Exit.OK


def _deletable(mailbox: Mailbox, force: bool) -> Mailbox:
    """The mailbox, if it may be deleted here. Raises ConfigurationError for one that documents describe."""
    if mailbox.managed_by == "apply" and not force:
        raise ConfigurationError(
            f"mailbox {mailbox.name} is managed by `apply`",
            where="mailbox delete",
            remedy="take its document away and apply with --prune, or add --force",
            code="managed_by_apply",
        )
    return mailbox


async def find(store: Store, name: str) -> Mailbox:
    """The mailbox of that name. Raises NotFound, with the closest name."""
    mailbox = await store.mailboxes.get(name)
    if mailbox is None:
        known = [one.name for one in await store.mailboxes.all()]
        raise NotFound(
            f"there is no mailbox {name}", remedy=suggest(name, known, "mail-automator mailbox list shows all")
        )
    return mailbox


def record(
    mailbox: Mailbox, status: MailboxStatus | None, counts: Mapping[str, int], sign_in: SignIn | None = None
) -> dict[str, Any]:
    """A mailbox as a flat record with stable names. `sign_in` is for mailboxes that a person signs in for."""
    return {
        "name": mailbox.name,
        "email": mailbox.spec.email,
        "module": mailbox.spec.module.value,
        "auth": mailbox.spec.auth.type,
        "sign_in": _sign_in_word(sign_in),
        "sign_in_why": f"{sign_in.lack.sentence} -> {sign_in.lack.remedy}" if sign_in and sign_in.lack else None,
        "signed_in_as": sign_in.account or None if sign_in else None,
        "signed_in_at": sign_in.signed_in_at if sign_in else None,
        "enabled": mailbox.spec.enabled,
        "paused": mailbox.paused,
        "status": status_word(mailbox, status),
        "sentence": status.sentence if status else None,
        "since": status.since if status else None,
        "last_success_at": status.last_success_at if status else None,
        "server_messages": status.server_messages if status else None,
        **{name: counts.get(name, 0) for name in COUNTED},
        "managed_by": mailbox.managed_by,
        "revision": mailbox.revision,
        "labels": dict(mailbox.labels),
    }


def status_word(mailbox: Mailbox, status: MailboxStatus | None) -> str:
    """One word: what the operator decided goes before what the fetcher reports."""
    if not mailbox.spec.enabled:
        return "disabled"
    if mailbox.paused:
        return "paused"
    return status.state if status else "never_connected"


def _sign_in_word(sign_in: SignIn | None) -> str | None:
    if sign_in is None:
        return None
    if sign_in.needed:
        return "sign in again" if sign_in.rev else "sign in"
    return f"as {sign_in.account}"


def _set_paused(session: Session, name: str, *, paused: bool) -> int:
    async def work(store: Store) -> Mailbox:
        return await changes.set_paused(store, actor(), await find(store, name), paused)

    mailbox = session.change(work)
    state = "paused" if mailbox.paused else "resumed"
    note = "" if paused or mailbox.spec.enabled else " (but its configuration says enabled: false)"
    _say(session, f"mailbox {name} {state}{note}", {"name": name, "paused": mailbox.paused, "active": mailbox.active})
    return Exit.OK


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to confirm", where=f"mailbox delete {name}", remedy="add --yes")
    return typer.confirm(f"Delete mailbox {name} and its secrets?", err=True)


def _say(session: Session, sentence: str, data: dict[str, Any]) -> None:
    if session.printer.for_people:
        session.printer.line(sentence)
    else:
        session.printer.data(data)
