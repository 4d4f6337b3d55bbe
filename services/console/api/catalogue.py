"""The catalogue: read it, and replace it whole."""

from fastapi import Request
from fastapi.responses import JSONResponse

from services.console import changes
from services.console.api import bodies, preconditions
from services.console.api.caller import Caller
from services.console.api.preconditions import IfMatch
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import CatalogueView
from services.console.configuration.documents import Documents
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
    return _answer(await save(here, asking.who, documents, old, whole=True))


async def save(here: Surroundings, who: str, documents: Documents, old: Catalogue, *, whole: bool) -> Catalogue:
    """Save the catalogue over the revision that was read: as these documents are (`whole`), or with them in it.

    Raises Refused 412, ConfigurationProblems: a name nobody has.
    """
    mailboxes = {one.name: one for one in await here.store.mailboxes.all()}
    start = Catalogue(revision=old.revision) if whole else old
    new = decide(Current(mailboxes, start), documents).catalogue or start
    if new == old:
        return old
    try:
        saved = await changes.save_catalogue(here.store, who, old, new)
    except Conflict:
        raise preconditions.stale((await here.store.catalogue.load()).revision) from None
    await here.tell()
    return saved


def _answer(catalogue: Catalogue) -> JSONResponse:
    body = CatalogueView.of(catalogue).model_dump(mode="json", by_alias=True)
    return JSONResponse(body, headers={"ETag": preconditions.etag(catalogue.revision)})
