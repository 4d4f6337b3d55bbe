"""A person's sign-in to Microsoft for a mailbox: a one-time link to the page where it happens, and forgetting it."""

from fastapi import Response
from fastapi.responses import JSONResponse

from services.console import sign_in
from services.console.api.caller import Caller
from services.console.api.mailboxes import Name, find
from services.console.api.problems import Refused
from services.console.api.surroundings import Here
from services.console.api.views import SignInLink
from shared.domain.errors import ConfigurationError


async def start(here: Here, asking: Caller, name: Name) -> JSONResponse:
    """Make a link, valid for ten minutes and once, to the page where a person signs in to Microsoft for a mailbox."""
    mailbox = await find(here, name)
    try:
        await sign_in.asking(here.store, mailbox)
        signing = here.people()
    except ConfigurationError as error:
        raise Refused(409, error.what, where=error.where, remedy=error.remedy, code=error.code) from None
    made, secret = await here.store.sign_in_requests.make(name, asking.who)
    link = SignInLink(link=f"{signing.public_url}/sign-in/{secret.get_secret_value()}", expires_at=made.until)
    return JSONResponse(link.model_dump(mode="json", by_alias=True), 201)


async def forget(here: Here, asking: Caller, name: Name) -> Response:
    """Forget the sign-in. The mailbox then needs a new one; a session that is open goes on until it ends."""
    if not await sign_in.forget(here.store, asking.who, await find(here, name)):
        raise Refused(404, f"nobody is signed in for mailbox {name}", code="not_signed_in")
    await here.tell()
    return Response(status_code=204)
