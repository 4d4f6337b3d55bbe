"""TLS for IMAP: certificates and host names are always verified; there is no switch for less."""

import asyncio
import ssl

from services.fetcher.errors import CertificateRejected, EncryptionMissing, NetworkTrouble
from services.fetcher.imap.classify import refused, throttled
from services.fetcher.imap.wire import Wire, shown
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Encryption, Imap


def context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting the system's authorities, or only those in `ca_file`. Raises ConfigurationError."""
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the CA file cannot be read ({type(error).__name__})",
            where=ca_file or "system certificates",
            remedy="imap.caFile names a PEM file of certificates that the fetcher may read",
            code="ca_file_unreadable",
        ) from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


async def open_wire(imap: Imap, max_literal: int) -> Wire:
    """A protected connection whose greeting has been read. The caller sets the deadline.

    Raises NetworkTrouble, CertificateRejected, EncryptionMissing, Throttled, ConfigurationError.
    """
    where = f"{imap.host}:{imap.port}"
    secure = context(imap.ca_file)
    implicit = imap.encryption is Encryption.IMPLICIT_TLS
    wire = Wire(where, max_literal)
    try:
        await _connect(wire, imap, secure if implicit else None)
        await _greeted(wire, implicit)
        if not implicit:
            await _starttls(wire, imap.host, secure)
    except BaseException:
        wire.abort()
        raise
    return wire


async def _connect(wire: Wire, imap: Imap, secure: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: wire, imap.host, imap.port, ssl=secure)
    except ssl.SSLCertVerificationError as error:
        raise _certificate(error, wire.where) from None
    except ssl.SSLError as error:
        remedy = "implicit_tls belongs to port 993, starttls to port 143"
        raise NetworkTrouble(
            f"TLS failed: {_reason(error)}", where=wire.where, remedy=remedy, code="tls_failed"
        ) from None
    except OSError as error:
        raise NetworkTrouble(
            f"no connection: {error.strerror or type(error).__name__}",
            where=wire.where,
            remedy="check host name, port and firewall",
            code="not_reachable",
        ) from None


async def _greeted(wire: Wire, protected: bool) -> None:
    line = await wire.greeting
    word = line[2:6].upper()
    if line.startswith(b"* ") and word.startswith(b"OK"):
        return
    if word.startswith(b"PREA") and not protected:
        raise EncryptionMissing("the server logs us in before any TLS", where=wire.where, remedy="use implicit_tls")
    if not word.startswith(b"PREA"):
        busy = throttled(line[5:], wire.where)
        raise busy or NetworkTrouble(f"the server turns us away: {shown(line)}", where=wire.where, code="turned_away")


async def _starttls(wire: Wire, host: str, secure: ssl.SSLContext) -> None:
    """STARTTLS (RFC 9051 section 6.2.1), which aioimaplib does not have."""
    answer = await wire.run("STARTTLS")
    if answer.status == "BAD" or (answer.status == "NO" and throttled(answer.text, wire.where) is None):
        remedy = "use encryption implicit_tls with port 993, or switch STARTTLS on at the server"
        raise EncryptionMissing(f"STARTTLS is refused: {shown(answer.text)}", where=wire.where, remedy=remedy)
    if not answer.ok:
        raise refused("STARTTLS", answer.text, wire.where)
    if not wire.clean():
        raise EncryptionMissing("there is clear text behind STARTTLS: somebody may be listening", where=wire.where)
    if wire.pipe is None:
        raise NetworkTrouble("the connection was lost before TLS", where=wire.where, code="connection_lost")
    try:
        transport = await asyncio.get_running_loop().start_tls(wire.pipe, wire, secure, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _certificate(error, wire.where) from None
    except OSError as error:
        raise NetworkTrouble(f"TLS failed: {_reason(error)}", where=wire.where, code="tls_failed") from None
    wire.use(transport)


def _certificate(error: ssl.SSLCertVerificationError, where: str) -> CertificateRejected:
    return CertificateRejected(
        f"the server's certificate does not verify: {error.verify_message or _reason(error)}",
        where=where,
        remedy="use the name that is in the certificate; for a private authority give its PEM file as imap.caFile",
    )


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__
