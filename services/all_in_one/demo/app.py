"""The demonstration: sets everything up, delivers about fifty mails, shows what became of each, balances the books."""

import argparse
import asyncio
import io
import logging
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO, cast

import structlog
from pydantic import SecretStr

from services.all_in_one import debian
from services.all_in_one.demo.command import mail_automator
from services.all_in_one.demo.dovecot import BINARY
from services.all_in_one.demo.preparation import prepare
from services.all_in_one.demo.run import Run
from services.all_in_one.demo.screen import Screen
from services.all_in_one.demo.watch import Watch
from services.all_in_one.launch import Launch
from services.all_in_one.settings import LaptopSettings, environment
from services.all_in_one.system import FIRST_LINK, System
from shared.domain.errors import AutomatorError, ConfigurationError
from shared.runtime.clock import Clock
from shared.runtime.settings import read
from shared.store.client import Store
from shared.store.settings import StoreSettings

EXIT_WRONG: Final = 1
EXIT_INTERRUPTED: Final = 130


@dataclass(slots=True)
class Stop:
    """Whether somebody wants the demo to end, and whether it does nothing but wait for that."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    awaited: bool = False


def run(arguments: Sequence[str]) -> int:
    """Run the demo and return its exit code: 0 if every mail ended as it must and the books balance."""
    parser = argparse.ArgumentParser(prog="mail-automator demo", description=__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of all data (default: MAIL_AUTOMATOR_DATA/demo)"
    )
    given = parser.parse_args(arguments)
    cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="replace")
    try:
        return asyncio.run(_until_signalled(given.data))
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED
    except AutomatorError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_WRONG


async def _until_signalled(data: Path | None) -> int:
    """The demo, ended in order by Ctrl-C or SIGTERM: while it works by cancelling it, afterwards by letting it go."""
    stop = Stop()
    task = asyncio.create_task(_demo(data, stop))

    def end() -> None:
        if not stop.wanted.is_set() and not stop.awaited:
            task.cancel()
        stop.wanted.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)
    return await task


async def _demo(data: Path | None, stop: Stop) -> int:
    environ = environment()
    settings = read(LaptopSettings, environ)
    folder = (data or settings.data / "demo").expanduser().resolve()
    screen, clock = Screen(), Clock()
    async with AsyncExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        log = stack.enter_context(_log_file(folder / "services.log"))
        await asyncio.to_thread(
            debian.ensure_package, BINARY, ["dovecot-imapd"], allow_install=settings.allow_install, say=screen.say
        )
        launch = Launch(allow_install=settings.allow_install, private=False)
        system = System(folder, log=_liner(log, screen), environ=environ, launch=launch)
        stack.push_async_callback(system.stop)
        screen.say(f"starting a private RabbitMQ, store and mail server in {folder}")
        await system.start_servers()
        premises = prepare(folder)
        await stack.enter_async_context(premises.dovecot)
        stack.push_async_callback(system.stop)  # before the mail server stops; the first one is for a start that fails
        await _apply(folder, premises.write_configuration(), environ, screen)
        store = await Store.open(_store_settings(system), clock=clock)
        stack.push_async_callback(store.close)
        watch = await stack.enter_async_context(Watch(system.broker_url, clock))
        demo = Run(system, premises, store, watch, screen, clock, secrets.token_hex(3))
        right = await demo.play()
        right = await _audit(folder, environ, screen) and right
        if screen.interactive:
            demo.next_steps()
            stop.awaited = True
            await stop.wanted.wait()
            screen.say("stopping")
    return 0 if right else EXIT_WRONG


async def _apply(data: Path, configuration: Path, environ: dict[str, str], screen: Screen) -> None:
    answer = await mail_automator(data, "apply", "-f", str(configuration), environ=environ)
    if answer.code != 0:
        raise ConfigurationError(answer.errors.strip().removeprefix("error: ") or "apply failed", where="apply")
    screen.say(answer.output.strip().splitlines()[-1])


async def _audit(data: Path, environ: dict[str, str], screen: Screen) -> bool:
    answer = await mail_automator(data, "audit", environ={**environ, "COLUMNS": "150"})
    screen.console.print(f"{answer.output}{answer.errors}", markup=False, soft_wrap=True, end="")
    return answer.code == 0


def _store_settings(system: System) -> StoreSettings:
    return StoreSettings(url=SecretStr(system.store_url), database=system.launch.database, key_file=system.key_file)


def _log_file(file: Path) -> TextIO:
    """The log of this run, private; what libraries of this process say goes there, too."""
    file.touch(mode=0o600)
    log = file.open("a", buffering=1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    logging.basicConfig(stream=log, level=logging.WARNING)
    return log


def _liner(log: TextIO, screen: Screen) -> Callable[[str], None]:
    """Every line into the log; our own (installing, restarting) on the screen as well. The console's first link opens:
    it is kept for the end of the screen, and is in no log."""

    def line(text: str) -> None:
        who, _, words = text.partition("] ")
        if who.startswith("console[") and words.startswith(FIRST_LINK):
            screen.first_link = words
            return
        log.write(f"{text}\n")
        if text.startswith("all_in_one["):
            screen.say(text.partition("] ")[2])

    return line
