"""What a refused access token (SASL XOAUTH2) means. Pure."""

import base64
import json
from typing import cast

from services.fetcher.errors import AuthenticationRejected
from services.fetcher.imap.classify import login_refused
from services.fetcher.imap.wire import Answer, shown
from shared.domain.errors import AutomatorError


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
