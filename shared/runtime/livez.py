"""`python -m shared.runtime.livez`: asks the admin port of this container whether its process is alive, for an image's
HEALTHCHECK. Kubernetes asks by itself.

Must never ask more than /livez does: a broker that restarts is no reason to restart the fleet.
"""

import http.client
import os
import sys
from collections.abc import Mapping

from shared.domain.errors import ConfigurationError
from shared.runtime.settings import AdminSettings, read

ANSWER_SECONDS = 4.0
"""Less than the timeout of the HEALTHCHECK, so that the reason is said."""
ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a process that listens on every address is reached from its own container."""


def main(environ: Mapping[str, str]) -> int:
    """0 if the process says that it is alive; otherwise 1, with one line that says why."""
    try:
        status, said = _ask(read(AdminSettings, environ))
    except ConfigurationError as error:
        status, said = 0, error.line()
    except (OSError, http.client.HTTPException) as error:
        status, said = 0, str(error) or type(error).__name__
    sys.stdout.write(said.strip() + "\n")
    return 0 if status == 200 else 1


def _ask(settings: AdminSettings) -> tuple[int, str]:
    """Raises ConfigurationError if the port is any free one: nobody else can know which."""
    if settings.port == 0:
        raise ConfigurationError(
            "MAIL_AUTOMATOR_ADMIN_PORT is 0: any free port", where="environment", remedy="give it a number"
        )
    host = ANYWHERE.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        return answer.status, answer.read(200).decode(errors="replace")
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(os.environ))  # noqa: TID251 - a process of its own, whose environment is read here
