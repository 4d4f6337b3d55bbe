"""The server's side of NTLM, by pyspnego: for Dovecot (through `ntlm_helper`) and for the test SMTP server."""

import hashlib
import os
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import spnego
from spnego._ntlm_raw.md4 import md4
from spnego.channel_bindings import GssChannelBindings

ROOT = Path(__file__).parents[2]


def acceptor() -> spnego.ContextProxy:
    """One sign-in's server side. Users and certificate come from NTLM_USER_FILE and NTLM_CERTIFICATE."""
    certificate = os.environ.get("NTLM_CERTIFICATE")
    bound = GssChannelBindings(application_data=_end_point(Path(certificate))) if certificate else None
    return spnego.server(protocol="ntlm", channel_bindings=bound, options=spnego.NegotiateOptions.use_ntlm)


@contextmanager
def ntlm_users(users: Mapping[str, str], certificate: Path | None = None) -> Iterator[dict[str, str]]:
    """The environment in which `acceptor` knows these users (`DOMAIN\\user` or a UPN) and their passwords.

    It holds here, for servers in this process, and is given back for others. `certificate` (PEM, signed with SHA-256):
    clients must be bound to it, as Exchange's Extended Protection requires.
    """
    folder = Path(tempfile.mkdtemp(prefix="mail-automator-ntlm-"))  # Dovecot's own user must be able to read it
    folder.chmod(0o755)
    file = folder / "users"
    file.write_text("".join(f"{user}:0:{'0' * 32}:{_nt_hash(word)}:[U]:LCT-0\n" for user, word in users.items()))
    environment = {"NTLM_USER_FILE": str(file)}
    if certificate is not None:
        environment["NTLM_CERTIFICATE"] = str(shutil.copy(certificate, folder / "certificate.pem"))
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield environment
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder)


@contextmanager
def ntlm_dovecot(
    users: Mapping[str, str], certificate: Path | None = None, mechanisms: str = "ntlm plain login"
) -> Iterator[str]:
    """Configuration for Dovecot (`extra`): NTLM for these users, beside what its own password file knows."""
    with ntlm_users(users, certificate) as environment:
        helper = Path(environment["NTLM_USER_FILE"]).with_name("ntlm_auth")
        settings = " ".join(f"{name}='{value}'" for name, value in environment.items())
        helper.write_text(
            f"#!/bin/sh\ncd '{ROOT}' && exec env {settings} '{sys.executable}' -m tests.support.ntlm_helper\n"
        )
        helper.chmod(0o755)
        yield (
            f"auth_mechanisms = {mechanisms}\nauth_use_winbind = yes\nauth_winbind_helper_path = {helper}\n"
            + ("service auth {\n  user = root\n}\n" if os.geteuid() == 0 else "")
        )


def _nt_hash(password: str) -> str:
    return md4(password.encode("utf-16-le")).hex().upper()


def der_of(certificate: Path) -> bytes:
    """The first certificate of a PEM file, in DER."""
    begin, _, _ = certificate.read_text().partition("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(begin + "-----END CERTIFICATE-----\n")


def _end_point(certificate: Path) -> bytes:
    return b"tls-server-end-point:" + hashlib.sha256(der_of(certificate)).digest()
