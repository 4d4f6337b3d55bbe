"""One mailbox: how it is, what can be done with it, and what it was before."""

from typing import Annotated, Final

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from services.console import changes, mailbox_health, old_mail, sign_in, testing, wishes
from services.console.api import mailbox_tests, preconditions
from services.console.api import mailboxes as api
from services.console.api.caller import Asking
from services.console.api.mailboxes import Name
from services.console.api.surroundings import Here, Surroundings
from services.console.mailbox_health import Health
from services.console.web import kit, mailbox_history
from services.console.web.errors import sentence
from services.console.web.mailbox_edit import MANAGED
from services.console.web.mailboxes import AUTH, PILLS
from services.console.web.visitor import Me
from shared.domain.access import Role
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Encryption, Mailbox
from shared.domain.mailbox_runtime import MASS_REAPPEARANCE, Cursor, Lease, MailboxStatus, Phase
from shared.store.rates import TooOften

ENCRYPTION: Final = {Encryption.IMPLICIT_TLS: "SSL (implicit TLS)", Encryption.STARTTLS: "TLS (STARTTLS)"}
PHASES: Final = {
    Phase.CONNECTING: "is connecting",
    Phase.IDLE: "waits for new mail (IDLE)",
    Phase.POLLING: "looks every few minutes (the server has no IDLE)",
    Phase.FETCHING: "is fetching",
    Phase.BACKOFF: "waits before the next attempt",
    Phase.NEEDS_ATTENTION: "waits for a person",
    Phase.STOPPED: "has stopped",
}
Revision = Annotated[int, Query(ge=1, le=2**31 - 1)]


async def show(request: Request, here: Here, me: Me, name: Name) -> Response:
    """How it is, and its history."""
    mailbox = await api.find(here, name)
    found = await mailbox_health.read_one(here.store, name, here.clock.now())
    if found is None:  # deleted between the two questions
        return kit.redirect(request, "/mailboxes")
    status = await here.store.runtime.status(name)
    cursors = (await here.store.runtime.cursors([name])).get(name, ())
    lease = (await here.store.runtime.leases()).get(name)
    return await kit.render(
        request,
        "mailbox.html",
        title=name,
        crumbs=[("Mailboxes", "/mailboxes"), (name, None)],
        mailbox=mailbox,
        health=found,
        look=PILLS[found.pill],
        facts=[*_facts(found, status, cursors, lease), *await _wished(here, name)],
        settings=_settings(mailbox),
        versions=await mailbox_history.versions(here.store, name),
        managed=mailbox.managed_by == "apply",
        reappeared=status is not None and status.code == MASS_REAPPEARANCE,
        may_operate=me.role.covers(Role.OPERATOR),
        may_edit=me.role.covers(Role.EDITOR),
        draft=await here.store.drafts.get(me.user.key, name) is not None,
    )


