"""Certificates with one fault each: expired, for another name, self-signed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Files(NamedTuple):
    """PEM files: whom to trust, the certificate, its key."""

    ca_file: Path
    certificate: Path
    key: Path


def make(folder: Path, *, host: str = "localhost", expired: bool = False, self_signed: bool = False) -> Files:
    """A certificate for a host, of an authority of its own unless it is self-signed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name("Test authority"), _name(host)
    authority = _build(ca_name, ca_name, ca_key, now, now + timedelta(days=9), ca=True).sign(ca_key, hashes.SHA256())
    end = now - timedelta(days=2) if expired else now + timedelta(days=9)
    built = _build(name, name if self_signed else ca_name, key, now, end, ca=False, host=host)
    server = built.sign(key if self_signed else ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    files.ca_file.write_bytes(authority.public_bytes(pem))
    files.certificate.write_bytes(server.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files.key.write_bytes(private)
    return files


def _build(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    end: datetime,
    *,
    ca: bool,
    host: str = "",
) -> x509.CertificateBuilder:
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False) if host else made


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
