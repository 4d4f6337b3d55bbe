"""Mailboxes: the list."""

from fastapi import Request
from starlette.responses import Response

from services.console.api.surroundings import Here
from services.console.api.views import StatusView
from services.console.web import kit

PILLS = {
    "idle": ("good", "Healthy"),
    "polling": ("good", "Healthy"),
    "fetching": ("good", "Fetching"),
    "connecting": ("busy", "Connecting"),
    "backoff": ("warn", "Delayed"),
    "needs_attention": ("bad", "Needs attention"),
    "stopped": ("off", "Stopped"),
    "paused": ("off", "Paused"),
    "disabled": ("off", "Disabled"),
    "never_connected": ("warn", "Never connected"),
}
"""How a state looks, and what it is called."""


async def list_(request: Request, here: Here) -> Response:
    """All of them, and how they are."""
    statuses, found = await here.store.runtime.statuses(), await here.store.mailboxes.all()
    rows = [(one, StatusView.of(one, statuses.get(one.name))) for one in found]
    return await kit.render(
        request, "mailboxes.html", title="Mailboxes", crumbs=[("Mailboxes", None)], rows=rows, pills=PILLS
    )
