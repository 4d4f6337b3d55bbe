"""Every page, with the least role that may see it (None: everybody). What is not in this table does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from services.console.web import account, assets, consent, mailboxes, openid, overview, sign_in, users, welcome
from shared.domain.access import Role


@dataclass(frozen=True, slots=True)
class Page:
    """A page. One that is asked for by POST changes something: its form is checked before it is called."""

    method: Literal["GET", "POST"]
    path: str
    role: Role | None
    endpoint: Callable[..., Any]


PAGES: tuple[Page, ...] = (
    Page("GET", "/static/{name}", None, assets.serve),
    Page("GET", "/", Role.VIEWER, overview.show),
    Page("GET", "/welcome", None, welcome.show),
    Page("POST", "/welcome", None, welcome.submit),
    Page("GET", "/sign-in", None, sign_in.show),
    Page("POST", "/sign-in", None, sign_in.submit),
    Page("POST", "/sign-out", Role.VIEWER, sign_in.sign_out),
    Page("GET", openid.START, None, openid.start),
    Page("GET", openid.CALLBACK, None, openid.callback),
    Page("GET", consent.CALLBACK, None, consent.callback),
    Page("GET", "/sign-in/{link}", None, consent.show),
    Page("POST", "/sign-in/{link}", None, consent.begin),
    Page("GET", "/mailboxes", Role.VIEWER, mailboxes.list_),
    Page("GET", "/account", Role.VIEWER, account.show),
    Page("POST", "/account/password", Role.VIEWER, account.change_password),
    Page("POST", "/account/sessions/end", Role.VIEWER, account.end_session),
    Page("GET", "/users", Role.ADMINISTRATOR, users.list_),
    Page("GET", "/users/new", Role.ADMINISTRATOR, users.new),
    Page("POST", "/users/new", Role.ADMINISTRATOR, users.create),
    Page("GET", "/users/{key}", Role.ADMINISTRATOR, users.show),
    Page("POST", "/users/{key}/role", Role.ADMINISTRATOR, users.set_role),
    Page("POST", "/users/{key}/invite", Role.ADMINISTRATOR, users.invite),
    Page("POST", "/users/{key}/disable", Role.ADMINISTRATOR, users.disable),
    Page("POST", "/users/{key}/enable", Role.ADMINISTRATOR, users.enable),
    Page("POST", "/users/{key}/sessions/end", Role.ADMINISTRATOR, users.end_sessions),
    Page("GET", "/users/{key}/remove", Role.ADMINISTRATOR, users.ask_remove),
    Page("POST", "/users/{key}/remove", Role.ADMINISTRATOR, users.remove),
)
