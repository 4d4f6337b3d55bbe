"""Mailboxes: the list, how each of them is, and what can be done with several at once."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import Response

from services.console import changes, mailbox_health
from services.console.api.surroundings import Here
from services.console.mailbox_health import Pill
from services.console.web import kit
from services.console.web.visitor import Me
from shared.domain.access import Role
from shared.domain.value import Slug

PILLS: Final = {
    Pill.HEALTHY: ("good", "Healthy"),
    Pill.DELAYED: ("warn", "Delayed"),
    Pill.AUTH_FAILED: ("bad", "Auth failed"),
    Pill.PAUSED: ("off", "Paused"),
    Pill.NEVER_CONNECTED: ("warn", "Never connected"),
    Pill.NEEDS_ATTENTION: ("bad", "Needs attention"),
}
"""How each looks, and what it is called."""
AUTH: Final = {"basic": "Basic", "oauth2_microsoft": "OAuth2 Microsoft", "exchange": "Exchange Server"}
PAGE: Final = 50
NONE_CHOSEN: Final = "Choose at least one mailbox in the list."


async def list_(
    request: Request,
    here: Here,
    me: Me,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[Slug | None, Query()] = None,
) -> Response:
    """All of them, by name: those that have these words and that state, so many on a page."""
    found = await mailbox_health.read(here.store, here.clock.now())
    wanted = [one for one in found if state in ("", one.pill.value) and one.has(q)]
    rest = [one for one in wanted if cursor is None or one.mailbox.name > cursor]
    counts = [(one, sum(each.pill is one for each in found)) for one in Pill]
    return await kit.render(
        request,
        "mailboxes.html",
        title="Mailboxes",
        crumbs=[("Mailboxes", None)],
        rows=rest[:PAGE],
        cursor=rest[PAGE - 1].mailbox.name if len(rest) > PAGE else None,
        any=bool(found),
        states=[("", f"All ({len(found)})"), *((one.value, f"{PILLS[one][1]} ({n})") for one, n in counts if n)],
        q=q,
        state=state,
        pills=PILLS,
        auth=AUTH,
        may_operate=me.role.covers(Role.OPERATOR),
        may_edit=me.role.covers(Role.EDITOR),
    )


async def set_paused(request: Request, here: Here, me: Me) -> Response:
    """Pause or resume those that were chosen; one that is so already stays as it is, and nothing is recorded."""
    form = await request.form()
    paused = form.get("do") == "pause"
    chosen = frozenset(name for name in form.getlist("name") if isinstance(name, str))
    found = [one for one in await here.store.mailboxes.known() if one.name in chosen]
    moved = [one.name for one in found if one.paused is not paused]
    for one in found:
        if one.paused is not paused:
            await changes.set_paused(here.store, me.who, one, paused)
    if moved:
        await here.tell()
    await kit.flash(request, "done" if moved else "note", _said(moved, paused) if found else NONE_CHOSEN)
    return kit.redirect(request, "/mailboxes")


def _said(names: Sequence[str], paused: bool) -> str:
    word = "paused" if paused else "resumed"
    return f"Now {word}: {', '.join(names)}." if names else f"Nothing changed: {word} already."
