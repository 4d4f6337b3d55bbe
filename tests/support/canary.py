"""A canary in the mine: every secret that tests use carries one word, and a run in which it is seen elsewhere fails.

Looked at: what every test writes to standard output, standard error and the log, passed or failed; texts of exceptions;
and all that is given to `check`: answers of the API, what commands print, the streams of services, messages. The word
is found in base64, too. A pytest plugin: with xdist each worker looks, and the run fails.
"""

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

WORD: Final = "canary7f31"


def secret(name: str = "secret") -> str:
    """A secret for a test."""
    return f"{WORD}-{name}"


def _as_base64() -> Generator[str]:
    """The word's own characters at each of the three places in which it can begin in base64."""
    for shift, dirty in ((0, 0), (1, 2), (2, 3)):
        packed = base64.b64encode(b"x" * shift + WORD.encode()).decode()
        yield packed[dirty : (shift + len(WORD)) * 8 // 6]


NEEDLES: Final = (WORD, *_as_base64())
_found: list[str] = []
"""What this process has seen and not told yet."""


def check(text: str | bytes, where: str) -> None:
    """Look for the word in something that must not hold a secret. Told at the end of the test, which then fails."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    if any(needle in words for needle in NEEDLES) and where not in _found:
        _found.append(where)


def check_file(path: Path, where: str) -> None:
    """The same for a file, if it is there."""
    if path.exists():
        check(path.read_bytes(), where)


def check_exception(error: BaseException) -> None:
    """The same for all that an exception would show: it, what it came from, and our own line for people."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        line = getattr(one, "line", None)
        check(f"{one} {one!r} {line() if callable(line) else ''}", f"the text of a {type(one).__name__}")
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def taken() -> list[str]:
    """Where it was seen since this was asked last."""
    found = list(_found)
    _found.clear()
    return found


def _told(places: list[str]) -> str:
    return f"a secret of a test was seen in {'; '.join(places)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Look at one phase of a test, and let it fail."""
    report = yield
    for name, content in report.sections:
        if name.endswith(report.when):
            check(content, name.lower())
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, Exception) and not isinstance(error, AssertionError):
        check_exception(error)
    places = taken()
    if places:
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr}\n{_told(places)}" if report.longrepr else _told(places)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """What is written while tests are collected: as bad as a file that cannot be collected."""
    report = yield
    for name, content in report.sections:
        check(content, name.lower())
    places = taken()
    if places:
        report.outcome, report.longrepr = "failed", _told(places)
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Also look at exceptions that a test expects."""
    expected = pytest.RaisesExc.__exit__

    def watched(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is not None:
            check_exception(error)
        return expected(self, kind, error, trace)

    pytest.RaisesExc.__exit__ = watched  # type: ignore[method-assign]  # given back below

    def restore() -> None:
        pytest.RaisesExc.__exit__ = expected  # type: ignore[method-assign]

    config.add_cleanup(restore)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker of xdist had left over."""
    _found.extend(getattr(node, "workeroutput", {}).get("canary", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was seen outside all tests: the run fails; a worker tells the run."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["canary"] = taken()
    elif _found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why."""
    if _found:
        terminalreporter.write_line(f"ERROR {_told(taken())}", red=True)
