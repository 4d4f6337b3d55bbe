"""A private Dovecot 2.3 (Debian's): real IMAP over implicit TLS and STARTTLS, for the demo and the contract tests.

Loopback only, own folder, own certificates. Must never read the machine's /etc/dovecot or touch a Dovecot that runs
already. Started by root it serves mail as Debian's `mail` user; started by anyone else it does everything as that user.
"""

import base64
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.all_in_one.demo.certificates import ensure_certificates
from services.all_in_one.demo.mail_root import mail_owner, mail_root
from services.all_in_one.demo.maildir import Maildir
from services.all_in_one.process import (
    LOOPBACK,
    free_ports,
    kill,
    port_answers,
    port_is_free,
    spawn,
    terminate,
    wait_until,
)
from shared.domain.errors import ConfigurationError, Transient
from shared.runtime.clock import Clock

BINARY: Final = Path("/usr/sbin/dovecot")
START_SECONDS: Final = 15.0


class Dovecot:
    """One mail server. `users` maps user names to passwords; it may run again on the same folder with its mail.

    `tls_port` speaks implicit TLS, `starttls_port` offers STARTTLS (and, being loopback, does not insist on it); both
    are certified for `localhost` and `127.0.0.1` by the authority in `ca_file`. `log_file` is Dovecot's own log.
    Usable as `async with Dovecot(folder, users) as server`. Ports stay the same over restarts while they are free.
    `extra` is appended to its configuration: `ssl = no` takes STARTTLS away, `imap_capability = IMAP4rev1` takes IDLE.
    """

    host: Final = "localhost"

    def __init__(self, folder: Path, users: Mapping[str, str], *, extra: str = "", clock: Clock | None = None) -> None:
        self.folder = folder.resolve()
        self.users = dict(users)
        self.extra = extra
        self.folder.mkdir(parents=True, exist_ok=True)
        self._certificates = ensure_certificates(self.folder / "tls", (clock or Clock()).now())
        self.ca_file = self._certificates.ca_file
        self.log_file = self.folder / "dovecot.log"
        self._owner = mail_owner()
        self._mail_root = mail_root(self.folder, self._owner)
        self.tls_port, self.starttls_port = self._ports()
        self._run = self.folder / "run"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of Dovecot's master."""
        if self._process is None:
            raise RuntimeError("Dovecot has not been started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the master process is there."""
        return self._process is not None and self._process.poll() is None

    def maildir(self, user: str, folder: str = "INBOX") -> Path:
        """The Maildir of a user's folder (Maildir++: subfolders are `.Name` beside INBOX's cur and new)."""
        return Maildir(self._mail_root / user / "Maildir", self._owner).path(folder)

    def deliver(self, user: str, raw: bytes, folder: str = "INBOX", *, received: datetime | None = None) -> Path:
        """Lay a mail into a user's folder as a delivery agent does: written to tmp, renamed into new.

        `received` becomes its INTERNALDATE (whole seconds). Returns its path. Works while the server is down, too.
        """
        return Maildir(self._mail_root / user / "Maildir", self._owner).deliver(raw, folder, received)

    async def start(self) -> None:
        """Start and wait until both ports answer. Raises ConfigurationError or Transient with Dovecot's last words."""
        if not BINARY.exists():
            raise ConfigurationError(
                "Dovecot is not installed", where=str(BINARY), remedy="apt-get install dovecot-imapd"
            )
        self.tls_port, self.starttls_port = self._ports()
        self._write_configuration()
        # SIGTERM, so that a dying parent takes Dovecot's own children along: the master stops them.
        self._process = spawn(
            [BINARY, "-F", "-c", self.folder / "dovecot.conf"],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            death_signal=signal.SIGTERM,
        )
        await wait_until(self._answers_or_died, START_SECONDS)
        if not (self.running and self._answers()):
            await self.kill()
            raise Transient("Dovecot did not start", where=str(self.log_file), remedy=_tail(self.log_file))

    async def stop(self) -> None:
        """Stop in order; what does not end within 5 s is killed. Mail stays."""
        if self._process is not None:
            await terminate(self._process, grace=5)
        self._forget_run()

    async def kill(self) -> None:
        """kill -9 of the whole server: connections break, nothing is said to clients. `start` works after it."""
        if self._process is not None:
            await kill(self._process)
        self._forget_run()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _answers(self) -> bool:
        return port_answers(self.tls_port) and port_answers(self.starttls_port)

    def _answers_or_died(self) -> bool:
        return not self.running or self._answers()

    def _forget_run(self) -> None:
        if self._run.is_symlink():
            shutil.rmtree(self._run.readlink(), ignore_errors=True)
            self._run.unlink()

    def _ports(self) -> tuple[int, int]:
        """The ports of the last run if they are still free, else new ones, remembered."""
        file = self.folder / "ports.json"
        with contextlib.suppress(FileNotFoundError, ValueError):
            tls, starttls = json.loads(file.read_text())
            if port_is_free(tls) and port_is_free(starttls):
                return tls, starttls
        tls, starttls = free_ports(2)
        file.write_text(json.dumps([tls, starttls]))
        return tls, starttls

    def _write_configuration(self) -> None:
        # Socket paths are at most 107 bytes long (unix(7)), and Dovecot's unprivileged parts must reach them.
        self._forget_run()
        run = Path(tempfile.mkdtemp(prefix="mail-automator-dovecot-"))
        run.chmod(0o755)
        self._run.symlink_to(run)
        users = self.folder / "users"
        users.touch(mode=0o600)
        users.write_text("".join(f"{_escaped(user)}:{_password(word)}::::::\n" for user, word in self.users.items()))
        if os.geteuid() == 0:
            shutil.chown(users, "dovecot", "dovecot")
            users = _reachable_copy(users, self._run.readlink())
        for user in self.users:
            Maildir(self._mail_root / user / "Maildir", self._owner).path("INBOX")
        (self.folder / "dovecot.conf").write_text(self._configuration(users))

    def _configuration(self, users: Path) -> str:
        uid, gid = self._owner
        text = _CONFIGURATION.format(
            run=self._run.readlink(),
            mail=self._mail_root,
            log=self.log_file,
            users=users,
            certificate=self._certificates.server_file,
            key=self._certificates.key_file,
            address=LOOPBACK,
            tls_port=self.tls_port,
            starttls_port=self.starttls_port,
            uid=uid,
            gid=gid,
        )
        if os.geteuid() != 0:
            text += _UNPRIVILEGED.format(user=pwd.getpwuid(uid).pw_name)
        return f"{text}{self.extra}\n"


def _reachable_copy(users: Path, run: Path) -> Path:
    """The password file where Dovecot's `dovecot` user can read it."""
    copy = run / "users"
    copy.touch(mode=0o600)
    copy.write_bytes(users.read_bytes())
    shutil.chown(copy, "dovecot", "dovecot")
    return copy


def _escaped(user: str) -> str:
    """A user name as Dovecot looks it up in a password file: quotes and backslashes escaped (seen in 2.3.19)."""
    return re.sub(r"""([\\"'])""", r"\\\1", user)


def _password(word: str) -> str:
    return "{PLAIN.b64}" + base64.b64encode(word.encode()).decode("ascii")


def _tail(log: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    return "Dovecot wrote no log"


_CONFIGURATION: Final = """\
base_dir = {run}
state_dir = {run}/state
instance_name = mail-automator
protocols = imap
listen = {address}
log_path = {log}
auth_verbose = yes
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
auth_username_format = %u
disable_plaintext_auth = yes
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{mail}/%u/Maildir
mailbox_idle_check_interval = 1 secs
mail_max_userip_connections = 200
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {starttls_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

_UNPRIVILEGED: Final = """\
default_internal_user = {user}
default_internal_group =
default_login_user = {user}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
