"""The IMAP steps of a test, from greeting to folder. Read-only: EXAMINE, never SELECT; nothing is fetched."""

import base64
import difflib
import re
from typing import Final

from services.console.probe.conversation import Conversation, server_of
from services.console.probe.credentials import user_of, uses_token
from services.console.probe.folder_names import encode
from services.console.probe.imap_dialogue import (
    Answer,
    Dialogue,
    capabilities,
    folders,
    login,
    plain,
    quoted,
    turned_away,
    xoauth2,
)
from services.console.probe.network import protect
from services.console.probe.steps import Chain, StepFailed
from shared.domain.mailbox import Encryption

FOLDERS_SHOWN: Final = 20
_BUSY: Final = re.compile(
    r"temporar|try again|later|unavailable|internal|timed? ?out|too many|throttl|rate limit|exceeded|\[(inuse|limit)",
    re.IGNORECASE,
)
_INTERESTING: Final = ("IDLE", "MOVE", "UIDPLUS", "CONDSTORE")


async def greeting(talk: Conversation) -> str:
    """The server's first line."""
    line = await talk.wire.line()
    words, kind = talk.wire.shown(line), line[2:6].upper()
    if line[:6].upper() == b"* BYE ":
        raise turned_away(talk.wire.shown(line[6:]))
    if line.startswith(b"* ") and kind.startswith(b"OK"):
        return f'The server greets: "{talk.wire.shown(line[5:])}".'
    if line.startswith(b"* ") and kind == b"PREA":
        return _preauthenticated(talk)
    raise StepFailed(
        "NOT_IMAP",
        f'This is not an IMAP server: it says "{words}".',
        "Check the port: IMAP is 993 (SSL) or 143 (TLS); 465, 587 and 25 are SMTP, 995 and 110 are POP3.",
    )


def _preauthenticated(talk: Conversation) -> str:
    if server_of(talk).encryption is Encryption.STARTTLS:
        raise StepFailed(
            "PREAUTH_BEFORE_TLS",
            "The server signs us in before any TLS: somebody may be in between.",
            "Use encryption SSL (implicit TLS) with port 993.",
        )
    talk.signed_in = True
    return "The server greets, and signs us in without asking."


async def starttls(talk: Conversation) -> str:
    """From clear text to TLS (RFC 9051 section 6.2.1)."""
    answer = await _imap(talk).run("STARTTLS")
    if not answer.ok:
        raise StepFailed(
            "STARTTLS_NOT_OFFERED",
            f'The server does not offer STARTTLS: "{talk.wire.shown(answer.text)}".',
            "Use encryption SSL (implicit TLS) with port 993, or switch STARTTLS on at the server. "
            "Clear text is never used.",
        )
    return await protect(talk.wire, server_of(talk), None)


async def capability(talk: Conversation) -> str:
    """What the server can do."""
    answer = await _imap(talk).run("CAPABILITY")
    talk.capabilities = capabilities(answer)
    if not answer.ok or not talk.capabilities:
        raise StepFailed(
            "NO_CAPABILITIES", "The server does not say what it can do.", "Check that this is an IMAP server."
        )
    ways = [one.removeprefix("AUTH=") for one in sorted(talk.capabilities) if one.startswith("AUTH=")]
    able = [one for one in _INTERESTING if one in talk.capabilities]
    idle = "" if "IDLE" in talk.capabilities else " If IDLE stays missing after sign-in, mail is looked for by polling."
    return talk.wire.shown(f"Ways to sign in: {', '.join(ways) or 'LOGIN'}; {', '.join(able)}.{idle}".encode())


async def authenticate(talk: Conversation) -> str:
    """Sign in, the strongest way that the server offers and the mailbox has."""
    user = user_of(talk.mailbox, Chain.IMAP)
    if talk.signed_in:
        return "The server signed us in by itself."
    talk.require_tls()
    if uses_token(talk.mailbox, Chain.IMAP):
        answer = await _by_token(talk, user)
    else:
        answer = await _by_password(talk, user)
    if not answer.ok:
        raise _denied(talk, answer, user)
    return f"Signed in as {talk.wire.shown(user.encode())}."


async def _by_token(talk: Conversation, user: str) -> Answer:
    if "AUTH=XOAUTH2" not in talk.capabilities:
        raise _no_way("XOAUTH2")
    message = xoauth2(user, await talk.token())
    talk.wire.hide(message)
    return await _sasl(talk, "XOAUTH2", message)


