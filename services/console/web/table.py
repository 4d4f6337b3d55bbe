"""Every page, with the least role that may see it (None: everybody). What is not in this table does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from services.console.api import mails as api_mails
from services.console.api import tickets as api_tickets
from services.console.web import (
    account,
    assets,
    consent,
    events,
    formatted,
    mail_moves,
    mailbox_detail,
    mailbox_edit,
    mailboxes,
    mails,
    openid,
    overview,
    quarantine,
    sign_in,
    tickets,
    users,
    welcome,
)
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
    Page("GET", "/mails", Role.VIEWER, mails.list_),
    Page("GET", "/mails/{mail_id}", Role.VIEWER, mails.show),
    Page("GET", "/mails/{mail_id}/raw", Role.OPERATOR, api_mails.raw),
    Page("GET", "/mails/{mail_id}/replay", Role.OPERATOR, mail_moves.ask_replay),
    Page("POST", "/mails/{mail_id}/replay", Role.OPERATOR, mail_moves.replay),
    Page("GET", "/mails/{mail_id}/ticket", Role.OPERATOR, mail_moves.ask_ticket),
    Page("POST", "/mails/{mail_id}/ticket", Role.OPERATOR, mail_moves.make_ticket),
    Page("GET", "/mails/{mail_id}/discard", Role.OPERATOR, mail_moves.ask_discard),
    Page("POST", "/mails/{mail_id}/discard", Role.OPERATOR, mail_moves.discard),
    Page("GET", "/tickets", Role.VIEWER, tickets.list_),
    Page("GET", "/tickets/{ticket}", Role.VIEWER, tickets.show),
    Page("POST", "/tickets/{ticket}/close", Role.OPERATOR, tickets.close),
    Page("POST", "/tickets/{ticket}/reopen", Role.OPERATOR, tickets.reopen),
    Page("GET", "/tickets/{ticket}/messages/{mail_id}/formatted", Role.VIEWER, formatted.show),
    Page("POST", "/tickets/{ticket}/messages/{mail_id}/remote-images", Role.VIEWER, tickets.show_remote_images),
    Page("GET", "/tickets/{ticket}/messages/{mail_id}/images/{part}", Role.VIEWER, formatted.image),
    Page(
        "GET",
        "/tickets/{ticket}/messages/{mail_id}/attachments/{part}",
        Role.VIEWER,
        api_tickets.attachment,
    ),
    Page("GET", "/quarantine", Role.OPERATOR, quarantine.list_),
    Page("GET", "/quarantine/{code}", Role.OPERATOR, quarantine.show),
    Page("GET", "/quarantine/{code}/replay", Role.OPERATOR, quarantine.ask_replay),
    Page("POST", "/quarantine/{code}/replay", Role.OPERATOR, quarantine.replay),
    Page("GET", "/quarantine/{code}/discard", Role.OPERATOR, quarantine.ask_discard),
    Page("POST", "/quarantine/{code}/discard", Role.OPERATOR, quarantine.discard),
    Page("GET", "/events", Role.VIEWER, events.list_),
    Page("GET", "/mailboxes/new/email", Role.EDITOR, mailbox_edit.new),
    Page("POST", "/mailboxes/new/email", Role.EDITOR, mailbox_edit.create),
    Page("GET", "/mailboxes/{name}", Role.VIEWER, mailbox_detail.show),
    Page("GET", "/mailboxes/{name}/edit/email", Role.EDITOR, mailbox_edit.email),
    Page("POST", "/mailboxes/{name}/edit/email", Role.EDITOR, mailbox_edit.save_email),
    Page("GET", "/mailboxes/{name}/edit/domains", Role.EDITOR, mailbox_edit.domains),
    Page("POST", "/mailboxes/{name}/edit/domains", Role.EDITOR, mailbox_edit.save_domains),
    Page("GET", "/mailboxes/{name}/edit/review", Role.EDITOR, mailbox_edit.review),
    Page("POST", "/mailboxes/{name}/edit/review", Role.EDITOR, mailbox_edit.submit),
    Page("POST", "/mailboxes/{name}/edit/rebase", Role.EDITOR, mailbox_edit.rebase),
    Page("POST", "/mailboxes/{name}/edit/discard", Role.EDITOR, mailbox_edit.discard),
    Page("POST", "/mailboxes/{name}/pause", Role.OPERATOR, mailbox_detail.pause),
    Page("POST", "/mailboxes/{name}/resume", Role.OPERATOR, mailbox_detail.resume),
    Page("POST", "/mailboxes/{name}/accept-reappearance", Role.OPERATOR, mailbox_detail.accept_reappearance),
    Page("POST", "/mailboxes/{name}/test", Role.OPERATOR, mailbox_detail.test),
    Page("POST", "/mailboxes/{name}/sign-in", Role.EDITOR, mailbox_detail.begin_sign_in),
    Page("GET", "/mailboxes/{name}/roll-back", Role.EDITOR, mailbox_detail.ask_roll_back),
    Page("POST", "/mailboxes/{name}/roll-back", Role.EDITOR, mailbox_detail.roll_back),
    Page("GET", "/mailboxes/{name}/delete", Role.EDITOR, mailbox_detail.ask_delete),
    Page("POST", "/mailboxes/{name}/delete", Role.EDITOR, mailbox_detail.delete),
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
