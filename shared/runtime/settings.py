"""Settings: read once per process, all errors said at once, unknown names refused.

From the environment, and from files named like variables in the folder of secrets; where both say something, the file
counts.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SecretsSettingsSource, SettingsConfigDict, SettingsError

from shared.contracts.events import DEFAULT_SOURCE
from shared.domain.errors import ConfigurationError
from shared.observability.mailbox_series import MOST

PREFIX = "MAIL_AUTOMATOR_"
PARTS = (
    "STORE_",
    "BROKER_",
    "ADMIN_",
    "LOG_",
    "STOP_",
    "METRICS_",
    "EVENT_",
    "TRACING_",
    "OAUTH_",
    "FETCHER_",
    "FILTER_",
    "CLASSIFIER_",
    "TICKET_WRITER_",
    "NOTIFIER_",
    "BOOKKEEPER_",
    "CONSOLE_",
    "OIDC_",
    "PROBE_",
    "ALL_IN_ONE_",
    "TEST_",
)
"""The first word of every setting there is. A variable with our prefix and none of these is a misspelling."""

WHOLE = ("DATA", "ALLOW_INSTALL", "CRASH_PLAN", "SECRETS_DIR")
"""Settings that are one word of their own."""

SECRETS_DIR = "/run/secrets"
"""Where files named like variables lie, unless MAIL_AUTOMATOR_SECRETS_DIR says otherwise."""

S = TypeVar("S", bound=BaseSettings)


class AdminSettings(BaseSettings):
    """Health and metrics of one process. Port 0 takes any free port and logs it."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}ADMIN_", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = 0


class MetricsSettings(BaseSettings):
    """So many mailboxes, the first by name, have series of their own in /metrics; the others share `mailbox="_other"`.
    The same value for every service: alerts join them."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}METRICS_", frozen=True, hide_input_in_errors=True)

    mailboxes: int = Field(default=MOST, ge=0)


class LogSettings(BaseSettings):
    """How a process logs: `auto` is readable on a terminal and JSON elsewhere."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}LOG_", frozen=True, hide_input_in_errors=True)

    format: Literal["json", "console", "auto"] = "auto"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class StopSettings(BaseSettings):
    """How long a process may take to stop. It finishes or gives back what it holds; when the time is nearly up it drops
    the rest, and at its end it is gone, whatever hangs. Less than what the supervisor allows (Kubernetes: 30)."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}STOP_", frozen=True, hide_input_in_errors=True)

    seconds: float = Field(default=25, ge=2, le=600)


class EventSettings(BaseSettings):
    """`source` is the CloudEvents `source` of every event: one value per system, the same for all of its processes."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}EVENT_", frozen=True, hide_input_in_errors=True)

    source: str = Field(default=DEFAULT_SOURCE, pattern=r"^\S+$", max_length=200)


class TracingSettings(BaseSettings):
    """Traces by OpenTelemetry (docs/tracing.md): off without an `endpoint`, the address of a collector that takes OTLP
    over HTTP, such as http://collector:4318. `ratio` of all mails are traced; `headers` go with each request, as
    `name=value,name=value`; `deployment` is the name of the environment. The same values for every service."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}TRACING_", frozen=True, hide_input_in_errors=True)

    endpoint: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$", max_length=500)
    ratio: float = Field(default=1.0, ge=0, le=1)
    headers: SecretStr | None = None
    deployment: str = Field(default="", max_length=100)


def read(settings: type[S], environ: Mapping[str, str]) -> S:
    """One settings class. Raises ConfigurationError that says every problem in one line."""
    prefix = str(settings.model_config.get("env_prefix", PREFIX))
    folder = Path(environ.get(f"{PREFIX}SECRETS_DIR") or SECRETS_DIR)
    problems: list[str] = []
    try:
        files = [one.name for one in folder.iterdir()] if folder.is_dir() else []
        problems += _unknown(settings, prefix, [*environ, *files])
        value = settings(**_from_files(settings, folder, files))
    except ValidationError as error:
        problems += [
            f"{prefix}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)
        ]
    except SettingsError:
        problems += [f"a variable or file of {prefix} is not the JSON it should be"]
    except (OSError, UnicodeDecodeError) as error:
        problems += [f"a file of {folder} cannot be read: {type(error).__name__}"]
    else:
        if not problems:
            return value
    raise ConfigurationError(
        "; ".join(problems), where="environment", remedy="correct or unset these variables", code="settings_invalid"
    )


def _from_files(settings: type[BaseSettings], folder: Path, files: list[str]) -> dict[str, Any]:
    """What files named like these settings hold."""
    if not any(name.upper().startswith(PREFIX) for name in files):
        return {}
    return SecretsSettingsSource(settings, folder)()


def _unknown(settings: type[BaseSettings], prefix: str, names: Iterable[str]) -> list[str]:
    known = [f"{prefix}{name}".upper() for name in settings.model_fields]
    problems: list[str] = []
    for name in names:
        if name.startswith(prefix) and prefix != PREFIX and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            problems.append(f"{name} is not a setting" + (f" (did you mean {close[0]}?)" if close else ""))
        elif name.startswith(PREFIX) and not _of_some_part(name.removeprefix(PREFIX)):
            problems.append(f"{name} is not a setting of any part")
    return problems


def _of_some_part(name: str) -> bool:
    return name in WHOLE or name.startswith(PARTS)
