"""The pages on which a person signs in to Microsoft for a mailbox: consent, away to Microsoft, and back.

Nobody is logged in here: the one-time link opens the consent page, a cookie ties the way back to the browser that went,
and a state that serves once ties it to the request. No page shows a secret, a code or a token.
"""

import secrets

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.console import sign_in
from services.console.api.surroundings import Here, SigningIn, Surroundings
from services.console.web import kit
from services.console.web.errors import sentence
from shared.domain.errors import AutomatorError, Permanent, Transient
from shared.domain.mailbox import Mailbox
from shared.oauth.values import Application, Granted
from shared.store.sign_in_requests import VALID, SignInRequest, new_state

COOKIE = "mail_automator_sign_in"
CALLBACK = "/sign-in/callback"
_ANSWERS = ("code", "state", "error", "error_description")


async def show(request: Request, here: Here, link: str) -> Response:
    """Show what will be asked for, and one button."""
    try:
        return await _consent(request, here, link, *await _wanted(here, link))
    except AutomatorError as error:
        return await _failed(request, error)


async def begin(here: Here, request: Request, link: str) -> Response:
    """Send the browser to Microsoft."""
    try:
        wanted, mailbox = await _wanted(here, link)
        if request.query_params.get("revision") != str(mailbox.revision):
            note = "The mailbox was changed meanwhile: please look again."
            return await _consent(request, here, link, wanted, mailbox, note)
        return await _sent_away(here, here.people(), wanted, mailbox)
    except AutomatorError as error:
        return await _failed(request, error)


async def callback(here: Here, request: Request) -> Response:
    """Take what the browser brings back, and say what came of it."""
    try:
        return await _came_back(here, here.people(), request)
    except AutomatorError as error:
        return await _failed(request, error)


async def _wanted(here: Surroundings, link: str) -> tuple[SignInRequest, Mailbox]:
    wanted = await here.store.sign_in_requests.by_link(link)
    if wanted is None:
        raise _invalid_link()
    return wanted, await _mailbox(here, wanted)


def _invalid_link() -> Permanent:
    what = "this link is not valid: it was used, or it is older than ten minutes"
    return Permanent(what, remedy="ask for a new one", code="sign_in_link_invalid")


async def _mailbox(here: Surroundings, wanted: SignInRequest) -> Mailbox:
    mailbox = await here.store.mailboxes.get(wanted.mailbox)
    if mailbox is None:
        raise Permanent(f"there is no mailbox {wanted.mailbox} any more", code="unknown_mailbox")
    sign_in.delegated_of(mailbox)
    return mailbox


async def _consent(
    request: Request, here: Surroundings, link: str, wanted: SignInRequest, mailbox: Mailbox, note: str = ""
) -> Response:
    application, where = await sign_in.asking(here.store, mailbox)
    imap = mailbox.spec.imap
    facts = {
        "Mailbox": f"{mailbox.name} ({mailbox.spec.email})",
        "Its mail is read at": f"{imap.host}, port {imap.port}",
        "Application (client) ID": application.client_id,
        "Directory (tenant) ID": application.tenant,
        "Where you sign in": application.authority,
        "Asked for by": wanted.by,
        "Valid until": f"{wanted.until:%H:%M} UTC",
    }
    return await kit.render(
        request,
        "consent.html",
        title="Sign in to Microsoft",
        form_to=here.people().door.places(application, where),
        note=note,
        facts=facts,
        action=kit.address(request, f"/sign-in/{link}", revision=str(mailbox.revision)),
    )


async def _sent_away(here: Surroundings, signing: SigningIn, wanted: SignInRequest, mailbox: Mailbox) -> Response:
    application, where = await sign_in.asking(here.store, mailbox)
    state, browser = new_state(wanted), secrets.token_urlsafe(32)
    begun = await signing.door.begin(application, where, f"{signing.public_url}{CALLBACK}", state)
    if not await here.store.sign_in_requests.begin(wanted, mailbox.revision, state, browser, begun.flow):
        raise _invalid_link()
    response = RedirectResponse(begun.url, 303)
    response.set_cookie(
        COOKIE,
        browser,
        max_age=int(VALID.total_seconds()),
        path=signing.cookie_path,
        secure=signing.secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def _came_back(here: Surroundings, signing: SigningIn, request: Request) -> Response:
    query = request.query_params
    taken = await here.store.sign_in_requests.take(query.get("state", ""), request.cookies.get(COOKIE, ""))
    if taken is None:
        what = (
            "this sign-in cannot be finished: it was finished already, it took longer than ten minutes, or it began in "
            "another browser"
        )
        raise Permanent(
            what, remedy="open the link again if it is not used yet, or ask for a new one", code="sign_in_state_invalid"
        )
    wanted, flow = taken
    mailbox = await _mailbox(here, wanted)
    if mailbox.revision != wanted.revision:
        raise Permanent("the mailbox was changed meanwhile", remedy="open the link again", code="conflict")
    application, where = await sign_in.asking(here.store, mailbox)
    answer = {name: query[name] for name in _ANSWERS if name in query}
    granted = await signing.door.finish(application, where, flow, answer)
    await sign_in.keep(here.store, f"{wanted.by}, by browser", mailbox, granted)
    await here.store.sign_in_requests.done(wanted)
    await here.tell()
    response = await _succeeded(request, mailbox, application, granted)
    response.delete_cookie(COOKIE, path=signing.cookie_path)
    return response


async def _succeeded(request: Request, mailbox: Mailbox, application: Application, granted: Granted) -> Response:
    return await kit.render(
        request,
        "consent_done.html",
        title=f"Signed in as {granted.account}",
        mailbox=mailbox,
        own=sign_in.is_own_account(mailbox, granted.account),
        facts={"Mailbox": f"{mailbox.name} ({mailbox.spec.email})", "Tenant": application.tenant},
    )


async def _failed(request: Request, error: AutomatorError) -> Response:
    remedy = error.remedy or "open the link again, or ask for a new one"
    return await kit.render(
        request,
        "consent_failed.html",
        title="Not signed in",
        status=503 if isinstance(error, Transient) else 400,
        words=sentence(error.what),
        remedy=sentence(remedy),
    )
