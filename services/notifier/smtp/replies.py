"""What a server's replies and aiosmtplib's errors mean, as errors of ours (RFC 5321, section 4.2)."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from aiosmtplib import SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.response import SMTPResponse

from services.notifier.errors import CertificateRejected, PutOff, Refused, ServerTrouble
from shared.domain.errors import AutomatorError

SHOWN_MAX: Final = 200
"""Characters of a server's own words that are shown."""


def shown(reply: SMTPResponse) -> str:
    """A reply as one printable line: its code and its words."""
    words = "".join(one if one.isprintable() else " " for one in f"{reply.code} {reply.message}")
    return " ".join(words.split())[:SHOWN_MAX]


def expect(reply: SMTPResponse, step: str, where: str, hundreds: int = 2) -> None:
    """Go on only after a code of these hundreds. Raises PutOff for 4xx, Refused for 5xx, ServerTrouble otherwise."""
    if reply.code // 100 == hundreds:
        return
    what = f"{step} was answered: {shown(reply)}"
    if 400 <= reply.code < 500:
        raise PutOff(what, where=where)
    if 500 <= reply.code < 600:
        raise Refused(what, where=where)
    raise ServerTrouble(what, where=where, code="not_smtp")


@contextmanager
def speaking(step: str, where: str) -> Generator[None]:
    """Translate what the driver raises inside, before the final dot. Raises ServerTrouble, CertificateRejected."""
    try:
        yield
    except AutomatorError:
        raise
    except (SMTPException, ssl.SSLError, OSError, TimeoutError, ValueError) as error:
        raise _trouble(error, step, where) from None


def _trouble(error: Exception, step: str, where: str) -> AutomatorError:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CertificateRejected(
            f"the server's certificate does not verify: {cause.verify_message}",
            where=where,
            remedy="use the name that is in the certificate; for a private authority give its PEM file as smtp.caFile",
        )
    if isinstance(error, SMTPResponseException) and error.code > 0:
        what = f"{step} was answered: {shown(SMTPResponse(error.code, str(error.message)))}"
        return ServerTrouble(what, where=where, code="turned_away")
    if isinstance(cause, ssl.SSLError):
        remedy = "implicit_tls belongs to port 465, starttls to port 587"
        return ServerTrouble(f"TLS failed at {step}", where=where, remedy=remedy, code="tls_failed")
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return ServerTrouble(f"{step} was not answered in time", where=where, code="timed_out")
    remedy = "check host name, port and firewall"
    return ServerTrouble(f"the connection failed at {step}", where=where, remedy=remedy, code="not_reachable")
