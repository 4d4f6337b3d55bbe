"""Composes the laptop mode: settings -> System, its log on standard output, until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from services.all_in_one.launch import Launch
from services.all_in_one.process import port_is_free
from services.all_in_one.settings import AllInOneSettings, LaptopSettings
from services.all_in_one.system import System
from shared.domain.errors import ConfigurationError
from shared.runtime.process import Process, run_service
from shared.runtime.settings import LogSettings, read

USUAL_PORT = 8080


def run(arguments: Sequence[str]) -> None:
    """Run everything on this machine until it is told to stop; exits with the process's code."""
    parser = argparse.ArgumentParser(
        prog="mail-automator all-in-one",
        description="Every service on this machine, with a private RabbitMQ and store where none are given by URL.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of all data (default: MAIL_AUTOMATOR_DATA)")
    given = parser.parse_args(arguments)

    async def main(process: Process) -> None:
        await _run(process, given.data)

    run_service("all_in_one", main)


async def _run(process: Process, data: Path | None) -> None:
    system = compose(process, data)
    process.ready("system", False)
    starting = asyncio.create_task(system.start())
    draining = asyncio.create_task(process.draining.wait())
    try:
        await asyncio.wait([starting, draining], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            process.ready("system", True)
            _welcome(system)
            while not await process.pause(10):
                process.beat()
    finally:
        for task in (starting, draining):
            task.cancel()
        await asyncio.wait([starting, draining])
        system.supervisor.say("stopping: services drain, then broker and store")
        await system.stop()


def compose(process: Process, data: Path | None) -> System:
    """The system that the environment describes; `data` wins over MAIL_AUTOMATOR_DATA."""
    where, how = read(LaptopSettings, process.environ), read(AllInOneSettings, process.environ)
    logs = read(LogSettings, process.environ)
    console = logs.format == "console" or (logs.format == "auto" and sys.stdout.isatty())
    if where.store_key_file is not None and not where.store_key_file.exists():
        raise ConfigurationError(
            "the key file is not there", where=str(where.store_key_file), remedy="see MAIL_AUTOMATOR_STORE_KEY_FILE"
        )
    return System(
        data or where.data,
        how.replicas,
        write,
        broker_url=where.broker_url.get_secret_value() if where.broker_url else None,
        store_url=where.store_url.get_secret_value() if where.store_url else None,
        environ=process.environ,
        launch=Launch(
            database=where.store_database,
            key_file=where.store_key_file,
            key_inherited=bool(where.store_key),
            log_format="console" if console else "json",
            log_level=logs.level,
            ready_seconds=how.ready_seconds,
            drain_seconds=how.drain_seconds,
            allow_install=where.allow_install,
            api_port=where.console_port or (USUAL_PORT if port_is_free(USUAL_PORT) else 0),
        ),
    )


def write(line: str) -> None:
    """The one log stream: a line on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _welcome(system: System) -> None:
    say = system.supervisor.say
    say(f"ready; data in {system.data}; stop with Ctrl-C")
    say(f"configure mailboxes: mail-automator --data {system.data} apply -f mailboxes.yaml")
    for url in system.api_urls:
        say(f"web pages: {url.replace('127.0.0.1', 'localhost')}")
        say(f"HTTP API: {url}/api/v1 (a token for it: mail-automator --data {system.data} token create NAME)")
    for name in system.services:
        for url in system.admin_urls(name):
            say(f"{name}: {url}/metrics")
