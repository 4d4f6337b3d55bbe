"""The canary bites: a run in which a secret of a test is seen fails, and one in which none is seen passes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAD = """
import base64, logging, os, subprocess, sys
import pytest
from tests.support.canary import check, secret
"""

LEAKS = {
    "standard output": "def test_it(): print(secret())",
    "standard error": "def test_it(): sys.stderr.write(secret())",
    "a child process": "def test_it(): subprocess.run(['echo', secret()], check=True)",
    "the log": "def test_it(): logging.getLogger('x').warning('password is %s', secret())",
    "base64": "def test_it(): print(base64.b64encode(b'\\0user\\0' + secret().encode()).decode())",
    "an expected exception": """
def test_it():
    with pytest.raises(ValueError):
        raise ValueError(f"wrong: {secret()}")
""",
    "the cause of an exception": """
def test_it():
    with pytest.raises(KeyError):
        try:
            int(secret())
        except ValueError as error:
            raise KeyError("x") from error
""",
    "an unexpected exception": "def test_it(): int(secret())",
    "the end of a fixture": """
@pytest.fixture(scope="module")
def thing():
    yield
    print(secret())

def test_it(thing): pass
""",
    "what a test looks at": "def test_it(): check(b'Bearer ' + secret().encode(), 'an answer')",
}
"""Where a secret can be seen during a test, and a test in which it is."""

OUTSIDE = {
    "the collection": ("test_leak.py", "print(secret())\ndef test_it(): pass"),
    "the very end": (
        "conftest.py",
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish(): check(secret(), 'the very end')",
    ),
}
CLEAN = """
def test_it():
    word = secret("kept")
    assert word.endswith("kept")
    print("password ***")
    with pytest.raises(ValueError):
        raise ValueError("wrong password")
"""


WORKERS = pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["alone", "two workers"])


def run(folder: Path, files: Mapping[str, str], workers: tuple[str, ...] = ()) -> tuple[int, str]:
    """A run of its own over these files; returns its exit code and what it said."""
    for name, text in files.items():
        (folder / name).write_text(HEAD + text)
    command = [sys.executable, "-m", "pytest", "-rfE", "-p", "tests.support.canary", "-p", "no:cacheprovider", *workers]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@WORKERS
def test_a_test_during_which_a_secret_is_seen_fails(tmp_path: Path, workers: tuple[str, ...]) -> None:
    files = {f"test_{where.replace(' ', '_')}.py": text for where, text in LEAKS.items()}
    code, said = run(tmp_path, files | {"test_clean.py": CLEAN}, workers)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    blamed = {line.split()[1].partition("::")[0] for line in said.splitlines() if line.startswith(("FAILED", "ERROR "))}
    assert blamed == set(files), said
    assert said.count("a secret of a test was seen in ") >= len(LEAKS)


@WORKERS
@pytest.mark.parametrize("where", OUTSIDE)
def test_a_run_fails_in_which_a_secret_is_seen_outside_all_tests(
    tmp_path: Path, where: str, workers: tuple[str, ...]
) -> None:
    name, text = OUTSIDE[where]
    code, said = run(tmp_path, {name: text, "test_clean.py": CLEAN}, workers)
    assert code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED), said
    assert "a secret of a test was seen in " in said


@WORKERS
def test_a_run_that_keeps_its_secrets_passes(tmp_path: Path, workers: tuple[str, ...]) -> None:
    code, said = run(tmp_path, {"test_clean.py": CLEAN}, workers)
    assert code == pytest.ExitCode.OK, said


def test_it_watches_this_very_run(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("tests.support.canary")
