"""The mail server of deploy/compose.yaml's profile `demo`, by its own configuration, with Debian's Dovecot."""

import imaplib
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.all_in_one.demo.dovecot import BINARY
from services.all_in_one.process import free_ports, port_answers
from services.console.configuration import documents, source
from tests.deploy.composed import PARTS, document, make_secrets, secrets_of, services

PORT = 31993


@dataclass(frozen=True)
class Server:
    """One that runs: its configuration, its secrets, its port on this machine."""

    configuration: Path
    secrets: Path
    port: int


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """As one user without rights, like in its container."""
    if not BINARY.exists():
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    user = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="mail-automator-"))  # its sockets' paths must be short
    made, (port,) = tmp_path / "secrets", free_ports(1)
    make_secrets(made)
    file = _laid_out(folder, made, user, port)
    command = [BINARY, "-F", "-c", file]
    process = subprocess.Popen(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    try:
        _wait(process, port, folder / "log")
        yield Server(file, made, port)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _laid_out(folder: Path, made: Path, user: pwd.struct_passwd, port: int) -> Path:
    """The configuration with the paths, the user and a free port of this machine."""
    there = {
        "/run/dovecot": f"{folder}/run",
        "/srv/demo": f"{folder}/mail",
        "/dev/stderr": f"{folder}/log",
        "vmail": user.pw_name,
        "uid=1000 gid=1000": f"uid={user.pw_uid} gid={user.pw_gid}",
        f"port = {PORT}": f"port = {port}",
    }
    for name, where in secrets_of(services()["imap"]).items():
        there[where] = f"{folder}/{name}"
        shutil.copy(made / document()["secrets"][name]["file"].removeprefix("./secrets/"), folder / name)
    text = (PARTS / "dovecot.conf").read_text()
    for one, other in there.items():
        assert one in text
        text = text.replace(one, other)
    (folder / "dovecot.conf").write_text(f"{text}first_valid_uid = 1\nfirst_valid_gid = 1\n")
    for one in (folder, *folder.iterdir()):
        os.chown(one, user.pw_uid, user.pw_gid)
    return folder / "dovecot.conf"


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while not port_answers(port):
        assert process.poll() is None and time.monotonic() < until, log.read_text() if log.exists() else "no log"
        time.sleep(0.1)


def test_the_mailbox_of_the_demo_is_one_that_its_mail_server_lets_in(server: Server) -> None:
    """With the password and the certificate that were made; a mail is laid into it as docs/compose.md says."""
    (mailbox,) = documents.parse(source.read([str(PARTS / "demo-mailbox.yaml")], ())).mailboxes
    assert mailbox.spec.imap.host in services()
    assert mailbox.spec.imap.port == PORT
    command = ["doveadm", "-c", server.configuration, "save", "-u", mailbox.name]
    subprocess.run(command, input=b"Subject: one\r\n\r\nmail\r\n", timeout=60, check=True)
    trusted = ssl.create_default_context(cafile=str(server.secrets / "mailboxes" / "demo-ca.pem"))
    with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=trusted, timeout=30) as client:
        client.login(mailbox.name, (server.secrets / "mailboxes" / "demo").read_text())
        assert client.select("INBOX") == ("OK", [b"1"])


def test_the_health_of_the_mail_server_is_asked_with_a_command_that_it_has(server: Server) -> None:
    """And that fails where it does not run."""
    program, *arguments = services()["imap"]["healthcheck"]["test"][1:]
    there = [str(server.configuration) if one.endswith(".conf") else one for one in arguments]
    assert subprocess.run([program, *there], timeout=60, check=False).returncode == 0
