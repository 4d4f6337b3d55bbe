"""What the demo needs before anything runs: a mail server with its users, and the configuration filled in.

Everything lies under the data folder; passwords are random, made on the first run, in files of mode 0600.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from services.all_in_one import demo
from services.all_in_one.demo.dovecot import Dovecot
from services.all_in_one.demo.mails.letter import address_of

LOGINS: Final[Mapping[str, str]] = {
    "support": address_of("support"),
    "requests": address_of("requests"),
    "strict": "strict-login",
}
"""The demo's mailboxes and the user names that log in to them (the last one's is not its address)."""


@dataclass(frozen=True, slots=True)
class Premises:
    """A mail server that is not started yet, and where the filled-in configuration goes."""

    dovecot: Dovecot
    configuration: Path
    passwords: Path

    def mails(self) -> int:
        """How many mails lie in all mailboxes, seen or unseen."""
        folders = (self.dovecot.maildir(login) / part for login in LOGINS.values() for part in ("new", "cur"))
        return len({file.name.partition(":")[0] for folder in folders for file in folder.iterdir()})

    def write_configuration(self) -> Path:
        """Fill ports, certificate and password files into the YAML documents. Returns their folder."""
        self.configuration.mkdir(exist_ok=True)
        values = {
            "tls_port": str(self.dovecot.tls_port),
            "starttls_port": str(self.dovecot.starttls_port),
            "ca_file": str(self.dovecot.ca_file),
            "secrets": str(self.passwords),
        }
        for name in ("catalogue", *LOGINS):
            text = resources.files(demo).joinpath("configuration", f"{name}.yaml").read_text()
            (self.configuration / f"{name}.yaml").write_text(Template(text).substitute(values))
        return self.configuration


def prepare(data: Path) -> Premises:
    """The premises under `data`, the same on every run."""
    passwords = data / "passwords"
    passwords.mkdir(parents=True, exist_ok=True)
    passwords.chmod(0o700)
    users = {login: _password(passwords / f"{name}.password") for name, login in LOGINS.items()}
    return Premises(Dovecot(data / "dovecot", users), data / "configuration", passwords)


def _password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18) + "\n")
    return file.read_text().strip()
