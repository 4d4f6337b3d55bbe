"""Use Default: the servers that an address most likely has. Asks nobody; a test does."""

from typing import Annotated

from fastapi import Query

from services.console.api.surroundings import Here
from services.console.defaults.presets import AuthType, Servers
from services.console.defaults.presets import defaults as preset
from shared.domain.mailbox import Provider


async def show(
    _: Here,
    email: Annotated[str, Query(min_length=3, max_length=254, description="The mailbox's address.")],
    provider: Annotated[Provider, Query(description="Who runs the mail server.")] = Provider.OTHER,
    auth: Annotated[AuthType, Query(description="How the mailbox signs in.")] = "basic",
) -> Servers:
    """Say which IMAP and SMTP servers an address most likely has: host, port, encryption."""
    return preset(email, provider, auth)
