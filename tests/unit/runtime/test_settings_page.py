"""docs/settings.md tells every setting there is: it is written from the settings classes themselves.

Write it anew with `python -m tests.unit.runtime.test_settings_page`.
"""

import inspect
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.all_in_one.settings import AllInOneSettings, LaptopSettings
from services.bookkeeper.settings import BookkeeperSettings
from services.classifier.settings import ClassifierSettings
from services.console.probe.settings import ProbeSettings
from services.console.settings import ConsoleSettings, OidcSettings
from services.fetcher.settings import FetcherSettings
from services.filter.settings import FilterSettings
from services.notifier.settings import NotifierSettings
from services.ticket_writer.settings import TicketWriterSettings
from shared.broker.settings import BrokerSettings
from shared.oauth.settings import OAuthSettings
from shared.runtime.settings import AdminSettings, EventSettings, LogSettings, StopSettings, TracingSettings
from shared.store.settings import StoreSettings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"

SETTINGS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("Store (every service)", StoreSettings),
    ("Broker (every service)", BrokerSettings),
    ("Health and metrics (every service)", AdminSettings),
    ("Logs (every service)", LogSettings),
    ("Stop (every service)", StopSettings),
    ("Events (every service, and commands that send events)", EventSettings),
    ("Traces (every service)", TracingSettings),
    ("Fetcher", FetcherSettings),
    ("OAuth (fetcher, notifier, console, command line)", OAuthSettings),
    ("Filter", FilterSettings),
    ("Classifier", ClassifierSettings),
    ("Ticket writer", TicketWriterSettings),
    ("Notifier", NotifierSettings),
    ("Bookkeeper", BookkeeperSettings),
    ("Console", ConsoleSettings),
    ("Console: signing in at an OpenID provider", OidcSettings),
    ("Test of a mailbox (console and command line)", ProbeSettings),
    ("Laptop mode: where things are", LaptopSettings),
    ("Laptop mode: how services are run", AllInOneSettings),
)

HEAD = """# Settings

Environment variables, read once at the start of a process. An unknown one with our prefix is an error, and all errors
are said at once. Each may also be a file of its name (`MAIL_AUTOMATOR_STORE_URL`) in the folder of mounted secrets,
`/run/secrets` or the one in `MAIL_AUTOMATOR_SECRETS_DIR`; a file counts more than a variable. This page is
written from the code (`tests/unit/runtime/test_settings_page.py`).
"""


def page() -> str:
    return "\n".join([HEAD, *(_section(title, settings) for title, settings in SETTINGS)])


def _section(title: str, settings: type[BaseSettings]) -> str:
    prefix = str(settings.model_config.get("env_prefix", ""))
    rows = [
        f"| `{prefix}{name.upper()}` | {_default(field.get_default(call_default_factory=True))} |"
        for name, field in settings.model_fields.items()
    ]
    return "\n".join(
        [f"## {title}", "", inspect.getdoc(settings) or "", "", "| variable | default |", "|---|---|", *rows, ""]
    )


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    return "none" if value in (None, "") else f"`{value}`"


def test_the_settings_page_is_what_the_code_says() -> None:
    """A new setting is a new line there."""
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
