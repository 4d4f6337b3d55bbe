"""Runs a probe, a chaos scenario or a test, on a copy of the code, and hears what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.__main__ import WORDS
from tests.chaos.controls.control import Patch

ROOT = Path(__file__).parents[3]
PARTS = ("services", "shared", "tests")
SEED = 7
"""The same mails for every control: those that a safety is about are among them."""
SECONDS = 480.0


@dataclass(frozen=True)
class Verdict:
    """How a probe ended. `green`: nothing was wrong. `wrong` are the lines that say what was, `short` sums them up."""

    green: bool
    wrong: tuple[str, ...]
    short: str

    def says(self, expected: str) -> bool:
        """Whether what was wrong is what was expected."""
        return any(re.search(expected, one) for one in self.wrong)


@contextmanager
def copied(patches: Sequence[Patch] = ()) -> Iterator[Path]:
    """A copy of the code with these patches, for a while."""
    with TemporaryDirectory(prefix="control-") as name:
        copy = Path(name)
        for part in PARTS:
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for patch in patches:
            patch.apply(copy)
        yield copy


def probe(name: str, copy: Path) -> Verdict:
    """Run it there. Its world ends with it."""
    return _test(name, copy) if "::" in name else _scenario(name, copy)


def _scenario(name: str, copy: Path) -> Verdict:
    report = copy / "report.json"
    result = _run(copy, "tests.chaos", "--only", name, "--seed", str(SEED), "--report", str(report))
    if not report.exists():
        return Verdict(False, (), f"no report: {result.stdout[-600:]}")
    (found,) = json.loads(report.read_text())["results"]
    violations = found["violations"]
    wrong = tuple(f"{one['word']} {one['invariant']} {one['sentence']}" for one in violations)
    of = {word: sorted({one["invariant"] for one in violations if one["word"] == word}) for word in WORDS}
    words = [f"{word} {found[word]} ({', '.join(of[word])})" for word in WORDS if found[word]]
    return Verdict(result.returncode == 0, wrong, "; ".join([*words, *found["unrest"]]))


def _test(node: str, copy: Path) -> Verdict:
    result = _run(copy, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", node)
    wrong = tuple(line for line in result.stdout.splitlines() if line.startswith((">", "E ")))
    last = result.stdout.strip().splitlines()[-1]
    short = next((line.removeprefix("E").strip() for line in wrong if line.startswith("E ")), last)
    return Verdict(result.returncode == 0, wrong if result.returncode == 1 else (), short)


def _run(copy: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The copy stands before the installed package, for what is started and for what that starts."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
