"""The steps that every mail server has: resolve, connect, TLS. Certificates are always verified."""

import asyncio
import contextlib
import socket
import ssl
import stat
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast

from services.console.probe.addresses import Address, Rules, address_allowed, port_allowed
from services.console.probe.steps import StepFailed
from services.console.probe.wire import Wire
from shared.domain.mailbox import Encryption, Imap, Smtp

CONNECT_SECONDS: Final = 5.0
"""How long a connection may take, over all addresses of a name."""
ADDRESSES_MAX: Final = 4
CA_FILE_MAX: Final = 1024 * 1024

Server = Imap | Smtp


async def resolve(server: Server, rules: Rules) -> tuple[Address, ...]:
    """Every address of the server's name, asked once. Raises StepFailed if one of them is not allowed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise StepFailed(
            "HOST_UNKNOWN",
            f'The name "{server.host}" has no address.',
            "Check the spelling of the server's name; Use Default fills in what the provider publishes.",
        ) from None
    addresses = tuple(dict.fromkeys(ip_address(one[4][0]) for one in found))[:ADDRESSES_MAX]
    if not all(address_allowed(one, rules) for one in addresses):
        raise StepFailed(
            "ADDRESS_NOT_ALLOWED",
            f'"{server.host}" is at an address that may not be tested (private, or of this machine).',
            "If your mail server is there, list its network in MAIL_AUTOMATOR_PROBE_ALLOW_NETWORKS "
            "(this machine: MAIL_AUTOMATOR_PROBE_ALLOW_LOOPBACK=true, or --allow-loopback).",
        )
    return addresses


async def connect(server: Server, addresses: tuple[Address, ...], rules: Rules) -> socket.socket:
    """A TCP connection to one of these addresses. Refused and filtered are told in the same words."""
    if not port_allowed(server.port, addresses, rules):
        raise StepFailed(
            "PORT_NOT_ALLOWED",
            f"Port {server.port} is not one of a mail server.",
            "Use 993 or 143 for IMAP, 465 or 587 for SMTP; others are allowed by MAIL_AUTOMATOR_PROBE_ALLOW_PORTS.",
        )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            for address in addresses:
                with contextlib.suppress(OSError):
                    share = CONNECT_SECONDS / len(addresses)
                    return await asyncio.wait_for(_connected(address, server.port), share)
            if rules.hide_refusals:
                await asyncio.Event().wait()  # until the time is up: "refused" must not be faster than "filtered"
    except TimeoutError:
        pass
    raise StepFailed(
        "NOT_REACHABLE",
        f"No connection to {server.host}, port {server.port}: nothing listens there, or a firewall is in between.",
        "Check the port (IMAP 993 with SSL or 143 with TLS; SMTP 465 with SSL or 587 with TLS) and the firewall.",
    )


async def _connected(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, (str(address), port))
    except BaseException:
        made.close()
        raise
    return made


def context(server: Server) -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting the system's authorities, or only those in `ca_file`. Raises StepFailed."""
    try:
        made = ssl.create_default_context(cafile=_ordinary(server.ca_file))
    except (OSError, ssl.SSLError):
        raise StepFailed(
            "CA_FILE_UNREADABLE",
            "The file of the private certificate authority (caFile) cannot be read as certificates.",
            "Name a PEM file that this process and the fetcher can read.",
        ) from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def _ordinary(path: str | None) -> str | None:
    """The path of a file that can be read to its end. Raises OSError: a device or a pipe might never end."""
    if path is not None:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > CA_FILE_MAX:
            raise OSError(path)
    return path


async def protect(wire: Wire, server: Server, connected: socket.socket | None) -> str:
    """TLS on a fresh socket, or (None) on the wire as it stands. Returns version, issuer, expiry and name as words.

    Raises StepFailed that says what is wrong with the certificate or the port.
    """
    secure = context(server)
    try:
        await (wire.start_tls(secure, server.host) if connected is None else wire.open(connected, secure, server.host))
    except ssl.SSLCertVerificationError as error:
        raise certificate_refused(error, server) from None
    except OSError as error:
        raise _tls_failed(error, server) from None
    return _certificate(wire.tls, server.host)


_REFUSED: Final = {
    10: ("CERTIFICATE_EXPIRED", "has expired", "Have the server's certificate renewed."),
    9: ("CERTIFICATE_NOT_YET_VALID", "is not valid yet", "Check the clocks of the server and of this machine."),
    62: (
        "CERTIFICATE_WRONG_HOST",
        "is for another name",
        "Use the server's name as it stands in the certificate, usually what the provider publishes.",
    ),
    18: (
        "CERTIFICATE_SELF_SIGNED",
        "is self-signed",
        "Give this certificate as PEM file in caFile, or have one issued by an authority.",
    ),
}
_REFUSED_ELSE: Final = (
    "CERTIFICATE_NOT_TRUSTED",
    "comes from an authority that is not trusted",
    "Give the PEM file of the private authority in caFile; or the server does not send its intermediate certificates.",
)


def certificate_refused(error: ssl.SSLCertVerificationError, server: Server) -> StepFailed:
    """What OpenSSL's verification error (X509_V_ERR_*) means for a person."""
    number = 62 if error.verify_code == 64 else error.verify_code  # 62: host name, 64: IP address
    code, what, remedy = _REFUSED.get(number, _REFUSED_ELSE)
    return StepFailed(code, f"The certificate of {server.host} {what} ({error.verify_message}).", remedy)


def _tls_failed(error: OSError, server: Server) -> StepFailed:
    implicit = server.encryption is Encryption.IMPLICIT_TLS
    reason = str(getattr(error, "reason", None) or "")
    if implicit and reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"):
        return StepFailed(
            "TLS_ON_PLAIN_PORT",
            f"Port {server.port} does not begin with TLS: the server speaks in clear text there.",
            "Choose encryption TLS (starttls) for this port, or the SSL port (IMAP 993, SMTP 465).",
        )
    detail = reason.replace("_", " ").lower() or "the server hung up"
    return StepFailed(
        "TLS_FAILED",
        f"No protected connection: {detail}.",
        "The server must offer TLS 1.2 or newer; check that port and encryption belong together.",
    )


def _certificate(session: ssl.SSLObject | None, host: str) -> str:
    if session is None:
        raise _tls_failed(OSError(), Smtp(host=host))
    certificate = session.getpeercert() or {}
    names = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("issuer", ()))
    issuer = dict(pair for part in names for pair in part)
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC)
    by = issuer.get("organizationName") or issuer.get("commonName") or "an unnamed authority"
    return f"{session.version()}; certificate for {host}, issued by {by}, valid until {until:%Y-%m-%d}."
