"""The IMAP steps of a test, from greeting to folder. Read-only: EXAMINE, never SELECT; nothing is fetched."""

import difflib
import re
from typing import Final

from services.console.probe.conversation import Conversation, server_of
from services.console.probe.imap_dialogue import Answer, Dialogue, capabilities, folders, turned_away
from services.console.probe.network import protect
from services.console.probe.signin import denied, hiding, sign_in
from services.console.probe.steps import StepFailed
from shared.domain.mailbox import Encryption
from shared.mail.folder_names import encode
from shared.sasl.choose import PREFERENCE
from shared.sasl.handshake import Handshake
from shared.sasl.imap_login import login_command, quoted
from shared.sasl.values import Credentials, Kind

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
    if talk.signed_in:
        return "The server signed us in by itself."

    async def attempt(handshake: Handshake) -> StepFailed | None:
        arguments = handshake.imap_arguments(sasl_ir="SASL-IR" in talk.capabilities)
        talk.wire.hide(*arguments[1:])
        return _refusal(talk, await _imap(talk).run(" ".join(("AUTHENTICATE", *arguments)), hiding(talk, handshake)))

    async def by_command(credentials: Credentials) -> StepFailed | None:
        arguments, reply = login_command(credentials)
        return _refusal(talk, await _imap(talk).run(f"LOGIN {arguments}", reply))

    ways = frozenset(one.removeprefix("AUTH=") for one in talk.capabilities if one.startswith("AUTH="))
    allowed = talk.kind is not Kind.TOKEN and "LOGINDISABLED" not in talk.capabilities
    return await sign_in(talk, ways, attempt, by_command if allowed else _no_way(talk.kind))


def _no_way(kind: Kind) -> StepFailed:
    return StepFailed(
        "NO_COMMON_MECHANISM",
        f"The server offers none of {', '.join(PREFERENCE[kind])}: it wants another way to sign in.",
        "Choose another authentication type: many providers want OAuth 2.0, or IMAP must be switched on first.",
    )


def _refusal(talk: Conversation, answer: Answer) -> StepFailed | None:
    """What an answer to AUTHENTICATE or LOGIN means. Raises StepFailed if it is not about us."""
    if answer.ok:
        return None
    words = talk.wire.shown(answer.text)
    if _BUSY.search(words):
        raise StepFailed(
            "AUTH_UNAVAILABLE", f'The server cannot sign us in now: "{words}".', "Wait some minutes and test again."
        )
    holder = "application" if talk.mailbox.spec.delegated is None else "account that signed in"
    return denied(
        talk,
        words,
        f"The {holder} has no permission on this mailbox (Add-MailboxPermission), or its IMAP is switched off.",
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
