"""The catalogue: read it, and replace it whole."""

from fastapi import Request
from fastapi.responses import JSONResponse

from services.console import changes
from services.console.api import bodies, preconditions
from services.console.api.caller import Caller
from services.console.api.preconditions import IfMatch
from services.console.api.surroundings import Here
from services.console.api.views import CatalogueView
from services.console.configuration.plan import Current, decide
from shared.domain.catalogue import Catalogue
from shared.store.failures import Conflict


async def show(here: Here) -> JSONResponse:
    """Show the catalogue; its ETag is what a change needs."""
    return _answer(await here.store.catalogue.load())


async def replace(here: Here, asking: Caller, request: Request, if_match: IfMatch = None) -> JSONResponse:
    """Replace the catalogue. Refused if a mailbox or anything else names what would be gone."""
    documents = bodies.catalogue(await bodies.read(request))
    old = await here.store.catalogue.load()
    preconditions.check(if_match, old.revision)
    mailboxes = {one.name: one for one in await here.store.mailboxes.all()}
    empty = Catalogue(revision=old.revision)
    new = decide(Current(mailboxes, empty), documents).catalogue or empty
    if new == old:
        return _answer(old)
    try:
        saved = await changes.save_catalogue(here.store, asking.who, old, new)
    except Conflict:
        raise preconditions.stale((await here.store.catalogue.load()).revision) from None
    await here.tell()
    return _answer(saved)


def _answer(catalogue: Catalogue) -> JSONResponse:
    body = CatalogueView.of(catalogue).model_dump(mode="json", by_alias=True)
    return JSONResponse(body, headers={"ETag": preconditions.etag(catalogue.revision)})
