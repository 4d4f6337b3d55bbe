"""SASL XOAUTH2: signing in with an access token. Never without TLS.

Our own AUTHENTICATE: aioimaplib never answers a refused challenge and runs into a time-out (library-notes, 7), and it
logs the token (8). Source: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol.
Microsoft follows it.
"""

import base64
import json
from typing import cast

from pydantic import SecretStr

from services.fetcher.errors import AuthenticationRejected
from services.fetcher.imap.classify import login_refused
from services.fetcher.imap.signin import read_capabilities
from services.fetcher.imap.wire import Answer, Wire, shown
from shared.domain.errors import AutomatorError


async def sign_in_with_token(wire: Wire, user: str, token: SecretStr) -> frozenset[str]:
    """AUTHENTICATE XOAUTH2 as `user`, the mailbox's address (a shared one, too); the capabilities afterwards.

    Raises AuthenticationRejected, Throttled, ServerTrouble, NetworkTrouble.
    """
    offered = await read_capabilities(wire)
    if "AUTH=XOAUTH2" not in offered:
        raise AuthenticationRejected(
            "the server does not offer XOAUTH2",
            where=wire.where,
            remedy="check imap.host (outlook.office365.com), or choose another authentication type",
            code="no_common_mechanism",
        )
    packed = base64.b64encode(f"user={user}\x01auth=Bearer {token.get_secret_value()}\x01\x01".encode())
    if "SASL-IR" in offered:
        answer = await wire.run("AUTHENTICATE", "XOAUTH2", packed.decode("ascii"))
    else:
        answer = await wire.run("AUTHENTICATE", "XOAUTH2", replies=[packed])
    if not answer.ok:
        raise token_refused(answer, wire.where)
    wire.authenticated()
    return await read_capabilities(wire)


def token_refused(answer: Answer, where: str) -> AutomatorError:
    """What a NO to the token means. The wire has answered the challenge with an empty line, as it must be."""
    error = login_refused(answer.text, where)
    if not isinstance(error, AuthenticationRejected):
        return error
    status = challenge_status(answer)
    told = f" (status {status})" if status else ""
    return AuthenticationRejected(
        f"the server refuses the access token for this mailbox: {shown(answer.text)}{told}",
        where=where,
        remedy="the application needs IMAP.AccessAsApp with admin consent, a service principal in Exchange Online "
        "with FullAccess on this mailbox, and IMAP switched on for it (Set-CASMailbox -ImapEnabled $true)",
        code="token_refused",
    )


def challenge_status(answer: Answer) -> str:
    """The status in the server's last challenge, such as 401; empty if there is none that makes sense."""
    for challenge in reversed(answer.challenges):
        try:
            found: object = json.loads(base64.b64decode(challenge, validate=True))
        except ValueError:
            continue
        if isinstance(found, dict):
            return shown(str(cast(dict[str, object], found).get("status", "")).encode(), 20)
    return ""