async def pause(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Stop fetching it."""
    return await _set_paused(request, here, me, name, True)


async def resume(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Fetch it again."""
    return await _set_paused(request, here, me, name, False)


async def poll(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Have it read at once."""
    await changes.read_now(here.store, me.who, await api.find(here, name), here.clock.now())
    await kit.flash(request, "done", f"{name} is read within seconds. “Read on request” says when it was.")
    return kit.redirect(request, f"/mailboxes/{name}")


async def accept_reappearance(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Take the mails that came back and wait for a person."""
    await changes.accept_reappearance(here.store, me.who, await api.find(here, name))
    await kit.flash(request, "done", "The mails that came back are taken.")
    return kit.redirect(request, f"/mailboxes/{name}")


async def test(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Test it as it is stored: as a stream for our script, otherwise as a page with the finished checklist."""
    mailbox = await api.find(here, name)
    try:
        await testing.admit(here.store, me.who)
    except TooOften as error:
        await kit.flash(request, "wrong", f"{sentence(error.what)} {sentence(error.remedy)}")
        return kit.redirect(request, f"/mailboxes/{name}")
    steps = mailbox_tests.results(here, me.who, name, mailbox)
    if mailbox_tests.EVENTS in request.headers.get("accept", ""):
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(mailbox_tests.events(here, steps), media_type=mailbox_tests.EVENTS, headers=headers)
    walked = await mailbox_tests.whole(here, request, steps) or ()
    crumbs = [("Mailboxes", "/mailboxes"), (name, f"/mailboxes/{name}"), ("Test", None)]
    good = mailbox_tests.passed(walked)
    return await kit.render(
        request, "mailbox_test.html", title=f"Test of {name}", crumbs=crumbs, name=name, steps=walked, passed=good
    )


async def begin_sign_in(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Go to the page on which a person signs in to Microsoft for it."""
    mailbox = await api.find(here, name)
    try:
        await sign_in.asking(here.store, mailbox)
        here.people()
    except ConfigurationError as error:
        await kit.flash(request, "wrong", f"{sentence(error.what)} {sentence(error.remedy)}")
        return kit.redirect(request, f"/mailboxes/{name}")
    _, link = await here.store.sign_in_requests.make(name, me.who)
    return kit.redirect(request, f"/sign-in/{link.get_secret_value()}")


async def ask_roll_back(request: Request, here: Here, name: Name, revision: Revision) -> Response:
    """Show what going back to a revision would change."""
    mailbox = await _ours(here, name)
    (past,) = (await api.past(here, name, revision)).mailboxes
    earlier = mailbox.model_copy(update={"labels": past.labels, "spec": past.spec})
    return await kit.render(
        request,
        "mailbox_roll_back.html",
        title=f"Go back to revision {revision}?",
        crumbs=[("Mailboxes", "/mailboxes"), (name, f"/mailboxes/{name}"), ("Go back", None)],
        mailbox=mailbox,
        revision=revision,
        lines=mailbox_history.lines(mailbox_history.between(mailbox, earlier)),
    )


async def roll_back(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Make an earlier revision the newest, over the one that was seen."""
    given = {key: value for key, value in (await kit.form(request)).items() if value.isdecimal()}
    mailbox, revision = await _ours(here, name), int(given.get("revision", "0"))
    preconditions.check(f'"{given.get("over", "")}"', mailbox.revision)
    asking = Asking(me.who, me.user.key, me.role)
    saved = await api.save(here, asking, await api.past(here, name, revision), mailbox)
    words = f"Revision {saved.revision} says what revision {revision} said."
    await kit.flash(request, "done", words)
    return kit.redirect(request, f"/mailboxes/{name}")


async def ask_delete(request: Request, here: Here, name: Name) -> Response:
    """Ask once more before it is deleted."""
    mailbox = await _ours(here, name)
    crumbs = [("Mailboxes", "/mailboxes"), (name, f"/mailboxes/{name}"), ("Delete", None)]
    return await kit.render(request, "mailbox_delete.html", title=f"Delete {name}?", crumbs=crumbs, mailbox=mailbox)


async def delete(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Delete it and its secrets."""
    await changes.delete_mailbox(here.store, me.who, await _ours(here, name))
    await here.tell()
    await kit.flash(request, "done", f"{name} is deleted. Its tickets, its books and its versions stay.")
    return kit.redirect(request, "/mailboxes")


async def _ours(here: Surroundings, name: str) -> Mailbox:
    """The mailbox, if pages may change it. Raises Refused 404 and 409."""
    mailbox = await api.find(here, name)
    api.check_manager(mailbox, MANAGED)
    return mailbox


async def _set_paused(request: Request, here: Surroundings, me: Me, name: str, paused: bool) -> Response:
    await changes.set_paused(here.store, me.who, await api.find(here, name), paused)
    await here.tell()
    words = "is paused: its mail waits on the server" if paused else "is fetched again"
    await kit.flash(request, "done", f"{name} {words}.")
    return kit.redirect(request, f"/mailboxes/{name}")


async def _wished(here: Surroundings, name: str) -> list[tuple[str, str]]:
    """What people asked of its fetcher last."""
    wished = await here.store.wishes.of(name)
    return [
        ("Read on request", wishes.told(wished.reading, here.clock.now()) if wished.reading else "nobody asked"),
        ("Old mail", old_mail.told(wished.old_mail) if wished.old_mail else ""),
    ]


def _facts(
    found: Health, status: MailboxStatus | None, cursors: tuple[Cursor, ...], lease: Lease | None
) -> list[tuple[str, str]]:
    """What is known of how it is read; nothing is said of what is not."""
    folder, secret = found.mailbox.spec.imap.folder, found.mailbox.spec.client_secret_until
    cursor = next((one for one in cursors if one.folder == folder), None)
    rows = [
        ("Last success", kit.moment(found.last_success_at)),
        ("The fetcher", PHASES[status.state] if status else "has not seen it yet"),
        ("Since", kit.moment(status.since) if status else ""),
        ("Connected since", kit.moment(status.connected_at) if status and status.connected_at else ""),
        ("Read by", lease.holder if lease else "no fetcher at the moment"),
        ("Mails on the server", str(status.server_messages) if status and status.server_messages is not None else ""),
        ("The server's certificate ends", kit.moment(found.certificate_until) if found.certificate_until else ""),
        ("The client secret ends", f"{secret:%d %b %Y}" if secret else ""),
        ("Read up to", f"UID {cursor.low_water} of {folder} (UIDVALIDITY {cursor.uid_validity})" if cursor else ""),
    ]
    signed = found.sign_in
    if signed is not None:
        rows.append(("Signed in to Microsoft", signed.account if signed.account and not signed.needed else "no"))
        rows.append(("Signed in", f"{kit.moment(signed.signed_in_at)} by {signed.by}" if signed.signed_in_at else ""))
    return [row for row in rows if row[1]]


def _settings(mailbox: Mailbox) -> list[tuple[str, str]]:
    """What it is, in a few lines."""
    spec = mailbox.spec
    smtp = spec.smtp
    return [
        ("Address", spec.email),
        ("Module", f"{spec.module.value.capitalize()} ({spec.module.prefix}-)"),
        ("Incoming (IMAP)", f"{spec.imap.host}:{spec.imap.port}, {ENCRYPTION[spec.imap.encryption]}"),
        ("Outgoing (SMTP)", f"{smtp.host}:{smtp.port}, {ENCRYPTION[smtp.encryption]}" if smtp else ""),
        ("Authentication", AUTH[spec.auth.type]),
        ("Acknowledgements", "on" if spec.acknowledgements.enabled else "off"),
        ("Revision", str(mailbox.revision)),
        ("Managed by", "Git (`apply`)" if mailbox.managed_by == "apply" else mailbox.managed_by),
    ]
