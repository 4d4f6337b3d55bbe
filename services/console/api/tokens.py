"""API tokens: list them, make one (shown once), revoke one."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from services.console import changes
from services.console.api import bodies
from services.console.api.caller import Caller
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import NewTokenView, TokenList, TokenView, token_fields
from shared.domain.access import ApiToken

TokenId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="`tokenId` of the token.")]


async def list_(here: Here) -> TokenList:
    """List every token that was ever made, oldest first: whose, what it may do, until when. Never the tokens."""
    return TokenList(items=tuple(TokenView(**token_fields(one)) for one in await here.store.api_tokens.all()))


async def create(here: Here, asking: Caller, request: Request) -> JSONResponse:
    """Make a token. Its text is in this answer and nowhere else: only a hash is kept."""
    made, text = await make(here, asking.who, await bodies.read(request))
    view = NewTokenView(**token_fields(made), token=text.get_secret_value())
    return JSONResponse(view.model_dump(mode="json", by_alias=True), 201)


async def make(here: Surroundings, who: str, body: bytes) -> tuple[ApiToken, SecretStr]:
    """Make the token that a body asks for; its text is seen this once. Raises ConfigurationProblems, Refused."""
    given = bodies.token(body)
    expires_at = None if given.days is None else here.clock.now() + timedelta(days=given.days)
    return await changes.create_token(here.store, who, given.name, given.role, expires_at)


async def revoke(here: Here, asking: Caller, token_id: TokenId) -> Response:
    """Close a token for ever, also one's own."""
    if not await changes.revoke_token(here.store, asking.who, token_id):
        remedy = "GET /api/v1/tokens lists them"
        raise Refused(404, f"no open token has the id {token_id}", remedy=remedy, code="unknown_token")
    return Response(status_code=204)
