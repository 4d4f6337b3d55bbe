"""The demonstration, as `make demo </dev/null` runs it: twice on one folder."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.all_in_one.demo.dovecot import BINARY
from services.all_in_one.demo.mails import LETTERS
from services.all_in_one.demo.preparation import LOGINS
from tests.support.canary import check, check_file, secret

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def test_every_mail_ends_as_it_must_and_a_second_run_makes_nothing_of_the_first_ones_mails(
    tmp_path: Path,
) -> None:
    if not BINARY.exists():
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    _give_passwords(tmp_path / "demo" / "passwords")
    first = await asyncio.to_thread(_demo, tmp_path / "demo")
    assert first.returncode == 0, first.stdout
    mails = sum(len(letter.ends) for letter in LETTERS)
    assert mails >= 40
    assert f"{mails} mails: " in first.stdout
    for word in ("ticket", "request", "duplicate", "rejected"):
        assert re.search(rf"\b[1-9]\d* {word}\b", first.stdout), word
    assert "The books balance" in first.stdout

    second = await asyncio.to_thread(_demo, tmp_path / "demo")
    assert second.returncode == 0, second.stdout
    assert f"the {mails} mails of earlier runs made nothing new" in second.stdout
    check_file(tmp_path / "demo" / "services.log", "the log of the demo's services")
    assert _numbers(second.stdout) and not _numbers(first.stdout) & _numbers(second.stdout)


async def test_a_wrong_command_line_is_one_clear_line(tmp_path: Path) -> None:
    done = await asyncio.to_thread(_demo, tmp_path, "--nonsense")
    assert done.returncode == 2
    assert "unrecognized arguments: --nonsense" in done.stderr
    assert "Traceback" not in done.stderr


def _demo(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.all_in_one.demo", "--data", str(data), *more]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False)
    check(ended.stdout + ended.stderr, "the output of the demo")
    return ended


def _give_passwords(folder: Path) -> None:
    """The demo makes up passwords only where there are none: these are recognised."""
    folder.mkdir(parents=True)
    for name in LOGINS:
        (folder / f"{name}.password").write_text(secret(name))


def _numbers(output: str) -> set[str]:
    """The numbers of the tickets that were opened (not those that duplicates are counted on)."""
    return set(re.findall(r"(?:ticket|request)\s+│\s+((?:INC|REQ)-\d{6})", output))
