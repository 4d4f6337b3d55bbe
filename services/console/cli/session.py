"""What every command starts from: the global options, the store they lead to, and one way to run.

Where the store is: `--store-url`; else `--data DIR`, by what `all-in-one` wrote there; else MAIL_AUTOMATOR_STORE_URL,
MAIL_AUTOMATOR_DATA; else an all-in-one of this user in its usual folder; else the standard port of this machine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import typer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from services.console.cli.environment import LAPTOP_DATA, environment, place_settings, store_settings
from services.console.cli.output import Format, Printer
from services.console.settings import ConsoleSettings
from shared.broker.settings import BrokerSettings
from shared.domain.errors import ConfigurationError
from shared.runtime.clock import Clock
from shared.runtime.settings import EventSettings, read
from shared.store.client import Store
from shared.store.settings import StoreSettings

T = TypeVar("T")
ENDPOINTS = "endpoints.json"


class Endpoints(BaseModel):
    """Where a running `all-in-one` can be reached. Written by it, read here; newer fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    store_url: SecretStr
    broker_url: SecretStr | None = None
    event_source: str | None = None
    key_file: Path | None = None
    store_database: str | None = None
    api: tuple[str, ...] = ()
    services: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class Session:
    """The global options of one call."""

    printer: Printer = field(default_factory=Printer)
    data: Path | None = None
    store_url: SecretStr | None = None
    key_file: Path | None = None

    def settings(self) -> StoreSettings:
        """Where the store is. Raises ConfigurationError if --data leads nowhere or the environment is wrong."""
        found = store_settings()
        given: dict[str, object] = {}
        folder = self._folder()
        if folder is not None:
            ends = read_endpoints(folder)
            given |= {"url": ends.store_url, "key_file": ends.key_file or found.key_file}
            given["database"] = ends.store_database or found.database
        if self.store_url is not None:
            given["url"] = self.store_url
        if self.key_file is not None:
            given["key_file"] = self.key_file
        if given.get("key_file") is not None:
            given["key"] = None
        return found.model_copy(update=given)

    def names_a_store(self) -> bool:
        """Whether an option, the environment or an all-in-one of this user says where the store is."""
        return self._folder() is not None or self.store_url is not None or place_settings().store_url is not None

    def on_this_machine(self) -> bool:
        """Whether the system is an all-in-one of this machine."""
        return self._folder() is not None

    def _folder(self) -> Path | None:
        """The data folder that leads to the store, if one does."""
        if self.data is not None or self.store_url is not None:
            return self.data
        place, usual = place_settings(), LAPTOP_DATA.expanduser()
        if place.store_url is not None or place.data is not None:
            return None if place.store_url is not None else place.data
        return usual if (usual / ENDPOINTS).is_file() else None

    def run(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Open the store, do the work, close it. Raises what the work raises."""
        return asyncio.run(self._with_store(work))

    def change(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """The same for work that changes the configuration: every process is then told to look now.

        Without a broker they find out by themselves within seconds.
        """
        done = self.run(work)
        if (url := self._broker_url()) is not None:
            from shared.broker.hints import configuration_changed  # only here: its driver takes long to import

            asyncio.run(configuration_changed(url))
        return done

    def broker_settings(self) -> BrokerSettings:
        """Where the broker is, for a command that needs it: it looks once, and declares nothing."""
        found = read(BrokerSettings, environment())
        given: dict[str, object] = {"topology": "verify", "connect_deadline_seconds": 0.1}
        url = self._broker_url()
        return found.model_copy(update=given if url is None else {**given, "url": url})

    def event_source(self) -> str:
        """The `source` of the events of that system."""
        folder = self._folder()
        told = None if folder is None else read_endpoints(folder).event_source
        return told or read(EventSettings, environment()).source

    def console_url(self) -> str:
        """What browsers call the console of that system."""
        folder = self._folder()
        told = read_endpoints(folder).api[:1] if folder is not None else ()
        settings = read(ConsoleSettings, environment())
        return settings.public_url or next(iter(told), "") or settings.known_as(settings.port) or ""

    def admin_urls(self) -> Mapping[str, Sequence[str]]:
        """Where the processes of that system show their metrics, by service; none are known but of an all-in-one."""
        folder = self._folder()
        return {} if folder is None else read_endpoints(folder).services

    def secret_urls(self) -> list[str]:
        """The URLs of store and broker, with their passwords."""
        urls = (self.store_url, self._broker_url(), place_settings().store_url)
        return [one.get_secret_value() for one in urls if one is not None]

    def _broker_url(self) -> SecretStr | None:
        folder = self._folder()
        return place_settings().broker_url if folder is None else read_endpoints(folder).broker_url

    async def open(self) -> Store:
        """A client of the store; whoever opens it closes it."""
        return await Store.open(self.settings(), clock=Clock(), environ=environment())

    async def _with_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        store = await self.open()
        try:
            return await work(store)
        finally:
            await store.close()


def session_of(context: typer.Context) -> Session:
    """The session that the global options made."""
    return cast("Session", context.obj)


def make_session(data: Path | None, store_url: str | None, key_file: Path | None, output: Format) -> Session:
    """The session for the given options."""
    secret = None if store_url is None else SecretStr(store_url)
    return Session(Printer(output), data, secret, key_file)


def read_endpoints(data: Path) -> Endpoints:
    """What `all-in-one` wrote into its data folder. Raises ConfigurationError."""
    place = data / ENDPOINTS
    try:
        return Endpoints.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        remedy = "start `make demo` or `make run` with that folder, or give --store-url"
        raise ConfigurationError(
            "no running system has written its endpoints", where=str(place), remedy=remedy
        ) from None
    except OSError as error:
        what = f"cannot be read: {error.strerror or type(error).__name__}"
        raise ConfigurationError(what, where=str(place), remedy="check the path and its rights") from None
    except ValidationError:
        remedy = "stop the system, delete the file and start again"
        raise ConfigurationError("is not an endpoints file", where=str(place), remedy=remedy) from None
