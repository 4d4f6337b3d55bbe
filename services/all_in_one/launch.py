"""How a service is launched: its command line, and the settings it gets through its environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from services.all_in_one.settings import handed_on
from services.all_in_one.supervisor import LONGEST_PAUSE
from shared.runtime.settings import PREFIX

SOURCE = Path(__file__).resolve().parents[2]
"""The folder that holds `services` and `shared`."""
STOP_SLACK = 2.0
"""Seconds by which a process ends by itself, with its own clear line, before it would be killed."""

LAPTOP: Mapping[str, str] = MappingProxyType({f"{PREFIX}PROBE_ALLOW_LOOPBACK": "true"})
"""What the environment may overrule: here a mailbox may be tested on a mail server of this machine."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What all services have in common. Seconds; `database` is the store's; `private` makes the data folder 0700,
    otherwise 0711: what lies in it is private all the same. `api_port` is that of the first console, 0 any free one.
    `key_inherited`: the key of secrets is in the environment, so there is no key file. `longest_pause`: a service that
    keeps dying is started again after at most that long."""

    database: str = "mail_automator"
    key_file: Path | None = None
    key_inherited: bool = False
    log_format: Literal["json", "console"] = "json"
    log_level: str = "INFO"
    ready_seconds: float = 60
    drain_seconds: float = 20
    allow_install: bool = True
    private: bool = True
    api_port: int = 0
    longest_pause: float = LONGEST_PAUSE

    def command(self, service: str) -> tuple[str, ...]:
        """The command line of a service: `python -m services.<name>`."""
        return (sys.executable, "-m", f"services.{service}")

    def environment(
        self, environ: Mapping[str, str], broker_url: str, store_url: str, key_file: Path | None, admin_port: int
    ) -> dict[str, str]:
        """The environment of one process: what was inherited, then where everything is."""
        where = {
            "BROKER_URL": broker_url,
            "STORE_URL": store_url,
            "STORE_DATABASE": self.database,
            **({"STORE_KEY_FILE": str(key_file), "STORE_KEY": ""} if key_file else {}),
            "ADMIN_PORT": str(admin_port),
            "LOG_FORMAT": self.log_format,
            "LOG_LEVEL": self.log_level,
        }
        stop = {f"{PREFIX}STOP_SECONDS": f"{self.drain_seconds - STOP_SLACK:g}"}
        path = ":".join(filter(None, (str(SOURCE), environ.get("PYTHONPATH"))))
        own = {f"{PREFIX}{name}": value for name, value in where.items()}
        return {**LAPTOP, **stop, **handed_on(environ), **own, "PYTHONPATH": path}
