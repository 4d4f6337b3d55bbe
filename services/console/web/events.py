"""Events: what other systems were told last, and what is still owed to them."""

from fastapi import Request
from starlette.responses import Response

from services.console.api import insights
from services.console.api.surroundings import Here
from services.console.latest_events import OWED_LIMIT
from services.console.web import kit

LIMIT = 100


async def list_(request: Request, here: Here) -> Response:
    """The last ones, newest first."""
    found = await insights.events(here, LIMIT)
    return await kit.render(
        request,
        "events.html",
        title="Events",
        crumbs=[("Events", None)],
        events=found.items,
        owed=found.owed,
        most=OWED_LIMIT,
    )
