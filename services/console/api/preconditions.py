"""ETag and If-Match (RFC 9110, RFC 6585): a change is made only over the revision that was read."""

import re
from typing import Annotated

from fastapi import Header

from services.console.api.problems import Refused

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="ETag of the revision that is to be changed, or `*`. Mandatory.")
]
_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def check(if_match: str | None, revision: int) -> None:
    """Raise Refused 428 without a condition, 412 if it does not hold. Weak tags never match (RFC 9110, 13.1.1)."""
    if if_match is None:
        remedy = "read it first and send its ETag as If-Match"
        raise Refused(428, "a change needs If-Match", remedy=remedy, code="precondition_required")
    strong = [tag for weak, tag in _TAG.findall(if_match) if not weak]
    if if_match.strip() != "*" and str(revision) not in strong:
        raise stale(revision)


def stale(revision: int) -> Refused:
    """Somebody changed it meanwhile."""
    what = "it was changed by somebody else meanwhile"
    remedy = "read it again and repeat the change"
    where = f"revision {revision}"
    return Refused(412, what, where=where, remedy=remedy, code="precondition_failed", also={"ETag": etag(revision)})