async def _by_password(talk: Conversation, user: str) -> Answer:
    password = await talk.password(Chain.IMAP)
    if "AUTH=PLAIN" in talk.capabilities:
        message = plain(user, password)
        talk.wire.hide(message)
        return await _sasl(talk, "PLAIN", message)
    if "AUTH=LOGIN" in talk.capabilities:
        words = (base64.b64encode(word.encode()) for word in (user, password))
        return await _imap(talk).run("AUTHENTICATE LOGIN", *words)
    if "LOGINDISABLED" in talk.capabilities:
        raise _no_way("PLAIN nor LOGIN")
    command, replies = login(user, password)
    return await _imap(talk).run(command, *replies)


async def _sasl(talk: Conversation, mechanism: str, message: str) -> Answer:
    """A refused XOAUTH2 is first a challenge, which Dialogue answers with an empty line; then comes the NO."""
    if "SASL-IR" in talk.capabilities:
        return await _imap(talk).run(f"AUTHENTICATE {mechanism} {message}")
    return await _imap(talk).run(f"AUTHENTICATE {mechanism}", message.encode("ascii"))


def _no_way(wanted: str) -> StepFailed:
    return StepFailed(
        "NO_COMMON_MECHANISM",
        f"The server does not offer {wanted}: it wants another way to sign in.",
        "Choose another authentication type: many providers want OAuth 2.0, or IMAP must be switched on first.",
    )


def _denied(talk: Conversation, answer: Answer, user: str) -> StepFailed:
    words, who = talk.wire.shown(answer.text), talk.wire.shown(user.encode())
    if _BUSY.search(words):
        return StepFailed(
            "AUTH_UNAVAILABLE", f'The server cannot sign us in now: "{words}".', "Wait some minutes and test again."
        )
    if uses_token(talk.mailbox, Chain.IMAP):
        holder = "application" if talk.mailbox.spec.delegated is None else "account that signed in"
        return StepFailed(
            "TOKEN_REFUSED",
            f'The server refuses a valid token for {who}: "{words}".',
            f"The {holder} has no permission on this mailbox (Add-MailboxPermission), or its IMAP is switched off.",
        )
    return StepFailed(
        "AUTH_DENIED",
        f'The server refuses user name or password of {who}: "{words}".',
        "Correct user name and password. Some providers want an app password, or IMAP switched on in their settings.",
    )


async def folder(talk: Conversation) -> str:
    """Open the folder for reading only, and count its mails."""
    name = talk.mailbox.spec.imap.folder
    answer = await _imap(talk).run(f"EXAMINE {_wire_name(name)}")
    if not answer.ok:
        raise await _no_folder(talk, name, answer)
    count = next((int(line.split()[1]) for line in answer.untagged if re.match(rb"\* \d{1,10} EXISTS$", line)), 0)
    validity = re.search(rb"\[UIDVALIDITY (\d+)\]", b"\n".join(answer.untagged))
    detail = f" (UIDVALIDITY {validity.group(1).decode('ascii')})" if validity else ""
    await _imap(talk).run("LOGOUT")
    mails = "1 mail" if count == 1 else f"{count} mails"
    return f'Folder "{name}" holds {mails}{detail}.'


async def _no_folder(talk: Conversation, name: str, answer: Answer) -> StepFailed:
    listed = folders(await _imap(talk).run('LIST "" "*"'))
    words = talk.wire.shown(answer.text)
    if name in listed:
        remedy = "Give this user the right to read it."
        return StepFailed("FOLDER_REFUSED", f'The server does not open folder "{name}": "{words}".', remedy)
    close = difflib.get_close_matches(name.casefold(), [one.casefold() for one in listed], 1)
    meant = next((f'Did you mean "{_safe(talk, one)}"? ' for one in listed if [one.casefold()] == close), "")
    shown = ", ".join(_safe(talk, one) for one in sorted(listed)[:FOLDERS_SHOWN])
    more = f" and {len(listed) - FOLDERS_SHOWN} more" if len(listed) > FOLDERS_SHOWN else ""
    return StepFailed(
        "FOLDER_MISSING", f'There is no folder "{name}".', f"{meant}Folders that exist: {shown or 'none'}{more}."
    )


def _safe(talk: Conversation, name: str) -> str:
    return talk.wire.shown(name.encode("utf-8", "replace"))


def _wire_name(name: str) -> str:
    return quoted(encode(name).encode("ascii")).decode("ascii")


def _imap(talk: Conversation) -> Dialogue:
    if talk.dialogue is None:
        talk.dialogue = Dialogue(talk.wire)
    return talk.dialogue
